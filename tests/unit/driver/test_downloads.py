"""Objects on their way back, as a stream."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from aios3 import (
    ConfigurationError,
    ContainerNotFoundError,
    IntegrityError,
    ObjectNotFoundError,
    ResponseError,
    RetryPolicy,
    ThrottledError,
    TransportError,
)
from aios3.testing import Fault
from tests.support.driver_scenes import KEY, operations
from tests.support.fakes import turns


async def read(driver, key=KEY, **options) -> bytes:
    return b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", key, **options)])


@pytest.mark.parametrize("chunk_size", [1, 100, 256 * 1024])
async def test_a_download_gives_the_bytes_in_order(driver, server, stored, chunk_size):
    chunks = [c async for c in driver.download_object_as_stream("bucket", KEY, chunk_size=chunk_size)]
    assert b"".join(chunks) == stored
    assert max(map(len, chunks)) <= chunk_size
    assert min(map(len, chunks)) > 0
    assert operations(server) == ["GetObject"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (5, 600), (None, 7), (690, None), (0, None), (699, 700), (5, 10**9), (None, 10**9)]
)
async def test_a_range_is_what_a_slice_is(driver, stored, start, end):
    assert await read(driver, start=start, end=end) == stored[start:end]


@pytest.mark.parametrize("start", [0, 1])
async def test_a_range_that_begins_at_the_end_or_later_is_an_error(driver, stored, start):
    with pytest.raises(ResponseError, match="InvalidRange") as caught:
        await read(driver, start=len(stored) + start)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")


@pytest.mark.parametrize("at", [0, 5, 10**9])
async def test_an_empty_range_only_looks_whether_the_object_exists(driver, server, stored, at):
    """HTTP cannot ask for nothing."""
    assert await read(driver, start=at, end=at) == b""
    assert operations(server) == ["HeadObject"]
    with pytest.raises(ObjectNotFoundError):
        await read(driver, "missing", start=at, end=at)


@pytest.mark.parametrize(("start", "end"), [(None, None), (None, 10), (0, 10), (0, None)])
async def test_an_empty_object_can_be_read(driver, start, end):
    await driver.upload_object_via_stream(b"", "bucket", "empty")
    assert await read(driver, "empty", start=start, end=end) == b""
    with pytest.raises(ResponseError, match="InvalidRange"):
        await read(driver, "empty", start=1)


@pytest.mark.parametrize(
    "options",
    [{"start": start, "end": end} for start, end in [(-1, None), (5, 2), (None, -3), ("1", None), (1.5, 2), (True, 5)]]
    + [{"start": 0, "end": False}]
    + [{"chunk_size": size} for size in [0, -1, 1.5, "1", None, True]],
    ids=str,
)
async def test_an_invalid_range_or_chunk_size_is_refused_before_any_request(server, driver, options):
    """A chunk of zero bytes must not look like an empty object, nor a negative one fill the memory."""
    with pytest.raises(ConfigurationError, match="chunk_size" if "chunk_size" in options else "start|end"):
        await read(driver, **options)
    assert server.requests == []


async def test_a_missing_object_is_told_from_a_missing_bucket(driver):
    with pytest.raises(ObjectNotFoundError) as caught:
        await read(driver, "missing")
    assert (caught.value.bucket, caught.value.key, caught.value.code) == ("bucket", "missing", "NoSuchKey")
    with pytest.raises(ContainerNotFoundError):
        await anext(driver.download_object_as_stream("missing", "key"))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "answer"])
async def test_a_failed_start_is_repeated(server, driver, stored, kind):
    server.faults.add(Fault(kind, "GetObject", times=3))
    assert await read(driver) == stored
    assert len(server.requests) == 4


@pytest.mark.parametrize(("start", "end"), [(None, None), (100, 300)])
async def test_a_broken_download_asks_for_the_missing_bytes_of_the_same_object(server, driver, stored, start, end):
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    assert await read(driver, chunk_size=10, start=start, end=end) == stored[start:end]
    first, last = start or 0, (end or len(stored)) - 1
    middle = (first + last + 1) // 2
    etag = server.objects["bucket", KEY].etag
    asked = [(request.header("Range"), request.header("If-Match")) for request in server.requests]
    assert asked == [(f"bytes={first}-{last}" if start else None, None), (f"bytes={middle}-{last}", etag)]


@pytest.mark.parametrize("change", ["replaced", "deleted"])
async def test_two_versions_are_never_mixed(server, driver, stored, change):
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    chunks = driver.download_object_as_stream("bucket", KEY, chunk_size=100)
    got = await anext(chunks)
    if change == "deleted":
        del server.objects["bucket", KEY]
    else:
        await driver.upload_object_via_stream(b"?" * len(stored), "bucket", KEY)
    with pytest.raises(ObjectNotFoundError if change == "deleted" else IntegrityError):
        async for chunk in chunks:
            got += chunk
    assert stored.startswith(got)


async def test_a_download_that_breaks_off_for_ever_is_an_error(server, driver, stored):
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=1000))
    got = bytearray()
    with pytest.raises(TransportError, match="GetObject: the response broke off") as caught:  # noqa: PT012
        async for chunk in driver.download_object_as_stream("bucket", KEY, chunk_size=10):
            got += chunk
    assert bytes(got) == stored[:-1], "each answer halves what is missing, and half of one byte is none"
    assert caught.value.__notes__ == [f"aios3: gave up at offset {len(got)}"]
    assert len(server.requests) < 30


@pytest.mark.parametrize(
    ("kind", "policy", "error", "most"),
    [
        ("answer", {}, ThrottledError, RetryPolicy().max_attempts),
        ("drop_mid_answer", {"max_attempts": 1}, TransportError, 1),
        ("drop_mid_answer", {"budget": 10}, TransportError, 4),
    ],
)
async def test_the_retry_policy_bounds_a_download_that_fails(server, make_driver, stored, kind, policy, error, most):
    driver = make_driver(retry=RetryPolicy(base_delay=0, throttle_base_delay=0, **policy))
    server.faults.add(Fault(kind, "GetObject", times=1000))
    with pytest.raises(error):
        await read(driver)
    assert len(server.requests) <= most


@pytest.mark.parametrize("way", ["aclose", "break", "aclosing"])
async def test_leaving_early_frees_the_connection(server, driver, large, way):
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


@pytest.mark.parametrize("is_opened", [False, True])
async def test_a_cancelled_reader_frees_the_connection(server, driver, large, is_opened):
    async def stall() -> None:
        if is_opened:
            async with driver.open_object("bucket", "large"):
                await asyncio.Event().wait()
        async for _ in driver.download_object_as_stream("bucket", "large"):
            await asyncio.Event().wait()

    task = asyncio.create_task(stall())
    await server.wait_for(lambda server: server.open_connections == 1)
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda server: server.open_connections == 0)
