"""Uploads by `open_upload` and its writer."""

from __future__ import annotations

import asyncio
import contextlib
import io

import pytest

from aios3 import AccessDeniedError, ConfigurationError, ObjectTooLargeError, ResponseError, SizeMismatchError
from aios3.testing import Fault
from tests.support.fakes import RecordingSource

PART = 1024


async def test_leaving_the_block_commits_the_written_bytes(server, driver):
    """`write` takes any bytes-like data of any length, `write_from` any source, in the order of the calls."""
    async with driver.open_upload("bucket", "key", content_type="text/plain") as upload:
        await upload.write(b"")
        await upload.write(b"a" * 10)
        await upload.write(bytearray(b"b" * 3000))
        await upload.write(memoryview(b"c" * 5))
        await upload.write_from(io.BytesIO(b"d" * 2000))
        await upload.write_from([b"e", b"f" * 3])
        assert server.objects == {}
    stored = server.objects["bucket", "key"]
    assert stored.body == b"a" * 10 + b"b" * 3000 + b"c" * 5 + b"d" * 2000 + b"efff"
    assert stored.headers["content-type"] == "text/plain"
    assert upload.receipt.size == len(stored.body)
    assert len(upload.receipt.parts) == 5


async def test_a_block_without_a_write_is_an_empty_object(server, driver):
    """It costs one request."""
    async with driver.open_upload("bucket", "key") as upload:
        pass
    assert upload.receipt.size == 0
    assert server.objects["bucket", "key"].body == b""
    assert len(server.requests) == 1


async def test_a_receipt_before_the_commit_is_an_error(server, driver):
    """Inside the block, and after a failed block."""
    with pytest.raises(KeyError):
        async with driver.open_upload("bucket", "key") as upload:
            with pytest.raises(ConfigurationError, match="no receipt"):
                _ = upload.receipt
            raise KeyError
    with pytest.raises(ConfigurationError, match="no receipt"):
        _ = upload.receipt


async def test_writing_after_the_block_raises(server, driver):
    """A source is closed, and not read."""
    source = RecordingSource(b"y")
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write(b"x")
    for write in (lambda: upload.write(b"y"), lambda: upload.write(b""), lambda: upload.write_from(source)):
        with pytest.raises(ConfigurationError, match="inside its block"):
            await write()
    assert (source.pulls, source.closed) == (0, 1)
    assert server.objects["bucket", "key"].body == b"x"


async def test_a_failed_part_cancels_a_waiting_block(server, driver):
    """At once. The part's error is raised."""
    server.faults.add(Fault("answer", "UploadPart", part_number=1, status=403, code="AccessDenied", times=100))
    reached = []
    with pytest.raises(AccessDeniedError, match="UploadPart of 'bucket/key', part 1, got response 403") as caught:
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(bytes(2 * PART))
            reached.append("before")
            await asyncio.Event().wait()
            reached.append("after")
    assert reached == ["before"]
    assert server.open_uploads == []
    assert any("it was aborted" in note for note in caught.value.__notes__)
    assert asyncio.current_task().cancelling() == 0


async def test_a_failed_part_stops_a_writing_block(server, driver):
    """The source is not read to its end."""
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=10_000))
    written = 0
    with pytest.raises(AccessDeniedError):
        async with driver.open_upload("bucket", "key") as upload:
            while True:
                await upload.write(bytes(PART))
                written += PART
                assert written < 100 * PART
    assert server.open_uploads == []


async def test_a_refused_create_is_raised_by_write(server, driver):
    """There is nothing to abort, and the block cannot commit."""
    with pytest.raises(ResponseError, match="NoSuchBucket"):
        async with driver.open_upload("missing", "key") as upload:
            await upload.write(bytes(5000))
    assert [request.operation for request in server.requests] == ["CreateMultipartUpload"]


async def test_a_block_that_swallows_a_write_error_does_not_commit(server, driver):
    """Promise 1: never a truncated object."""
    server.faults.add(Fault("answer", "CreateMultipartUpload", status=403, code="AccessDenied", times=100))
    with pytest.raises(AccessDeniedError):
        async with driver.open_upload("bucket", "key") as upload:
            with contextlib.suppress(AccessDeniedError):
                await upload.write(bytes(5000))
    assert server.objects == {}


@pytest.mark.parametrize(
    ("limits", "error", "words"),
    [
        ({"size": 7}, SizeMismatchError, "after 6 of its declared 7"),
        ({"size": 5}, SizeMismatchError, "longer"),
        ({"max_size": 5}, ObjectTooLargeError, "max_size=5"),
    ],
)
async def test_writing_another_size_than_declared_commits_nothing(server, driver, limits, error, words):
    with pytest.raises(error, match=words):
        async with driver.open_upload("bucket", "key", **limits) as upload:
            await upload.write(b"abcdef")
    assert server.requests == []


@pytest.mark.parametrize(
    ("limits", "error"), [({"size": 10}, SizeMismatchError), ({"max_size": 10}, ObjectTooLargeError)]
)
async def test_the_write_that_passes_the_limit_is_refused_itself(server, driver, limits, error):
    """Also where the bytes would fit the part that is being filled."""
    with pytest.raises(error):
        async with driver.open_upload("bucket", "key", **limits) as upload:
            await upload.write(b"abcdef")
            with pytest.raises(error):
                await upload.write(b"ghijkl")
    assert server.requests == []


async def test_writes_of_several_tasks_do_not_mix(server, driver):
    """Each write is one piece of the object."""
    pieces = [bytes([number]) * 1777 for number in range(1, 20)]
    async with driver.open_upload("bucket", "key") as upload:
        await asyncio.gather(*(upload.write(piece) for piece in pieces))
    body = server.objects["bucket", "key"].body
    assert sorted(body[start : start + 1777] for start in range(0, len(body), 1777)) == pieces


async def test_invalid_arguments_are_refused_on_entering_the_block(server, driver):
    """Before any request, as in the other methods."""
    for arguments, options in ((("", "key"), {}), (("bucket", ""), {}), (("bucket", "key"), {"size": -1})):
        with pytest.raises(ConfigurationError):
            async with driver.open_upload(*arguments, **options):
                raise AssertionError("entered")
    with pytest.raises(TypeError, match="colour"):
        async with driver.open_upload("bucket", "key", colour="red"):
            raise AssertionError("entered")
    assert server.requests == []


async def test_a_buffer_may_be_reused_after_the_write(server, driver):
    """Bytes are copied before `write` returns, although the part is sent later."""
    server.hold("UploadPart")
    buffer = bytearray(700)
    async with driver.open_upload("bucket", "key") as upload:
        for number in range(5):
            buffer[:] = bytes([number]) * 700
            await upload.write(buffer)
        buffer[:] = b"Z" * 700
        server.release("UploadPart")
    assert server.objects["bucket", "key"].body == b"".join(bytes([number]) * 700 for number in range(5))


async def test_a_cancelled_block_aborts(server, driver):
    """`asyncio.timeout` around the block still raises TimeoutError."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit, driver.open_upload("bucket", "key") as upload:
            await upload.write(bytes(5000))
            limit.reschedule(0)
            await asyncio.Event().wait()
    assert server.open_uploads == []
    assert server.objects == {}
