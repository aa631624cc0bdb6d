"""Multipart uploads that were begun and not ended: seen, and ended when they are old."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

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

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def begin(driver, key: str = "key") -> str:
    """Leave an upload open, as a process that died does."""
    engine = await driver._open()
    return await engine.client.run(CreateMultipartUpload("bucket", key, {}))


async def pending(driver, **options) -> list[PendingUpload]:
    return [upload async for upload in driver.iterate_multipart_uploads("bucket", **options)]


def operations(server, name: str) -> list:
    return [request for request in server.requests if request.operation == name]


def uploads_page(*uploads: tuple[str, str, str], rest: str = "") -> bytes:
    entries = "".join(
        f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId>{initiated}</Upload>"
        for key, upload_id, initiated in uploads
    )
    return f"<ListMultipartUploadsResult>{rest}{entries}</ListMultipartUploadsResult>".encode()


# iterate_multipart_uploads


@pytest.mark.parametrize("page_limit", [1, 2, 3, 1000])
async def test_pending_uploads_are_listed_over_all_pages(small_provider, make_driver, page_limit):
    """Each once, also several of one key and keys of every kind, with key, id and time."""
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
    """Only those, and taken literally."""
    for key in ("a/1", "a/2", "b/1", "a%2F1", "A/1"):
        await begin(driver, key)
    assert sorted(upload.key for upload in await pending(driver, prefix="a/")) == ["a/1", "a/2"]
    assert await pending(driver, prefix="zz") == []


async def test_a_store_that_ignores_the_prefix_does_not_widen_the_list(server, driver):
    """Whoever aborts what is listed must not abort more."""
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=uploads_page(("other", "u", ""))))
    assert await pending(driver, prefix="mine/") == []


async def test_uploads_that_are_found_by_their_whole_key_only(server, make_driver, small_provider):
    """Those of the key, then those of the prefix among all; none twice, whatever the store takes the prefix for."""
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
    """It is not an empty list."""
    with pytest.raises(ContainerNotFoundError):
        await anext(driver.iterate_multipart_uploads("missing"))


async def test_a_store_that_knows_no_upload_at_all(server, driver):
    """rclone answers 404 NoSuchUpload then; it means that there are none."""
    server.faults.add(Fault("answer", "ListMultipartUploads", status=404, code="NoSuchUpload"))
    assert await pending(driver) == []


async def test_a_listing_that_does_not_go_on_is_an_error(server, driver):
    """A store that repeats its markers does not hold the caller for ever, nor looks like a short list."""
    markers = "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>"
    page = uploads_page(("k", "i", ""), rest=f"<IsTruncated>true</IsTruncated>{markers}")
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=page, times=1000))
    with pytest.raises(ResponseError, match="does not advance"):
        await pending(driver)
    assert len(server.requests) < 20


# cleanup_multipart_uploads


class Times:
    """The clock of a store, which tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def times() -> Times:
    """The store's clock."""
    return Times()


@pytest.fixture
async def server(small_provider, times):
    """A store whose clock the test sets, far from the machine's."""
    async with S3Server(small_provider, clock=times, check_signatures=False, page_limit=2) as running:
        yield running


async def test_old_uploads_are_aborted_and_told(server, driver, times):
    """Over all pages, with what was known about them; younger ones stay."""
    old = {await begin(driver, key) for key in ("a", "b", "b", "c")}
    times.now = NOW + HOUR
    young = await begin(driver, "a")
    times.now = NOW + 2 * HOUR
    aborted = await driver.cleanup_multipart_uploads("bucket", older_than=1.5 * HOUR)
    assert {upload.upload_id for upload in aborted} == old
    assert {upload.initiated_at for upload in aborted} == {NOW}
    assert [upload.upload_id for upload in server.open_uploads] == [young]


async def test_the_stores_clock_decides(server, driver, times):
    """The machine's may be years off; the border counts as old."""
    upload_id = await begin(driver)
    times.now = NOW + HOUR - timedelta(seconds=1)
    assert await driver.cleanup_multipart_uploads("bucket", older_than=HOUR) == []
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


async def test_only_the_prefix_is_cleaned(server, driver, times):
    """Exactly that, also if the store lists more."""
    for key in ("a/1", "b/1"):
        await begin(driver, key)
    times.now = NOW + HOUR
    aborted = await driver.cleanup_multipart_uploads("bucket", prefix="a/", older_than=timedelta())
    assert [upload.key for upload in aborted] == ["a/1"]
    assert [upload.key for upload in server.open_uploads] == ["b/1"]


async def test_uploads_that_run_on_this_driver_are_left_alone(server, driver, times):
    """However old they are; those of other drivers are not."""
    await begin(driver, "abandoned")
    async with driver.open_upload("bucket", "running") as upload:
        await upload.write(bytes(3000))
        times.now = NOW + 100 * HOUR
        aborted = await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
        assert [upload.key for upload in aborted] == ["abandoned"]
    assert server.objects["bucket", "running"].size == 3000


