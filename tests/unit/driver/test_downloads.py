"""Objects on their way back, as a stream."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing

import pytest

from aios3 import (
    ConfigurationError,
    ContainerNotFoundError,
    IntegrityError,
    ObjectNotFoundError,
    ResponseError,
    RetryPolicy,
    StorageError,
    ThrottledError,
    TransferConfig,
    TransportError,
)
from aios3.testing import Fault

CONTENT = bytes(range(256)) * 40
KEY = "a//b ü"


@pytest.fixture(params=[len(CONTENT), 700], ids=["multipart", "single"])
async def stored(request, server, driver):
    """An object, and its content; the requests that made it are forgotten."""
    content = CONTENT[: request.param]
    await driver.upload_object_via_stream(content, "bucket", KEY, content_type="text/x", metadata={"name": "é"})
    server.requests.clear()
    return content


@pytest.fixture
async def large(server, make_driver):
    """8 MB, more than any buffer on the way holds; no connection is left from their upload."""
    content = os.urandom(8_000_000)
    async with make_driver(transfer=TransferConfig()) as uploader:
        await uploader.upload_object_via_stream(content, "bucket", "large")
    await server.wait_for(lambda server: server.open_connections == 0)
    server.requests.clear()
    return content


async def read(driver, key=KEY, **options) -> bytes:
    return b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", key, **options)])


def operations(server) -> list[str]:
    return [request.operation for request in server.requests]


def ranges(server) -> list[tuple[str | None, str | None]]:
    return [(request.header("Range"), request.header("If-Match")) for request in server.requests]


@pytest.mark.parametrize("chunk_size", [1, 100, 256 * 1024])
async def test_a_download_gives_the_bytes_in_order(driver, server, stored, chunk_size):
    """In chunks of at most the size that was asked for, by one request."""
    chunks = [c async for c in driver.download_object_as_stream("bucket", KEY, chunk_size=chunk_size)]
    assert b"".join(chunks) == stored
    assert max(map(len, chunks)) <= chunk_size
    assert min(map(len, chunks)) > 0
    assert operations(server) == ["GetObject"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (5, 600), (None, 7), (690, None), (0, None), (699, 700), (5, 10**9), (None, 10**9)]
)
async def test_a_range_is_what_a_slice_is(driver, stored, start, end):
    """``end`` is exclusive, and may be beyond the end."""
    assert await read(driver, start=start, end=end) == stored[start:end]


@pytest.mark.parametrize("at", [0, 5, 10**9])
async def test_an_empty_range_only_looks_whether_the_object_exists(driver, server, stored, at):
    """HTTP cannot ask for nothing."""
    assert await read(driver, start=at, end=at) == b""
    assert operations(server) == ["HeadObject"]
    with pytest.raises(ObjectNotFoundError):
        await read(driver, "missing", start=at, end=at)


@pytest.mark.parametrize("start", [0, 1])
async def test_a_range_of_an_object_that_ends_before_it(driver, stored, start):
    """It is an error with the store's own code, not silence."""
    with pytest.raises(ResponseError, match="InvalidRange") as caught:
        await read(driver, start=len(stored) + start)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")


@pytest.mark.parametrize(("start", "end"), [(None, None), (None, 10), (0, 10), (0, None)])
async def test_an_empty_object_can_be_read(driver, start, end):
    """No chunks, no error, although a store has no range of nothing."""
    await driver.upload_object_via_stream(b"", "bucket", "empty")
    assert await read(driver, "empty", start=start, end=end) == b""
    with pytest.raises(ResponseError, match="InvalidRange"):
        await read(driver, "empty", start=1)


@pytest.mark.parametrize(
    ("start", "end"), [(-1, None), (5, 2), (None, -3), ("1", None), (1.5, 2), (True, 5), (0, False)]
)
async def test_a_range_that_cannot_be_is_refused(server, driver, start, end):
    """Before any request: HTTP would read it as something else."""
    with pytest.raises(ConfigurationError):
        await read(driver, start=start, end=end)
    assert server.requests == []


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, "1", None, True])
async def test_a_chunk_size_that_cannot_be_is_refused(server, driver, chunk_size):
    """Zero must not look like an empty object, nor a negative one fill the memory."""
    with pytest.raises(ConfigurationError, match="chunk_size"):
        await read(driver, chunk_size=chunk_size)
    assert server.requests == []


@pytest.mark.parametrize(("bucket", "key"), [("a/b", "key"), ("bucket", ""), ("bucket", "\ud800")])
async def test_what_cannot_be_a_name_is_refused(server, driver, tmp_path, bucket, key):
    """Before any request or file."""
    with pytest.raises(ConfigurationError):
        await anext(driver.download_object_as_stream(bucket, key))
    with pytest.raises(ConfigurationError):
        await driver.download_object(bucket, key, tmp_path / "file")
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


