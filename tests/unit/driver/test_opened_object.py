"""An object that is described before its first byte, and then read."""

from __future__ import annotations

import asyncio
import os
import pickle

import pytest

from aios3 import (
    AccessDeniedError,
    ConfigurationError,
    ContainerNotFoundError,
    DriverClosedError,
    IntegrityError,
    ObjectNotFoundError,
    OpenedObject,
    ResponseError,
    S3StorageDriver,
    StorageObject,
    TransferConfig,
)
from aios3.testing import Fault, S3Server
from tests.conftest import MakeDriver

CONTENT = bytes(range(256)) * 40


@pytest.fixture
async def stored(server: S3Server, driver: S3StorageDriver) -> bytes:
    """An object of several parts; the requests that made it are forgotten."""
    await driver.upload_object_via_stream(CONTENT, "bucket", "key", content_type="video/mp4", metadata={"by": "me"})
    server.requests.clear()
    return CONTENT


@pytest.fixture
async def large(server: S3Server, make_driver: MakeDriver) -> bytes:
    """8 MB, more than any buffer on the way holds; no connection is left from their upload."""
    content = os.urandom(8_000_000)
    async with make_driver(transfer=TransferConfig()) as uploader:
        await uploader.upload_object_via_stream(content, "bucket", "large")
    await server.wait_for(lambda server: server.open_connections == 0)
    server.requests.clear()
    return content


async def read(opened: OpenedObject) -> bytes:
    return b"".join([chunk async for chunk in opened])


def operations(server: S3Server) -> list[str]:
    return [request.operation for request in server.requests]


async def test_it_is_known_before_the_first_byte_by_one_request(
    server: S3Server, driver: S3StorageDriver, stored: bytes
) -> None:
    """All that HEAD tells, without a HEAD."""
    looked_at = await driver.get_object("bucket", "key")
    server.requests.clear()
    async with driver.open_object("bucket", "key") as opened:
        assert operations(server) == ["GetObject"]
        assert (opened.size, opened.content_type, opened.metadata) == (len(stored), "video/mp4", {"by": "me"})
        assert (opened.etag, opened.last_modified) == (looked_at.etag, looked_at.last_modified)
        assert (opened.start, opened.end, opened.content_length) == (0, len(stored), len(stored))
        assert pickle.loads(pickle.dumps(opened)) == looked_at
        assert isinstance(opened, StorageObject)
        assert await read(opened) == stored
    assert operations(server) == ["GetObject"]


@pytest.mark.parametrize(("start", "end"), [(None, 7), (5, 600), (10_000, None), (5, 10**9), (len(CONTENT) - 1, None)])
async def test_of_a_range_it_tells_where_it_lies(
    driver: S3StorageDriver, stored: bytes, start: int | None, end: int | None
) -> None:
    """The size is the whole object's, as Content-Range wants it."""
    async with driver.open_object("bucket", "key", start=start, end=end) as opened:
        wanted = slice(start, end)
        first, last, _ = wanted.indices(len(stored))
        assert (opened.start, opened.end, opened.size) == (first, last, len(stored))
        assert opened.content_length == last - first
        assert await read(opened) == stored[wanted]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (10**9, 10**9)])
async def test_a_range_of_nothing(driver: S3StorageDriver, stored: bytes, start: int, end: int) -> None:
    """The object is described all the same."""
    async with driver.open_object("bucket", "key", start=start, end=end) as opened:
        assert (opened.size, opened.content_length, opened.content_type) == (len(stored), 0, "video/mp4")
        assert await read(opened) == b""


@pytest.mark.parametrize(("start", "end"), [(None, None), (0, 10), (None, 10)])
async def test_an_object_of_no_bytes(driver: S3StorageDriver, start: int | None, end: int | None) -> None:
    """A store refuses any range of it, but what it is can be told."""
    await driver.upload_object_via_stream(b"", "bucket", "empty", content_type="text/x")
    async with driver.open_object("bucket", "empty", start=start, end=end) as opened:
        assert (opened.size, opened.start, opened.end, opened.content_type) == (0, 0, 0, "text/x")
        assert await read(opened) == b""


