"""Uploads through the public driver: what is sent, what is stored, what is told."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib

import pytest

from aios3 import ObjectTooLargeError, SizeMismatchError, TransferConfig, UploadedPart, UploadProgress, UploadReceipt
from aios3.testing import Fault
from tests.support.driver_scenes import operations
from tests.support.fakes import RecordingSource

PART = 1024


def pattern(size: int) -> bytes:
    """Return bytes of which no two KiB are equal."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


async def chunks(data: bytes, size: int = 100):
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("is_declared", [False, True])
@pytest.mark.parametrize("size", [0, 1, PART - 1, PART])
async def test_a_source_of_at_most_one_part_costs_exactly_one_request(server, driver, size, is_declared):
    content, declared = pattern(size), {"size": size, "max_size": size} if is_declared else {}
    receipt = await driver.upload_object_via_stream(chunks(content), "bucket", "key", **declared)
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


async def test_every_field_of_the_receipt_is_as_the_store_has_it(server, driver):
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
    driver = make_driver(provider=dataclasses.replace(small_provider, complete_etag_is_final=True))
    receipt = await driver.upload_object_via_stream(pattern(5000), "bucket", "key")
    assert "HeadObject" not in operations(server)
    assert receipt.etag == server.objects["bucket", "key"].etag.strip('"')


async def test_retries_of_all_requests_of_an_upload_are_counted(server, driver):
    server.faults.add(Fault("answer", "CreateMultipartUpload", status=500, code="InternalError"))
    server.faults.add(Fault("answer", "UploadPart", part_number=2, times=2))
    server.faults.add(Fault("drop_before", "UploadPart", part_number=3))
    content = pattern(5000)
    receipt = await driver.upload_object_via_stream(content, "bucket", "key")
    assert receipt.retries == 4
    assert server.objects["bucket", "key"].body == content
    server.requests.clear()
    server.faults.add(Fault("answer", "PutObject"))
    server.faults.add(Fault("no_etag", "PutObject", nth=2))
    receipt = await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert (receipt.retries, operations(server)) == (1, ["PutObject"] * 2 + ["HeadObject"])
    assert receipt.etag == hashlib.md5(b"x").hexdigest()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("size", "total", "parts"), [(5000, None, 5), (5000, 5000, 5), (3, None, 0)])
async def test_progress_never_goes_back_or_overlaps_and_ends_at_the_size(server, driver, is_async, size, total, parts):
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

    on_progress = note_later if is_async else seen.append
    await driver.upload_object_via_stream(chunks(bytes(size)), "bucket", "key", size=total, on_progress=on_progress)
    for field in ("bytes_read", "bytes_stored", "parts_stored"):
        values = [getattr(progress, field) for progress in seen]
        assert values == sorted(values)
    assert all(progress.bytes_stored <= progress.bytes_read <= size for progress in seen)
    assert seen[-1] == UploadProgress(size, size, total, parts)


@pytest.mark.parametrize("actual", [0, 10, PART, 4999, 5001, 10_000])
async def test_a_source_that_is_not_as_long_as_declared_commits_nothing(server, driver, actual):
    with pytest.raises(SizeMismatchError, match="5000") as caught:
        await driver.upload_object_via_stream(chunks(bytes(actual)), "bucket", "key", size=5000)
    assert actual > 5000 or f"after {actual} of" in str(caught.value)
    assert server.objects == {}
    assert server.open_uploads == []


async def test_going_over_the_allowed_size_ends_the_upload_at_once(server, driver):
    source = RecordingSource(*[bytes(100)] * 100)
    with pytest.raises(ObjectTooLargeError, match="max_size=3000"):
        await driver.upload_object_via_stream(source, "bucket", "key", max_size=3000)
    assert (source.pulls, source.closed) == (31, 1)
    assert (server.open_uploads, server.objects) == ([], {})


async def test_each_call_can_have_its_own_transfer(server, driver):
    own = TransferConfig(part_size=2 * PART, concurrency=1)
    await driver.upload_object_via_stream(chunks(pattern(10 * PART)), "bucket", "key", transfer=own)
    assert [part.size for part in server.objects["bucket", "key"].parts] == [2 * PART] * 5
    assert server.max_parts_in_progress == 1
    await driver.upload_object_via_stream(chunks(pattern(10 * PART)), "bucket", "key")
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
