"""What is in a bucket, with exact keys and to the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aios3 import ContainerNotFoundError, ResponseError, RetryPolicy, S3StorageDriver, TransportError
from aios3.testing import Fault, S3Server
from tests.support.driver_scenes import operations

ODD_KEYS = [
    " leading", "trailing ", "  ", "a b", "a+b", "a%20b", "%2B", "a//b", "/a", "a/", ".", "..", "a/../b", "tab\t",
    "line\n", "return\r", "\x01\x1f\x7f", "\u2028", "ü", "u\u0308", "🎬", "&amp;<>\"'", "x" * 1024,
]  # fmt: skip


async def list_keys(driver, bucket="bucket", **options) -> list[str]:
    return [found.key async for found in driver.iterate_container_objects(bucket, **options)]


@pytest.mark.parametrize("page_limit", [1, 2, 7, 1000])
async def test_objects_are_listed_over_all_pages_with_their_exact_keys(small_provider, make_driver, page_limit):
    async with S3Server(small_provider, page_limit=page_limit) as server:
        driver = make_driver(on=server)
        for key in ODD_KEYS:
            await driver.upload_object_via_stream(b"x", "bucket", key)
        server.requests.clear()
        assert await list_keys(driver) == sorted(ODD_KEYS, key=str.encode)
        assert len(server.requests) == -(-len(ODD_KEYS) // page_limit)


async def test_a_listed_object_is_described(driver):
    await driver.upload_object_via_stream(b"abc", "bucket", "key", content_type="text/x", storage_class="COLD")
    (found,) = [one async for one in driver.iterate_container_objects("bucket")]
    looked_up = await driver.get_object("bucket", "key")
    assert (found.bucket, found.key, found.size, found.etag) == ("bucket", "key", 3, looked_up.etag)
    assert (found.storage_class, found.content_type, found.metadata, found.version_id) == ("COLD", None, {}, None)
    assert abs(found.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


async def test_objects_of_a_prefix(driver):
    for key in ("a/1", "a/2", "b/1", "a%2F1", "A/1", "+ /x"):
        await driver.upload_object_via_stream(b"x", "bucket", key)
    assert await list_keys(driver, prefix="a/") == ["a/1", "a/2"]
    assert await list_keys(driver, prefix="+ ") == ["+ /x"]
    assert await list_keys(driver, prefix="zz") == []


async def test_a_store_that_ignores_the_prefix_does_not_widen_the_list(server, driver):
    """Whoever deletes what is listed must not delete more."""
    page = b"<ListBucketResult><Contents><Key>other</Key><Size>1</Size></Contents></ListBucketResult>"
    server.faults.add(Fault("garbage_200", "ListObjectsV2", body=page))
    assert await list_keys(driver, prefix="mine/") == []


async def test_listing_in_a_missing_bucket(driver):
    with pytest.raises(ContainerNotFoundError):
        await list_keys(driver, "missing")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "<NextContinuationToken> </NextContinuationToken>",
        "<NextMarker>k</NextMarker>",
        "<NextContinuationToken>t</NextContinuationToken>",
    ],
)
async def test_a_listing_that_does_not_advance_is_an_error(server, driver, token):
    page = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>".encode()
    server.faults.add(Fault("garbage_200", "ListObjectsV2", body=page, times=1000))
    with pytest.raises(ResponseError, match="does not advance"):
        await list_keys(driver)
    assert len(server.requests) < 20


@pytest.fixture
async def five(small_provider, make_driver):
    """A store that lists the keys "a" to "e" on three pages."""
    async with S3Server(small_provider, page_limit=2) as server:
        driver = make_driver(on=server)
        for key in "abcde":
            await driver.upload_object_via_stream(b"x", "bucket", key)
        server.requests.clear()
        yield server


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_mid_answer", "answer", "error_in_200"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_passing_failure_of_any_page_changes_nothing(five, make_driver, kind, nth):
    five.faults.add(Fault(kind, "ListObjectsV2", nth=nth, times=2, code="InternalError"))
    assert await list_keys(make_driver(on=five)) == list("abcde")


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"kind": "drop_before"}, TransportError, "gave up|ListObjectsV2"),
        ({"kind": "answer", "status": 500, "code": "InternalError"}, ResponseError, "500"),
        ({"kind": "garbage_200", "body": b"<html>hi</html>"}, ResponseError, "unexpected 'html'"),
        ({"kind": "garbage_200"}, ResponseError, "an empty body"),
    ],
)
async def test_a_listing_that_cannot_be_finished_raises_after_what_it_has(five, make_driver, fault, error, words):
    driver = make_driver(on=five, retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0))
    five.faults.add(Fault(operation="ListObjectsV2", nth=2, times=99, **fault))
    objects = driver.iterate_container_objects("bucket")
    assert [(await anext(objects)).key, (await anext(objects)).key] == ["a", "b"]
    with pytest.raises(error, match=words):
        await anext(objects)


async def test_a_listing_that_is_left_asks_for_no_further_page(five, make_driver):
    objects = make_driver(on=five).iterate_container_objects("bucket")
    assert (await anext(objects)).key == "a"
    await objects.aclose()
    assert operations(five) == ["ListObjectsV2"]


KEYS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(" +%/.\r\n\t\x00&<")), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(KEYS, min_size=1, max_size=6), encoding=st.sampled_from(["%20", "+"]))
@example(keys={" ", "+", "%20", "%2B"}, encoding="+")
async def test_any_key_comes_back_from_a_listing_as_it_was_written(keys, encoding, small_provider, monkeypatch):
    """Stores write a space as ``%20`` or as ``+``, and a plus always as ``%2B``."""
    from aios3.testing.store import pages

    real = pages.Encoder.__call__
    monkeypatch.setattr(pages.Encoder, "__call__", lambda self, key: real(self, key).replace("%20", encoding))
    try:
        async with S3Server(small_provider, page_limit=2) as server:
            options = {"endpoint_url": server.endpoint_url, "credentials": server.credentials, "region": server.region}
            async with S3StorageDriver(**options) as driver:
                for key in keys:
                    await driver.upload_object_via_stream(b"x", "bucket", key)
                assert await list_keys(driver) == sorted(keys, key=str.encode)
    finally:
        monkeypatch.undo()
