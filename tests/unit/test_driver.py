"""Uploads through the public driver: what is sent, what is stored, what is told."""

from __future__ import annotations

import asyncio

import pytest

from aios3 import SizeMismatchError, TransferConfig, UploadedPart, UploadProgress, UploadReceipt
from tests.support.driver_scenes import in_chunks, operations

PART = 1024


def pattern(size: int) -> bytes:
    """Return bytes of which no two KiB are equal."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


@pytest.mark.parametrize("size", [PART + 1, 2 * PART - 1, 2 * PART, 2 * PART + 1, 10 * PART])
async def test_a_longer_source_becomes_parts_of_equal_size(server, driver, size):
    """Create, the parts, Complete, and one HEAD for the ETag where the provider's cannot be trusted."""
    content = pattern(size)
    receipt = await driver.upload_object_via_stream(in_chunks(content), "bucket", "key")
    count = -(-size // PART)
    assert sorted(operations(server)) == sorted(
        ["CreateMultipartUpload", *["UploadPart"] * count, "CompleteMultipartUpload", "HeadObject"]
    )
    assert operations(server)[-2:] == ["CompleteMultipartUpload", "HeadObject"]
    stored = server.objects["bucket", "key"]
    assert stored.body == content
    assert [part.size for part in stored.parts] == [PART] * (count - 1) + [size - PART * (count - 1)]
    assert receipt.size == size


async def test_every_field_of_the_receipt_is_as_the_store_has_it(server, driver):
    content = pattern(3 * PART + 5)
    receipt = await driver.upload_object_via_stream(in_chunks(content), "bucket", "a//b/../ü")
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


async def test_each_call_can_have_its_own_transfer(server, driver):
    own = TransferConfig(part_size=2 * PART, concurrency=1)
    await driver.upload_object_via_stream(in_chunks(pattern(10 * PART)), "bucket", "key", transfer=own)
    assert [part.size for part in server.objects["bucket", "key"].parts] == [2 * PART] * 5
    assert server.max_parts_in_progress == 1
    await driver.upload_object_via_stream(in_chunks(pattern(10 * PART)), "bucket", "key")
    assert [part.size for part in server.objects["bucket", "key"].parts] == [PART] * 10


@pytest.mark.parametrize("size", [0, 100, 5000])
async def test_a_file(server, driver, tmp_path, size):
    (tmp_path / "file").write_bytes(pattern(size))
    seen: list[UploadProgress] = []
    for path in (tmp_path / "file", str(tmp_path / "file")):
        receipt = await driver.upload_object(path, "bucket", "film.mp4", on_progress=seen.append)
        assert receipt.size == size
        assert server.objects["bucket", "film.mp4"].body == pattern(size)
        assert server.objects["bucket", "film.mp4"].headers["content-type"] == "video/mp4"
        assert seen[-1].bytes_total == size


@pytest.mark.parametrize("change", [b"x" * 3000, b""], ids=["grows", "shrinks"])
async def test_a_file_that_changes_while_it_is_read_commits_nothing(server, driver, tmp_path, change):
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


async def test_a_file_that_cannot_be_read_is_the_systems_own_error(server, driver, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        await driver.upload_object(tmp_path / "missing", "bucket", "key")
    with pytest.raises(IsADirectoryError):
        await driver.upload_object(tmp_path, "bucket", "key")
    assert server.requests == []
