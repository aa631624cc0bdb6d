"""Objects, once they are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aios3 import ConfigurationError, ContainerNotFoundError, ObjectNotFoundError, TransportError
from aios3.testing import Fault

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=[len(CONTENT), 700], ids=["multipart", "single"])
async def stored(request, driver):
    """An object called ``a//b ü``, and its content."""
    content = CONTENT[: request.param]
    await driver.upload_object_via_stream(
        content, "bucket", "a//b ü", content_type="text/x", metadata={"Name": "é", "plain": "x"}
    )
    return content


async def read(driver, key="a//b ü", **options) -> bytes:
    return b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", key, **options)])


async def test_an_object_is_described_by_one_head(server, driver, stored):
    """Size, ETag, type, time and metadata, decoded."""
    before = len(server.requests)
    found = await driver.get_object("bucket", "a//b ü")
    assert [request.operation for request in server.requests[before:]] == ["HeadObject"]
    assert (found.bucket, found.key, found.size) == ("bucket", "a//b ü", len(stored))
    assert found.etag == server.objects["bucket", "a//b ü"].etag.strip('"')
    assert found.content_type == "text/x"
    assert found.metadata == {"name": "é", "plain": "x"}
    assert abs(found.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("chunk_size", [1, 100, 256 * 1024])
async def test_a_download_gives_the_bytes_in_order(driver, stored, chunk_size):
    """In chunks of at most the size that was asked for."""
    chunks = [c async for c in driver.download_object_as_stream("bucket", "a//b ü", chunk_size=chunk_size)]
    assert b"".join(chunks) == stored
    assert max(map(len, chunks)) <= chunk_size


@pytest.mark.parametrize(("start", "end"), [(0, 1), (5, 600), (None, 7), (690, None), (0, None), (699, 700)])
async def test_a_range_is_what_a_slice_is(server, driver, stored, start, end):
    """``end`` is exclusive."""
    assert await read(driver, start=start, end=end) == stored[start:end]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (None, 0)])
async def test_an_empty_range_is_empty(driver, stored, start, end):
    """As a slice is; HTTP cannot ask for it, but a missing object is still told."""
    assert await read(driver, start=start, end=end) == b""
    with pytest.raises(ObjectNotFoundError):
        await read(driver, "missing", start=start, end=end)


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 2), (None, -3), ("1", None), (1.5, 2), (0, "9"), (True, 5)])
async def test_a_range_that_cannot_be_is_refused(server, driver, start, end):
    """Before any request: HTTP would read it as something else."""
    with pytest.raises((ConfigurationError, TypeError)):
        await read(driver, start=start, end=end)
    assert server.requests == []


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, "1", None, True])
async def test_a_chunk_size_that_cannot_be_is_refused(server, driver, stored, chunk_size):
    """Zero must not look like an empty object, nor a negative one fill the memory."""
    before = len(server.requests)
    with pytest.raises((ConfigurationError, TypeError), match="chunk_size"):
        await read(driver, chunk_size=chunk_size)
    assert len(server.requests) == before


async def test_an_empty_object_can_be_read(driver):
    """No chunks, no error."""
    await driver.upload_object_via_stream(b"", "bucket", "empty")
    assert await read(driver, "empty") == b""


async def test_missing_objects_and_buckets_are_told_apart(driver):
    """By the download, whose answer has a body."""
    with pytest.raises(ObjectNotFoundError) as caught:
        await read(driver, "missing")
    assert (caught.value.bucket, caught.value.key, caught.value.code) == ("bucket", "missing", "NoSuchKey")
    with pytest.raises(ContainerNotFoundError):
        await anext(driver.download_object_as_stream("missing", "key"))
    with pytest.raises(ObjectNotFoundError):
        await driver.get_object("bucket", "missing")


async def test_a_download_that_breaks_off_is_an_error(server, driver, stored):
    """What came is right, but it never looks like all."""
    server.faults.add(Fault("drop_mid_answer", "GetObject"))
    got = bytearray()
    with pytest.raises(TransportError, match="GetObject: the answer broke off"):
        async for chunk in driver.download_object_as_stream("bucket", "a//b ü", chunk_size=10):
            got += chunk
    assert stored.startswith(bytes(got))
    assert len(got) < len(stored)


async def test_closing_a_download_early_closes_its_connection(server, driver):
    """Nothing of it goes on."""
    await driver.upload_object_via_stream(bytes(5_000_000), "bucket", "large")
    chunks = driver.download_object_as_stream("bucket", "large", chunk_size=1000)
    await anext(chunks)
    await chunks.aclose()
    await server.wait_for(lambda server: server.requests_in_progress == 0)
    assert server.open_connections <= 4
    await driver.get_object("bucket", "large")


async def test_deleting_is_repeatable(server, driver, stored):
    """An object that does not exist is no error to S3."""
    await driver.delete_object("bucket", "a//b ü")
    await driver.delete_object("bucket", "a//b ü")
    assert server.objects == {}
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_object("missing", "key")
