"""Uploads through the public driver: what is sent, what is stored, what is told."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from aios3 import (
    ObjectTooLargeError,
    ResponseError,
    SizeMismatchError,
    TransferConfig,
    UploadedPart,
    UploadProgress,
    UploadReceipt,
)
from aios3.testing import Fault

PART = 1024


async def chunks(data: bytes, size: int = 100):
    """Give `data` in chunks."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def operations(server) -> list[str]:
    """Return what was asked of the store, in order."""
    return [request.operation for request in server.requests]


def pattern(size: int) -> bytes:
    """Return bytes of which no two KiB are equal."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART])
async def test_a_source_of_at_most_one_part_costs_exactly_one_request(server, driver, size):
    """One PutObject, also for an empty source; no HEAD, no multipart upload."""
    content = pattern(size)
    receipt = await driver.upload_object_via_stream(chunks(content), "bucket", "key")
    assert operations(server) == ["PutObject"]
    assert server.objects["bucket", "key"].body == content
    assert (receipt.size, receipt.upload_id, receipt.parts) == (size, None, ())
    assert receipt.etag == hashlib.md5(content).hexdigest()


@pytest.mark.parametrize("size", [PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1, 10 * PART])
async def test_a_longer_source_becomes_parts_of_equal_size(server, driver, size):
    """Create, the parts, Complete, and one HEAD for the ETag where the provider's cannot be trusted."""
    content = pattern(size)
    receipt = await driver.upload_object_via_stream(chunks(content), "bucket", "key")
    count = -(-size // PART)
    assert sorted(operations(server)) == sorted(
        ["CreateMultipartUpload", *["UploadPart"] * count, "CompleteMultipartUpload", "HeadObject"]
    )
    assert operations(server)[-2:] == ["CompleteMultipartUpload", "HeadObject"]
    stored = server.objects["bucket", "key"]
    assert stored.body == content
    assert [part.size for part in stored.parts] == [PART] * (count - 1) + [size - PART * (count - 1)]
    assert receipt.size == size


async def test_the_receipt_tells_what_was_committed(server, driver):
    """Every field, as the store has it."""
    content = pattern(3 * PART + 5)
    receipt = await driver.upload_object_via_stream(chunks(content), "bucket", "a//b/../ü")
    stored = server.objects["bucket", "a//b/../ü"]
    complete = next(request for request in server.requests if request.operation == "CompleteMultipartUpload")
    assert receipt == UploadReceipt(
        bucket="bucket",
        key="a//b/../ü",
        size=len(content),
        etag=stored.etag.strip('"'),
        version_id=None,
        upload_id=complete.upload_id,
        parts=tuple(UploadedPart(part.number, part.size, part.etag.strip('"')) for part in stored.parts),
        checksum=None,
        request_id=complete.request_id,
        retries=0,
        elapsed=receipt.elapsed,
    )
    assert 0 < receipt.elapsed < 60
    assert receipt.etag.endswith("-4")


async def test_a_store_whose_etag_is_final_is_not_asked_again(make_driver, server, small_provider):
    """The provider's record saves the HEAD."""
    import dataclasses

    driver = make_driver(provider=dataclasses.replace(small_provider, complete_etag_is_final=True))
    receipt = await driver.upload_object_via_stream(pattern(5000), "bucket", "key")
    assert "HeadObject" not in operations(server)
    assert receipt.etag == server.objects["bucket", "key"].etag.strip('"')


async def test_retries_are_counted(server, driver):
    """Over all requests of the upload; the bytes are what they should be."""
    server.faults.add(Fault("answer", "CreateMultipartUpload", status=500, code="InternalError"))
    server.faults.add(Fault("answer", "UploadPart", part_number=2, times=2))
    server.faults.add(Fault("drop_before", "UploadPart", part_number=3))
    content = pattern(5000)
    receipt = await driver.upload_object_via_stream(content, "bucket", "key")
    assert receipt.retries == 4
    assert server.objects["bucket", "key"].body == content


async def test_a_put_whose_answer_has_no_etag(server, driver):
    """The receipt has the ETag that HEAD reports, where the answer to the PutObject has none."""
    server.faults.add(Fault("no_etag", "PutObject"))
    receipt = await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert receipt.etag == hashlib.md5(b"x").hexdigest()


async def test_a_put_that_is_retried_is_counted_too(server, driver):
    """One PutObject that failed once is one retry."""
    server.faults.add(Fault("answer", "PutObject"))
    receipt = await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert (receipt.retries, operations(server)) == (1, ["PutObject"] * 2)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("total", [None, 5000])
async def test_progress(server, driver, is_async, total):
    """Monotonic, never over the truth, and equal to the size in the end; a retry counts nothing twice."""
    server.faults.add(Fault("answer", "UploadPart", part_number=2))
    seen: list[UploadProgress] = []
    running = 0

    async def note_later(progress):
        nonlocal running
        running += 1
        assert running == 1, "calls overlap"
        await asyncio.sleep(0)
        seen.append(progress)
        running -= 1

    content = pattern(5000)
    on_progress = note_later if is_async else seen.append
    await driver.upload_object_via_stream(chunks(content), "bucket", "key", size=total, on_progress=on_progress)
    for field in ("bytes_read", "bytes_stored", "parts_stored"):
        values = [getattr(progress, field) for progress in seen]
        assert values == sorted(values)
    assert all(progress.bytes_stored <= progress.bytes_read <= 5000 for progress in seen)
    assert seen[-1] == UploadProgress(5000, 5000, total, 5)


async def test_progress_of_a_small_upload(driver):
    """It ends at the size as well, with no parts."""
    seen: list[UploadProgress] = []
    await driver.upload_object_via_stream(b"abc", "bucket", "key", on_progress=seen.append)
    assert seen[-1] == UploadProgress(3, 3, None, 0)


@pytest.mark.parametrize("size", [10, 5000])
async def test_an_error_of_the_progress_callback_fails_the_upload(server, driver, size):
    """It reaches the caller as it is, and nothing is left behind."""

    def fail(progress):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await driver.upload_object_via_stream(bytes(size), "bucket", "key", on_progress=fail)
    assert server.open_uploads == []


@pytest.mark.parametrize("actual", [0, 10, PART, 4999, 5001, 10_000])
async def test_a_source_that_is_not_as_long_as_declared(server, driver, actual):
    """Nothing is committed and nothing left; the message has both numbers."""
    with pytest.raises(SizeMismatchError, match="5000") as caught:
        await driver.upload_object_via_stream(chunks(bytes(actual)), "bucket", "key", size=5000)
    assert actual > 5000 or f"after {actual} of" in str(caught.value)
    assert server.objects == {}
    assert server.open_uploads == []


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 5000])
async def test_a_declared_size_that_is_true(server, driver, size):
    """Is kept, and costs no more requests."""
    content = pattern(size)
    receipt = await driver.upload_object_via_stream(chunks(content), "bucket", "key", size=size, max_size=size)
    assert (receipt.size, server.objects["bucket", "key"].body) == (size, content)


