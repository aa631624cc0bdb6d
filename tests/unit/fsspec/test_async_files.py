"""Files for coroutines: an exception or a cancellation leaves nothing, and a reader streams."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from aios3 import PreconditionFailedError
from aios3.fsspec import Aios3FileSystem
from aios3.testing import S3Server
from tests.conftest import PART
from tests.unit.fsspec.conftest import options_for

PATH = "bucket/key"


@pytest.fixture
async def fs(server: S3Server):
    """A filesystem of the running loop."""
    fs = Aios3FileSystem(asynchronous=True, skip_instance_cache=True, **options_for(server))
    yield fs
    await fs.aclose()


async def test_a_block_that_ends_commits_all_bytes(fs, server):
    async with await fs.open_async(PATH, "wb", content_type="text/csv") as file:
        assert await file.write(bytes(3 * PART)) == 3 * PART
        await file.write(memoryview(b"end"))
    assert (file.tell(), file.receipt.size) == (3 * PART + 3, 3 * PART + 3)
    assert await fs._cat_file(PATH) == bytes(3 * PART) + b"end"
    assert not server.open_uploads


@pytest.mark.parametrize("size", [1, 3 * PART])
async def test_a_block_that_raises_leaves_nothing(fs, server, size):
    with pytest.raises(ValueError, match="stop"):
        async with await fs.open_async(PATH, "wb") as file:
            await file.write(bytes(size))
            raise ValueError("stop")
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_finally_close_discards_what_an_exception_interrupts(fs, server):
    file = await fs.open_async(PATH, "wb")
    with pytest.raises(ValueError, match="stop"):
        try:
            await file.write(bytes(3 * PART))
            raise ValueError("stop")
        finally:
            await file.close()
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_an_exception_that_is_raised_again_in_the_block_discards(fs, server):
    with pytest.raises(KeyError):
        try:
            raise KeyError
        except KeyError as error:
            async with await fs.open_async(PATH, "wb") as file:
                await file.write(b"1")
                raise error
    assert not server.objects


@pytest.mark.parametrize("cancellations", [1, 2])
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
async def test_a_cancelled_block_leaves_nothing(fs, server, operation, cancellations):
    server.hold(operation)

    async def write() -> None:
        async with await fs.open_async(PATH, "wb") as file:
            await file.write(bytes(20 * PART))

    task = asyncio.create_task(write())
    await server.wait_for(lambda server: server.held_requests)
    for _ in range(cancellations):
        task.cancel()
        await asyncio.sleep(0)
    server.release(operation)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.open_uploads
    assert not server.objects or operation == "CompleteMultipartUpload"


async def test_a_timeout_in_the_block_leaves_nothing(fs, server):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit, await fs.open_async(PATH, "wb") as file:
            await file.write(bytes(3 * PART))
            limit.reschedule(0)
            await asyncio.Event().wait()
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_file_whose_write_was_cancelled_cannot_be_committed(fs, server):
    server.hold("UploadPart")
    file = await fs.open_async(PATH, "wb")
    task = asyncio.create_task(file.write(bytes(20 * PART)))
    await server.wait_for(lambda server: server.held_requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.release("UploadPart")
    with pytest.raises(Exception, match="cannot continue"):
        await file.close()
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_file_that_is_never_closed_is_discarded_when_it_is_collected(fs, server):
    file = await fs.open_async(PATH, "wb")
    await file.write(bytes(3 * PART))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del file
        gc.collect()
    assert [warning.category for warning in seen] == [ResourceWarning]
    await server.wait_for(lambda server: not server.open_uploads)
    assert not server.objects


async def test_mode_x_refuses_an_object_that_exists(fs, server):
    file = await fs.open_async(PATH, "xb")
    await fs._pipe_file(PATH, b"theirs")
    await file.write(b"mine")
    with pytest.raises(FileExistsError):
        await file.close()
    with pytest.raises(FileExistsError):
        await fs.open_async(PATH, "xb")
    assert await fs._cat_file(PATH) == b"theirs"
    with pytest.raises(NotImplementedError):
        await fs.open_async(PATH, "ab")


async def test_reads_that_follow_one_another_share_a_request(fs, server):
    content = bytes(range(256)) * 4
    await fs._pipe_file(PATH, content)
    async with await fs.open_async(PATH) as file:
        assert [await file.read(100), await file.read(0), await file.read(100)] == [
            content[:100],
            b"",
            content[100:200],
        ]
        file.seek(-10, 2)
        assert [await file.read(5), await file.read(), await file.read(5)] == [content[-10:-5], content[-5:], b""]
    assert [request.operation for request in server.requests].count("GetObject") == 2
    with pytest.raises(ValueError, match="closed"):
        await file.read(1)


async def test_a_reader_never_mixes_two_versions_of_an_object(fs, server):
    await fs._pipe_file(PATH, b"first")
    file = await fs.open_async(PATH)
    await fs._pipe_file(PATH, b"other")
    with pytest.raises(PreconditionFailedError):
        await file.read()


async def test_a_read_that_is_cancelled_can_be_repeated(fs, server):
    await fs._pipe_file(PATH, b"content")
    file = await fs.open_async(PATH)
    server.hold("GetObject")
    task = asyncio.create_task(file.read(3))
    await server.wait_for(lambda server: server.held_requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.release("GetObject")
    assert [await file.read(3), await file.read()] == [b"con", b"tent"]


async def test_what_is_missing_or_no_file_is_refused_at_once(fs):
    await fs._pipe_file("bucket/folder/key", b"")
    for path, error in (
        ("bucket/none", FileNotFoundError),
        ("bucket/folder", IsADirectoryError),
        ("bucket", IsADirectoryError),
    ):
        with pytest.raises(error):
            await fs.open_async(path)