async def test_an_object_that_is_no_longer_empty_is_not_taken_for_an_empty_one(
    server: S3Server, driver: S3StorageDriver, stored: bytes
) -> None:
    """It was replaced between the refusal of the range and the look at it."""
    server.faults.add(Fault("answer", "GetObject", status=416, code="InvalidRange"))
    with pytest.raises(ResponseError, match="InvalidRange"):
        async with driver.open_object("bucket", "key", end=10):
            pytest.fail("it was opened")


async def test_a_refusal_is_raised_on_entering(server: S3Server, driver: S3StorageDriver, stored: bytes) -> None:
    """So that a web handler can still answer 404."""
    for bucket, key, error in (
        ("bucket", "missing", ObjectNotFoundError),
        ("missing", "key", ContainerNotFoundError),
        ("a/b", "key", ConfigurationError),
    ):
        with pytest.raises(error):
            await driver.open_object(bucket, key).__aenter__()
    with pytest.raises(ResponseError, match="InvalidRange"):
        await driver.open_object("bucket", "key", start=len(stored)).__aenter__()
    server.faults.add(Fault("answer", "GetObject", status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await driver.open_object("bucket", "key").__aenter__()
    await driver.aclose()
    with pytest.raises(DriverClosedError):
        await driver.open_object("bucket", "key").__aenter__()


@pytest.mark.parametrize("begun", [False, True])
async def test_leaving_early_closes_the_connection(
    server: S3Server, driver: S3StorageDriver, large: bytes, begun: bool
) -> None:
    """No further byte comes over it; reading on is an error, never a short object."""
    async with driver.open_object("bucket", "large") as opened:
        chunks = aiter(opened)
        first = await anext(chunks) if begun else b""
        assert large.startswith(first)
        assert server.open_connections == 1
    await server.wait_for(lambda server: server.open_connections == 0)
    with pytest.raises(ConfigurationError, match=r"bucket/large can be read: the block of open_object was left"):
        await anext(chunks)


async def test_it_can_be_iterated_over_once(driver: S3StorageDriver, stored: bytes) -> None:
    """Neither a second time, nor after the block."""
    async with driver.open_object("bucket", "key") as opened:
        await read(opened)
        with pytest.raises(ConfigurationError, match="once: open it again"):
            await read(opened)
    async with driver.open_object("bucket", "key") as opened:
        pass
    with pytest.raises(ConfigurationError, match="the block of open_object was left"):
        await read(opened)


async def test_it_goes_on_where_it_broke_off(server: S3Server, driver: S3StorageDriver, large: bytes) -> None:
    """With the version that was described."""
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=2))
    async with driver.open_object("bucket", "large") as opened:
        assert await read(opened) == large
    asked = [(request.header("Range") is None, request.header("If-Match")) for request in server.requests]
    assert asked == [(True, None), (False, f'"{opened.etag}"'), (False, f'"{opened.etag}"')]


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_what_is_read_is_what_was_described(
    server: S3Server, driver: S3StorageDriver, stored: bytes, is_replaced: bool
) -> None:
    """Or an error, if that is not to be had any more."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    async with driver.open_object("bucket", "key") as opened:
        if is_replaced:
            await driver.upload_object_via_stream(b"another", "bucket", "key")
        reading = read(opened)
        if is_replaced:
            with pytest.raises(IntegrityError, match="was replaced while it was read"):
                await reading
        else:
            assert await reading == stored


async def test_closing_the_driver_ends_it(server: S3Server, driver: S3StorageDriver, large: bytes) -> None:
    """With the error that says so."""
    with pytest.raises(DriverClosedError):
        async with driver.open_object("bucket", "large") as opened:
            await anext(aiter(opened))
            await driver.aclose()
            await read_all_of(opened)


async def read_all_of(opened: OpenedObject) -> None:
    async for _ in opened._chunks:
        pass


async def test_a_cancelled_reader_leaves_nothing(server: S3Server, driver: S3StorageDriver, large: bytes) -> None:
    """Neither a connection nor a task."""

    async def stall() -> None:
        async with driver.open_object("bucket", "large") as opened:
            async for _ in opened:
                await asyncio.Event().wait()

    task = asyncio.create_task(stall())
    await server.wait_for(lambda server: server.open_connections == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.wait_for(lambda server: server.open_connections == 0)
