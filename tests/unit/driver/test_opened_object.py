"""An object that is described before its first byte, and then read."""

from __future__ import annotations

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
)
from aios3.testing import Fault, S3Server
from tests.support.driver_scenes import KEY, operations


async def read(opened: OpenedObject) -> bytes:
    return b"".join([chunk async for chunk in opened])


async def test_an_object_is_described_before_its_first_byte_by_one_request(server, driver, stored):
    looked_at = await driver.get_object("bucket", KEY)
    server.requests.clear()
    async with driver.open_object("bucket", KEY) as opened:
        assert operations(server) == ["GetObject"]
        assert (opened.size, opened.etag, opened.content_type) == (len(stored), looked_at.etag, "text/x")
        assert (opened.start, opened.end, opened.content_length) == (0, len(stored), len(stored))
        assert pickle.loads(pickle.dumps(opened)) == looked_at
        assert isinstance(opened, StorageObject)
        assert await read(opened) == stored
    assert operations(server) == ["GetObject"]


@pytest.mark.parametrize(
    ("start", "end"), [(None, 7), (5, 600), (690, None), (5, 10**9), (-1, None), (0, 0), (5, 5), (10**9, 10**9)]
)
async def test_a_range_is_described_by_its_place_and_the_size_of_the_whole(driver, stored, start, end):
    start = len(stored) - 1 if start == -1 else start
    async with driver.open_object("bucket", KEY, start=start, end=end) as opened:
        wanted = slice(start, end)
        assert (opened.size, opened.content_type) == (len(stored), "text/x")
        assert opened.content_length == len(stored[wanted])
        if opened.content_length:
            assert (opened.start, opened.end) == wanted.indices(len(stored))[:2]
        assert await read(opened) == stored[wanted]


@pytest.mark.parametrize(("start", "end"), [(None, None), (0, 10), (None, 10)])
async def test_an_object_of_no_bytes(driver: S3StorageDriver, start: int | None, end: int | None) -> None:
    await driver.upload_object_via_stream(b"", "bucket", "empty", content_type="text/x")
    async with driver.open_object("bucket", "empty", start=start, end=end) as opened:
        assert (opened.size, opened.start, opened.end, opened.content_type) == (0, 0, 0, "text/x")
        assert await read(opened) == b""


async def test_an_object_that_is_no_longer_empty_is_not_taken_for_an_empty_one(server, driver, stored):
    server.faults.add(Fault("answer", "GetObject", status=416, code="InvalidRange"))
    with pytest.raises(ResponseError, match="InvalidRange"):
        async with driver.open_object("bucket", KEY, end=10):
            pytest.fail("it was opened")


async def test_a_refusal_is_raised_on_entering(server, driver, stored):
    """So that a web handler can still respond with 404."""
    server.faults.add(Fault("answer", "GetObject", nth=4, status=403, code="AccessDenied"))
    for bucket, key, start, error in (
        ("bucket", "missing", None, ObjectNotFoundError),
        ("missing", "key", None, ContainerNotFoundError),
        ("a/b", "key", None, ConfigurationError),
        ("bucket", KEY, len(stored), ResponseError),
        ("bucket", KEY, None, AccessDeniedError),
    ):
        with pytest.raises(error):
            await driver.open_object(bucket, key, start=start).__aenter__()
    await driver.aclose()
    with pytest.raises(DriverClosedError):
        await driver.open_object("bucket", KEY).__aenter__()


@pytest.mark.parametrize("begun", [False, True])
async def test_leaving_early_closes_the_connection_and_ends_the_reading(server, driver, large, begun):
    async with driver.open_object("bucket", "large") as opened:
        chunks = aiter(opened)
        first = await anext(chunks) if begun else b""
        assert large.startswith(first)
        assert server.open_connections == 1
    await server.wait_for(lambda server: server.open_connections == 0)
    with pytest.raises(ConfigurationError, match=r"bucket/large can be read: the block of open_object was left"):
        await anext(chunks)


async def test_an_opened_object_can_be_iterated_over_once(driver, stored):
    async with driver.open_object("bucket", KEY) as opened:
        await read(opened)
        with pytest.raises(ConfigurationError, match="once: open it again"):
            await read(opened)


async def test_a_broken_reading_resumes_with_the_version_that_was_described(
    server: S3Server, driver: S3StorageDriver, large: bytes
) -> None:
    server.faults.add(Fault("drop_mid_answer", "GetObject", times=2))
    async with driver.open_object("bucket", "large") as opened:
        assert await read(opened) == large
    asked = [(request.header("Range") is None, request.header("If-Match")) for request in server.requests]
    assert asked == [(True, None), (False, f'"{opened.etag}"'), (False, f'"{opened.etag}"')]


async def test_an_object_that_was_replaced_after_its_description_is_an_error(server, driver, stored):
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    async with driver.open_object("bucket", KEY) as opened:
        await driver.upload_object_via_stream(b"another", "bucket", KEY)
        with pytest.raises(IntegrityError, match="was replaced while it was read"):
            await read(opened)