async def test_going_over_the_allowed_size_ends_the_upload_at_once(server, driver):
    """The source is not read further, and is closed."""
    pulled = 0

    async def source():
        nonlocal pulled
        while True:
            pulled += 1
            assert pulled < 100
            yield bytes(100)

    generator = source()
    with pytest.raises(ObjectTooLargeError, match="max_size=3000"):
        await driver.upload_object_via_stream(generator, "bucket", "key", max_size=3000)
    assert pulled == 31
    assert server.open_uploads == []
    assert server.objects == {}
    with pytest.raises(StopAsyncIteration):
        await anext(generator)


async def test_a_declared_size_over_the_allowed_one_sends_nothing(server, driver):
    """That can be known before the source is touched."""
    with pytest.raises(ObjectTooLargeError, match="max_size=10"):
        await driver.upload_object_via_stream(chunks(bytes(11)), "bucket", "key", size=11, max_size=10)
    assert server.requests == []


async def test_each_call_can_have_its_own_transfer(server, driver):
    """Part size and concurrency of one call, without a word to the driver's own."""
    own = TransferConfig(part_size=2 * PART, concurrency=1)
    await driver.upload_object_via_stream(chunks(pattern(10 * PART)), "bucket", "key", transfer=own)
    assert [part.size for part in server.objects["bucket", "key"].parts] == [2 * PART] * 5
    assert server.max_parts_in_progress == 1
    await driver.upload_object_via_stream(chunks(pattern(10 * PART)), "bucket", "key")
    assert [part.size for part in server.objects["bucket", "key"].parts] == [PART] * 10


@pytest.mark.parametrize("size", [0, 100, 5000])
async def test_a_file(server, driver, tmp_path, size):
    """Its bytes arrive, and its type is guessed from the key."""
    (tmp_path / "file").write_bytes(pattern(size))
    seen: list[UploadProgress] = []
    for path in (tmp_path / "file", str(tmp_path / "file")):
        receipt = await driver.upload_object(path, "bucket", "film.mp4", on_progress=seen.append)
        assert receipt.size == size
        assert server.objects["bucket", "film.mp4"].body == pattern(size)
        assert server.objects["bucket", "film.mp4"].headers["content-type"] == "video/mp4"
        assert seen[-1].bytes_total == size


@pytest.mark.parametrize("change", [b"x" * 3000, b""], ids=["grows", "shrinks"])
async def test_a_file_that_changes_while_it_is_read(server, driver, tmp_path, change):
    """Half of one version and half of another is nobody's file."""
    path = tmp_path / "file"
    path.write_bytes(pattern(300_000))

    def append_or_empty():
        with open(path, "ab" if change else "wb") as file:
            file.write(change)

    async def meddle(progress):
        await asyncio.to_thread(append_or_empty)

    with pytest.raises(SizeMismatchError, match="300000"):
        await driver.upload_object(path, "bucket", "key", on_progress=meddle)
    assert server.objects == {}
    assert server.open_uploads == []


async def test_a_file_that_cannot_be_read(server, driver, tmp_path):
    """A missing file and a directory are what the operating system says they are; nothing is sent."""
    with pytest.raises(FileNotFoundError, match="missing"):
        await driver.upload_object(tmp_path / "missing", "bucket", "key")
    with pytest.raises(IsADirectoryError):
        await driver.upload_object(tmp_path, "bucket", "key")
    assert server.requests == []


async def test_a_pipe_is_read_to_its_end(server, driver, tmp_path):
    """It has no size to be held to."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = pattern(100_000)
    writing = asyncio.create_task(asyncio.to_thread(path.write_bytes, content))
    receipt = await driver.upload_object(path, "bucket", "key")
    await writing
    assert (receipt.size, server.objects["bucket", "key"].body) == (100_000, content)


async def test_what_the_key_held_stays_until_the_commit(server, driver):
    """All or nothing: a failing overwrite leaves the old object."""
    await driver.upload_object_via_stream(b"old", "bucket", "key")

    async def broken():
        yield bytes(5000)
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke") as caught:
        await driver.upload_object_via_stream(broken(), "bucket", "key")
    assert server.objects["bucket", "key"].body == b"old"
    assert "multipart upload" in "".join(caught.value.__notes__)
    with pytest.raises(ResponseError):
        await driver.upload_object_via_stream(bytes(5000), "missing", "key")
    assert server.open_uploads == []
