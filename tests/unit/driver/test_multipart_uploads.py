"""Multipart uploads that were begun and not ended: seen, and ended when they are old."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    ContainerNotFoundError,
    PendingUpload,
    ResponseError,
    RetryPolicy,
)
from aios3._protocol.operations import CreateMultipartUpload
from aios3.testing import Fault, S3Server
from tests.support.driver_scenes import operations

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def begin(driver, key: str = "key") -> str:
    """Leave an upload open, as a process that died does."""
    engine = await driver._open()
    return await engine.client.run(CreateMultipartUpload("bucket", key, {}))


async def pending(driver, **options) -> list[PendingUpload]:
    return [upload async for upload in driver.iterate_multipart_uploads("bucket", **options)]


def uploads_page(*uploads: tuple[str, str, str], rest: str = "") -> bytes:
    entries = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId>{initiated}</Upload>"
        for key, upload_id, initiated in uploads
    )
    return f"<ListMultipartUploadsResult>{rest}{entries}</ListMultipartUploadsResult>".encode()


@pytest.mark.parametrize("page_limit", [1, 2, 3, 1000])
async def test_pending_uploads_are_listed_over_all_pages(small_provider, make_driver, page_limit):
    async with S3Server(small_provider, page_limit=page_limit) as server:
        driver = make_driver(on=server)
        keys = ["a", "a", "b//c", "b/../d", "ü &<>", " z\t ", "a"]
        expected = {(key, await begin(driver, key)) for key in keys}
        found = await pending(driver)
        assert {(upload.key, upload.upload_id) for upload in found} == expected
        assert len(found) == len(expected)
        assert all(upload.bucket == "bucket" for upload in found)
        assert all(abs(upload.initiated_at - datetime.now(UTC)) < timedelta(minutes=1) for upload in found)


async def test_pending_uploads_of_a_prefix(driver):
    for key in ("a/1", "a/2", "b/1", "a%2F1", "A/1"):
        await begin(driver, key)
    assert sorted(upload.key for upload in await pending(driver, prefix="a/")) == ["a/1", "a/2"]
    assert await pending(driver, prefix="zz") == []


async def test_a_store_that_ignores_the_prefix_does_not_widen_the_list(server, driver):
    """Whoever aborts what is listed must not abort more."""
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=uploads_page(("other", "u", ""))))
    assert await pending(driver, prefix="mine/") == []


async def test_uploads_that_the_store_lists_by_their_whole_key_only_are_all_found(server, make_driver, small_provider):
    driver = make_driver(provider=dataclasses.replace(small_provider, lists_uploads_by_exact_key=True))
    of_key = uploads_page(("a", "1", ""))
    of_all = uploads_page(("a", "1", ""), ("ab", "2", ""), ("b", "3", ""), ("a", "4", ""))
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=of_key))
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", nth=2, body=of_all))
    assert [(upload.key, upload.upload_id) for upload in await pending(driver, prefix="a")] == [("a", "1"), ("ab", "2")]
    asked = [request.head.parameter("prefix") for request in server.requests]
    assert [prefix or "" for prefix in asked] == ["a", ""]
    for key in ("a", "ab", "b"):
        await begin(driver, key)
    assert sorted(upload.key for upload in await pending(driver, prefix="a")) == ["a", "ab"]
    server.requests.clear()
    assert len(await pending(driver)) == 3
    assert not [request for request in server.requests if request.head.parameter("prefix")]


async def test_pending_uploads_of_a_missing_bucket(driver):
    with pytest.raises(ContainerNotFoundError):
        await anext(driver.iterate_multipart_uploads("missing"))


async def test_a_404_of_a_store_without_uploads_is_an_empty_list(server, driver):
    """rclone answers 404 NoSuchUpload then; it means that there are none."""
    server.faults.add(Fault("answer", "ListMultipartUploads", status=404, code="NoSuchUpload"))
    assert await pending(driver) == []


async def test_a_listing_that_does_not_advance_is_an_error(server, driver):
    markers = "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>"
    page = uploads_page(("k", "i", ""), rest=f"<IsTruncated>true</IsTruncated>{markers}")
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=page, times=1000))
    with pytest.raises(ResponseError, match="does not advance"):
        await pending(driver)
    assert len(server.requests) < 20


@pytest.fixture
def times() -> SimpleNamespace:
    """The store's clock."""
    return SimpleNamespace(now=NOW)


@pytest.fixture
async def server(small_provider, times):
    """A store whose clock the test sets, far from the machine's."""
    async with S3Server(small_provider, clock=lambda: times.now, check_signatures=False, page_limit=2) as running:
        yield running


async def test_old_uploads_are_aborted_and_reported(server, driver, times):
    old = {await begin(driver, key) for key in ("a", "b", "b", "c")}
    times.now = NOW + HOUR
    young = await begin(driver, "a")
    times.now = NOW + 2 * HOUR
    aborted = await driver.cleanup_multipart_uploads("bucket", older_than=1.5 * HOUR)
    assert {upload.upload_id for upload in aborted} == old
    assert {upload.initiated_at for upload in aborted} == {NOW}
    assert [upload.upload_id for upload in server.open_uploads] == [young]