async def test_missing_objects_and_buckets_are_told_apart(driver):
    """The answer has a body."""
    with pytest.raises(ObjectNotFoundError) as caught:
        await read(driver, "missing")
    assert (caught.value.bucket, caught.value.key, caught.value.code) == ("bucket", "missing", "NoSuchKey")
    with pytest.raises(ContainerNotFoundError):
        await anext(driver.download_object_as_stream("missing", "key"))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "answer"])
async def test_the_start_is_repeated(server, driver, stored, kind):
    """Nothing of the failures shows."""
    server.faults.add(Fault(kind, "GetObject", times=3))
    assert await read(driver) == stored
    assert len(server.requests) == 4


async def test_a_start_that_never_succeeds_is_an_error(server, driver, stored):
    """Of the class that says why, after as many attempts as the policy has."""
    server.faults.add(Fault("answer", "GetObject", times=100))
    with pytest.raises(ThrottledError):
        await read(driver)
    assert len(server.requests) == RetryPolicy().max_attempts


async def test_a_download_that_breaks_off_goes_on_where_it_was(server, driver, stored):
    """By a range of what is missing, on the condition that it is still the same object."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert await read(driver, chunk_size=10) == stored
    half, size, etag = len(stored) // 2, len(stored), server.objects["bucket", KEY].etag
    assert ranges(server) == [(None, None), (f"bytes={half}-{size - 1}", etag)]


async def test_a_range_that_breaks_off_goes_on_to_its_own_end(server, driver, stored):
    """Neither before its start nor beyond its end."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert await read(driver, start=100, end=300) == stored[100:300]
    assert [wanted for wanted, _ in ranges(server)] == ["bytes=100-299", "bytes=200-299"]


@pytest.mark.parametrize("etag", ['"another"', None], ids=["other bytes", "gone"])
async def test_two_versions_are_never_mixed(server, driver, stored, etag):
    """The object is replaced, or deleted, while it is read: an error, and no byte of another version."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    got = b""
    objects = server.objects
    chunks = driver.download_object_as_stream("bucket", KEY, chunk_size=100)
    got += await anext(chunks)
    if etag is None:
        del objects["bucket", KEY]
    else:
        await driver.upload_object_via_stream(b"?" * len(stored), "bucket", KEY)
    with pytest.raises(ObjectNotFoundError if etag is None else IntegrityError):
        async for chunk in chunks:
            got += chunk
    assert stored.startswith(got)


async def test_a_download_that_breaks_off_for_ever_is_an_error(server, driver, stored):
    """What came is right, but it never looks like all; and the number of requests is bounded."""
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    got = bytearray()
    with pytest.raises(TransportError, match="GetObject: the response broke off") as caught:  # noqa: PT012
        async for chunk in driver.download_object_as_stream("bucket", KEY, chunk_size=10):
            got += chunk
    assert bytes(got) == stored[:-1], "each answer halves what is missing, and half of one byte is none"
    assert caught.value.__notes__ == [f"aios3: gave up at offset {len(got)}"]
    assert len(server.requests) < 30


async def test_without_retries_the_first_break_is_the_end(server, make_driver, stored):
    """``max_attempts=1`` means it."""
    driver = make_driver(retry=RetryPolicy(max_attempts=1))
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    with pytest.raises(TransportError, match="broke off"):
        await read(driver)
    assert len(server.requests) == 1


async def test_the_retry_budget_bounds_the_breaks_of_all_downloads(server, make_driver, stored):
    """It is the driver's, and a break takes from it like any failure."""
    driver = make_driver(retry=RetryPolicy(budget=10, base_delay=0))
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    with pytest.raises(TransportError):
        await read(driver)
    assert len(server.requests) <= 4


@pytest.mark.parametrize("way", ["aclose", "break", "aclosing"])
async def test_leaving_early_frees_the_connection(server, driver, large, way):
    """At once when it is closed; a ``break`` hands it to the garbage collector."""
    chunks = driver.download_object_as_stream("bucket", "large", chunk_size=1000)
    if way == "aclose":
        await anext(chunks)
        await chunks.aclose()
    elif way == "aclosing":
        async with aclosing(chunks):
            assert await anext(chunks)
    else:
        async for _chunk in chunks:
            break
        del chunks
        await asyncio.sleep(0)
    await server.wait_for(lambda server: server.open_connections == 0)
    await driver.get_object("bucket", "large")


async def test_a_cancelled_download_frees_the_connection(server, driver, large):
    """And is cancelled, nothing else."""
    server.faults.add(Fault("stall_after", "GetObject"))
    task = asyncio.create_task(read(driver, "large"))
    await server.wait_for(lambda server: server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda server: server.open_connections == 0)


async def test_closing_the_driver_ends_a_download_that_waits(server, driver, large):
    """With an error, not with a short object."""
    server.faults.add(Fault("stall_before", "GetObject", nth=2))
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    task = asyncio.create_task(read(driver, "large"))
    await server.wait_for(lambda server: len(server.requests) == 2)
    await driver.aclose()
    with pytest.raises(StorageError):
        await task