async def test_an_upload_without_a_date_is_left_alone(server, driver, times):
    """Nobody knows how old it is."""
    page = uploads_page(("k", "undated", ""), ("k", "odd", "<Initiated>yesterday</Initiated>"))
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=page))
    assert await driver.cleanup_multipart_uploads("bucket", older_than=timedelta()) == []
    assert operations(server, "AbortMultipartUpload") == []


async def test_one_that_cannot_be_aborted_does_not_stop_the_others(server, make_driver, times):
    """It is not told as aborted, and is listed by the next look."""
    driver = make_driver(retry=RetryPolicy(max_attempts=1))
    for key in "abc":
        await begin(driver, key)
    times.now = NOW + HOUR
    server.faults.add(Fault("answer", "AbortMultipartUpload", nth=2, status=403, code="AccessDenied"))
    aborted = await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
    assert [upload.key for upload in aborted] == ["a", "c"]
    assert [upload.key for upload in await pending(driver)] == ["b"]


async def test_one_that_ended_meanwhile_is_not_told(server, driver, times):
    """It was not this call that aborted it."""
    upload_id = await begin(driver)
    times.now = NOW + HOUR
    server.hold("AbortMultipartUpload")
    cleaning = asyncio.create_task(driver.cleanup_multipart_uploads("bucket", older_than=HOUR))
    await server.wait_for(lambda server: server.held_requests)
    del server.store.uploads[upload_id]
    server.release("AbortMultipartUpload")
    assert await cleaning == []
    assert operations(server, "AbortMultipartUpload")[0].status == 404


async def test_a_lost_answer_to_an_abort_does_not_make_it_somebody_elses(server, driver, times):
    """The repetition finds it gone, because the first try did it."""
    await begin(driver)
    times.now = NOW + HOUR
    server.faults.add(Fault("drop_after", "AbortMultipartUpload"))
    (aborted,) = await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
    assert aborted.key == "key"


@pytest.mark.parametrize("kind", ["drop_before", "answer"])
async def test_an_abort_that_never_gets_through_is_not_told(server, make_driver, times, kind):
    """That its outcome is unclear does not make it a success."""
    driver = make_driver(retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0))
    await begin(driver)
    times.now = NOW + HOUR
    server.faults.add(Fault(kind, "AbortMultipartUpload", status=500, code="InternalError", times=99))
    assert await driver.cleanup_multipart_uploads("bucket", older_than=HOUR) == []
    assert len(server.open_uploads) == 1


async def test_a_key_that_is_not_utf8_is_left_alone(server, driver):
    """It cannot be named in a request, and no other key is named in its stead."""
    entry = ("%FF", "u", "<Initiated>2020-01-01T00:00:00Z</Initiated>")
    page = uploads_page(entry, rest="<EncodingType>url</EncodingType>")
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=page))
    assert await driver.cleanup_multipart_uploads("bucket", older_than=HOUR) == []
    assert operations(server, "AbortMultipartUpload") == []


async def test_nothing_is_aborted_unless_the_listing_comes_to_its_end(server, driver, times):
    """An error in the middle of it is raised."""
    for key in "abc":
        await begin(driver, key)
    times.now = NOW + HOUR
    server.faults.add(Fault("answer", "ListMultipartUploads", nth=2, status=403, code="AccessDenied", times=99))
    with pytest.raises(AccessDeniedError):
        await driver.cleanup_multipart_uploads("bucket", older_than=HOUR)
    assert len(server.open_uploads) == 3


async def test_an_age_beyond_the_calendar_finds_nothing(server, driver):
    """No overflow."""
    await begin(driver)
    assert await driver.cleanup_multipart_uploads("bucket", older_than=timedelta.max) == []


@pytest.mark.parametrize("older_than", [timedelta(seconds=-1), 3600, None, "1h"])
async def test_an_age_that_cannot_be_is_refused(server, driver, older_than):
    """Before any request: a mistake here would end the uploads of others."""
    with pytest.raises(ConfigurationError, match="older_than"):
        await driver.cleanup_multipart_uploads("bucket", older_than=older_than)
    assert server.requests == []


@pytest.mark.parametrize(("bucket", "prefix"), [("a/b", ""), ("bucket", None), ("bucket", "\ud800")])
async def test_what_cannot_be_a_bucket_or_a_prefix_is_refused(server, driver, bucket, prefix):
    """Before any request."""
    with pytest.raises(ConfigurationError):
        await driver.cleanup_multipart_uploads(bucket, prefix=prefix, older_than=HOUR)
    with pytest.raises(ConfigurationError):
        await anext(driver.iterate_multipart_uploads(bucket, prefix=prefix))
    assert server.requests == []