async def test_the_stores_clock_decides_which_uploads_are_old(driver, times):
    upload_id = await begin(driver)
    times.now = NOW + HOUR - timedelta(seconds=1)
    for age in (HOUR, timedelta.max):
        assert await driver.cleanup_multipart_uploads("bucket", older_than=age) == []
    times.now = NOW + HOUR + timedelta(seconds=1)
    (aborted,) = await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
    assert aborted == PendingUpload("bucket", "key", upload_id, NOW)


@pytest.mark.parametrize("ahead", [0.0, 0.999, 1.5])
async def test_cleanup_of_any_age_with_rounded_times_takes_all_that_were_open(server, driver, times, ahead):
    """The store dates uploads, and its responses, by the second, and may round a time up."""
    times.now = NOW + timedelta(seconds=ahead)
    await begin(driver)
    times.now = NOW
    assert len(await driver.cleanup_multipart_uploads("bucket", older_than=timedelta())) == 1


async def test_cleanup_of_any_age_leaves_later_uploads(server, driver, times):
    await begin(driver)
    server.hold("ListMultipartUploads")
    cleaning = asyncio.create_task(driver.cleanup_multipart_uploads("bucket", older_than=timedelta()))
    await server.wait_for(lambda server: server.held_requests)
    server.store.uploads["later"] = dataclasses.replace(
        next(iter(server.store.uploads.values())), upload_id="later", initiated_at=NOW + timedelta(minutes=1)
    )
    server.release("ListMultipartUploads")
    assert [upload.upload_id for upload in await cleaning] != ["later"]
    assert [upload.upload_id for upload in server.open_uploads] == ["later"]


async def test_uploads_that_run_on_this_driver_are_left_alone(server, driver, times):
    await begin(driver, "abandoned")
    async with driver.open_upload("bucket", "running") as upload:
        await upload.write(bytes(3000))
        times.now = NOW + 100 * HOUR
        aborted = await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
        assert [upload.key for upload in aborted] == ["abandoned"]
    assert server.objects["bucket", "running"].size == 3000


@pytest.mark.parametrize(
    ("uploads", "rest"),
    [
        ([("k", "undated", ""), ("k", "odd", "<Initiated>yesterday</Initiated>")], ""),
        ([("%FF", "u", "<Initiated>2020-01-01T00:00:00Z</Initiated>")], "<EncodingType>url</EncodingType>"),
    ],
    ids=["without a date", "not UTF-8"],
)
async def test_an_upload_of_unknown_age_or_key_is_left_alone(server, driver, uploads, rest):
    """A key that is not UTF-8 cannot be named in a request."""
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=uploads_page(*uploads, rest=rest)))
    assert await driver.cleanup_multipart_uploads("bucket", older_than=timedelta()) == []
    assert "AbortMultipartUpload" not in operations(server)


async def test_an_upload_that_ended_meanwhile_is_not_reported(server, driver, times):
    upload_id = await begin(driver)
    times.now = NOW + HOUR
    server.hold("AbortMultipartUpload")
    cleaning = asyncio.create_task(driver.cleanup_multipart_uploads("bucket", older_than=HOUR))
    await server.wait_for(lambda server: server.held_requests)
    del server.store.uploads[upload_id]
    server.release("AbortMultipartUpload")
    assert await cleaning == []
    assert [each.status for each in server.requests if each.operation == "AbortMultipartUpload"] == [404]


async def test_an_abort_whose_response_was_lost_is_reported(server, driver, times):
    """The repetition finds it gone, because the first try did it."""
    await begin(driver)
    times.now = NOW + HOUR
    server.faults.add(Fault("drop_after", "AbortMultipartUpload"))
    (aborted,) = await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
    assert aborted.key == "key"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before", "times": 6},
        {"kind": "answer", "times": 6, "status": 500, "code": "InternalError"},
        {"kind": "answer", "status": 403, "code": "AccessDenied"},
    ],
)
async def test_a_failed_abort_is_not_reported_and_does_not_stop_the_others(server, make_driver, times, fault):
    driver = make_driver(retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0))  # clean-up takes 6
    for key in ("a/1", "a/2", "a/3", "b"):
        await begin(driver, key)
    times.now = NOW + HOUR
    server.faults.add(Fault(operation="AbortMultipartUpload", nth=2, **fault))
    aborted = await driver.cleanup_multipart_uploads("bucket", prefix="a/", older_than=HOUR)
    assert [upload.key for upload in aborted] == ["a/1", "a/3"]
    assert [upload.key for upload in server.open_uploads] == ["a/2", "b"]


async def test_nothing_is_aborted_unless_the_listing_comes_to_its_end(server, driver, times):
    for key in "abc":
        await begin(driver, key)
    times.now = NOW + HOUR
    server.faults.add(Fault("answer", "ListMultipartUploads", nth=2, status=403, code="AccessDenied", times=99))
    with pytest.raises(AccessDeniedError):
        await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
    assert len(server.open_uploads) == 3


@pytest.mark.parametrize("older_than", [timedelta(seconds=-1), 3600, None, "1h"])
async def test_an_invalid_age_is_refused_before_any_request(server, driver, older_than):
    """Before any request: a mistake here would end the uploads of others."""
    with pytest.raises(ConfigurationError, match="older_than"):
        await driver.cleanup_multipart_uploads("bucket", older_than=older_than)
    assert server.requests == []
