"""Uploads that go on where another ended, from a checkpoint or from what the journal knows of a file."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aios3 import (
    PROVIDERS,
    ConfigurationError,
    DriverClosedError,
    IntegrityError,
    PreconditionFailedError,
    Provider,
    ResponseError,
    S3StorageDriver,
    TransferConfig,
    UploadCheckpoint,
    UploadNotFoundError,
    UploadProgress,
    UploadSuspendedError,
)
from aios3._driver.uploads import identify_file
from aios3.testing import Fault, S3Server
from tests.conftest import PART, MakeDriver
from tests.support.driver_scenes import CONTENT, Waiting, leave_file, leave_stream
from tests.support.fakes import RecordingSource


async def suspended(driver: S3StorageDriver, **call: Any) -> UploadCheckpoint:
    """Leave an upload of two parts open."""
    return await leave_stream(driver, CONTENT[: 2 * PART + 7], 2, **call)


@pytest.fixture
async def checkpoint(make_driver: MakeDriver, journal: Path) -> UploadCheckpoint:
    """Checkpoint of an upload of two parts that was left open."""
    return await suspended(make_driver(journal=journal))


def files(journal: Path) -> list[Path]:
    return list(journal.iterdir())


def parts_sent(server: S3Server) -> list[int | None]:
    return [request.part_number for request in server.requests if request.operation == "UploadPart"]


async def test_a_stream_is_resumed_from_its_checkpoint(server, make_driver, checkpoint, journal):
    assert (checkpoint.offset, [part.number for part in checkpoint.parts]) == (2 * PART, [1, 2])
    seen: list[UploadProgress] = []
    driver = make_driver(journal=journal)
    receipt = await driver.upload_object_via_stream(
        CONTENT[checkpoint.offset :], "bucket", "key", resume=checkpoint, on_progress=seen.append
    )
    assert server.objects["bucket", "key"].body == CONTENT
    assert parts_sent(server)[2:] == [3, 4, 5, 6]
    assert (receipt.size, len(receipt.parts), receipt.upload_id) == (len(CONTENT), 6, checkpoint.upload_id)
    assert (seen[0].parts_stored, seen[0].bytes_durable) == (2, 2 * PART)
    assert seen[-1].bytes_durable == len(CONTENT)
    assert server.open_uploads == []
    await driver.find_checkpoints()
    await driver.aclose()
    assert files(journal) == []


async def test_a_resumed_writer_says_what_is_durable(server, make_driver, checkpoint):
    async with make_driver().open_upload("bucket", "key", resume=checkpoint) as upload:
        assert upload.bytes_durable == checkpoint.offset
        await upload.write(CONTENT[checkpoint.offset :])
    assert upload.bytes_durable == len(CONTENT)
    assert server.objects["bucket", "key"].body == CONTENT


@pytest.mark.parametrize("parts", [2, 0])
async def test_an_upload_whose_rest_is_empty_is_committed(server, make_driver, checkpoint, parts):
    if not parts:
        server.store.uploads[checkpoint.upload_id].parts.clear()
    left = dataclasses.replace(checkpoint, parts=checkpoint.parts[:parts])
    receipt = await make_driver().upload_object_via_stream(b"", "bucket", "key", resume=left)
    assert server.objects["bucket", "key"].body == CONTENT[: parts * PART]
    assert receipt.size == parts * PART


async def test_parts_beyond_a_gap_are_sent_again(server, make_driver, journal):
    server.faults.add(Fault("stall_before", "UploadPart", part_number=2))
    driver, stored = make_driver(journal=journal), asyncio.Event()
    upload = asyncio.create_task(
        driver.upload_object_via_stream(
            Waiting(CONTENT), "bucket", "key", on_progress=lambda seen: seen.parts_stored >= 3 and stored.set()
        )
    )
    await stored.wait()
    await server.wait_for(lambda s: not s.faults.unused)
    await driver.aclose()
    with pytest.raises(UploadSuspendedError) as caught:
        await upload
    found = caught.value.checkpoint
    assert found.offset == PART  # of four in flight the three others are stored, so the first is
    await make_driver().upload_object_via_stream(CONTENT[PART:], "bucket", "key", resume=found)
    assert server.objects["bucket", "key"].body == CONTENT


def small_aws() -> Provider:
    return dataclasses.replace(PROVIDERS["aws"], name="small", endpoint=None, addressing="path", min_part_size=PART)


@pytest.mark.parametrize("name", ["crc32", "sha256", "crc64nvme"])
async def test_the_checksum_of_a_resumed_upload_is_made_of_those_of_all_parts(journal, make_driver, name):
    async with S3Server(small_aws()) as server:
        left = await suspended(
            make_driver(on=server, transfer=TransferConfig(part_size=PART, checksum=name), journal=journal)
        )
        assert all(part.checksum for part in left.parts)
        async with make_driver(on=server, journal=journal) as driver:
            (found,) = await driver.find_checkpoints()
            assert found == left
            receipt = await driver.upload_object_via_stream(CONTENT[left.offset :], "bucket", "key", resume=found)
        assert server.objects["bucket", "key"].body == CONTENT
        assert receipt.verification.is_checksum_confirmed


async def test_equal_parts_stay_equal(journal, make_driver):
    equal = dataclasses.replace(PROVIDERS["generic"], min_part_size=PART, equal_parts=True)
    async with S3Server(equal) as server:
        left = await suspended(make_driver(on=server, journal=journal))
        bigger = TransferConfig(part_size=4 * PART)
        await make_driver(on=server, transfer=bigger).upload_object_via_stream(
            CONTENT[left.offset :], "bucket", "key", resume=left
        )
        assert [part.size for part in server.objects["bucket", "key"].parts] == [PART] * 5 + [len(CONTENT) - 5 * PART]


async def test_a_condition_holds_for_the_resumed_upload(server, make_driver, checkpoint):
    await make_driver().upload_object_via_stream(b"first", "bucket", "key")
    with pytest.raises(PreconditionFailedError):
        await make_driver().upload_object_via_stream(b"", "bucket", "key", resume=checkpoint, if_none_match="*")
    assert server.open_uploads == []
    assert server.objects["bucket", "key"].body == b"first"


async def test_a_customer_key_is_sent_with_the_listing_of_parts(make_driver, tls, journal):
    async with S3Server(small_aws(), ssl_context=tls.server) as server:
        key = {"sse_customer_key": b"k" * 32}
        left = await suspended(make_driver(on=server, ssl_context=tls.client, journal=journal), **key)
        driver = make_driver(on=server, ssl_context=tls.client)
        await driver.upload_object_via_stream(CONTENT[left.offset :], "bucket", "key", resume=left, **key)
        assert server.objects["bucket", "key"].size == len(CONTENT)
        listed = [request for request in server.requests if request.operation == "ListParts"]
        assert "x-amz-server-side-encryption-customer-key" in dict(listed[0].headers)


# a checkpoint that is not good any more


async def test_resuming_twice_is_refused(server, make_driver, checkpoint):
    """After the first has ended, because the upload is gone. The source is not read."""
    await make_driver().upload_object_via_stream(b"", "bucket", "key", resume=checkpoint)
    source = RecordingSource(b"x")
    with pytest.raises(UploadNotFoundError):
        await make_driver().upload_object_via_stream(source, "bucket", "key", resume=checkpoint)
    assert source.pulls == 0
    assert server.objects["bucket", "key"].body == CONTENT[: 2 * PART]


async def test_resuming_twice_at_once_is_refused(server, make_driver, checkpoint):
    driver = make_driver()
    async with driver.open_upload("bucket", "key", resume=checkpoint) as upload:
        with pytest.raises(ConfigurationError, match="being resumed already"):
            await driver.upload_object_via_stream(b"", "bucket", "key", resume=checkpoint)
        await upload.write(CONTENT[checkpoint.offset :])
    assert server.objects["bucket", "key"].body == CONTENT


@pytest.mark.parametrize("change", ["replaced", "fewer"])
async def test_parts_that_are_not_what_they_were_are_refused(server, make_driver, checkpoint, change):
    parts = server.store.uploads[checkpoint.upload_id].parts
    if change == "fewer":
        del parts[2]
    else:
        parts[2] = dataclasses.replace(parts[2], etag='"0123"')
    with pytest.raises(IntegrityError, match="part 2"):
        await make_driver().upload_object_via_stream(b"", "bucket", "key", resume=checkpoint)
    assert len(server.open_uploads) == 1


async def test_a_cancelled_resumption_aborts(server, make_driver, checkpoint, journal):
    driver = make_driver(journal=journal)
    await driver.find_checkpoints()
    task = asyncio.create_task(driver.upload_object_via_stream(Waiting(CONTENT), "bucket", "key", resume=checkpoint))
    await server.wait_for(lambda s: len(parts_sent(s)) > 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.open_uploads == []
    await driver.aclose()
    assert files(journal) == []


async def test_a_checkpoint_is_untouched_until_the_store_has_confirmed_it(server, make_driver, checkpoint, journal):
    for ends in ("cancel", "aclose"):
        driver = make_driver(journal=journal)
        server.hold("ListParts")
        task = asyncio.create_task(driver.upload_object_via_stream(b"", "bucket", "key", resume=checkpoint))
        await server.wait_for(lambda s: s.held_requests)
        if ends == "cancel":
            task.cancel()
        else:
            closing = asyncio.create_task(driver.aclose())
            await asyncio.sleep(0)
        server.release("ListParts")
        with pytest.raises((asyncio.CancelledError, DriverClosedError)):
            await task
        if ends == "aclose":
            await closing
        await driver.aclose()
    async with make_driver(journal=journal) as driver:
        assert await driver.find_checkpoints() == [checkpoint]


async def test_a_suspended_resumption_can_be_resumed_again(server, make_driver, checkpoint, journal):
    later = await leave_stream(make_driver(journal=journal), CONTENT[2 * PART : 4 * PART], 4, resume=checkpoint)
    assert (later.upload_id, later.offset) == (checkpoint.upload_id, 4 * PART)
    async with make_driver(journal=journal) as driver:
        assert await driver.find_checkpoints() == [later]
        await driver.upload_object_via_stream(CONTENT[later.offset :], "bucket", "key", resume=later)
    assert server.objects["bucket", "key"].body == CONTENT
    assert files(journal) == []


# the end of the driver


async def test_a_grace_lets_an_upload_end(server: S3Server, make_driver: MakeDriver, journal: Path) -> None:
    driver = make_driver(journal=journal)
    go_on = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield CONTENT
        await go_on.wait()

    upload = asyncio.create_task(driver.upload_object_via_stream(source(), "bucket", "key"))
    await server.wait_for(lambda s: parts_sent(s))
    closing = asyncio.create_task(driver.aclose(grace=30))
    await asyncio.sleep(0)
    with pytest.raises(DriverClosedError, match="closed"):
        await driver.upload_object_via_stream(b"", "bucket", "other")
    go_on.set()
    assert (await upload).size == len(CONTENT)
    await closing
    assert files(journal) == []


async def test_a_commit_that_is_on_its_way_is_not_suspended(server, make_driver, journal):
    """It gets the time to end."""
    driver = make_driver(journal=journal)
    server.hold("CompleteMultipartUpload")
    upload = asyncio.create_task(driver.upload_object_via_stream(CONTENT, "bucket", "key"))
    await server.wait_for(lambda s: s.held_requests)
    closing = asyncio.create_task(driver.aclose())
    for _ in range(5):
        await asyncio.sleep(0)
    server.release("CompleteMultipartUpload")
    assert (await upload).size == len(CONTENT)
    await closing
    assert files(journal) == []


async def test_an_upload_that_was_committed_when_its_answer_was_lost_is_gone(make_driver, checkpoint, journal):
    other = make_driver()
    await other.upload_object_via_stream(b"", "bucket", "key", resume=checkpoint)
    async with make_driver(journal=journal) as driver:
        assert await driver.find_checkpoints() == []
    assert files(journal) == []


# the disk


async def test_a_journal_that_cannot_be_kept_is_an_error_before_any_request(server, make_driver, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    driver = make_driver(journal=tmp_path / "file")
    for _ in range(2):
        with pytest.raises(OSError, match="file") as caught:
            await driver.upload_object_via_stream(CONTENT, "bucket", "key")
        assert "no journal can be kept" in caught.value.__notes__[0]
    await driver.aclose()
    assert server.requests == []


async def test_a_disk_that_becomes_full_aborts_the_upload(server, make_driver, journal, monkeypatch):
    """Whichever line cannot be written; the error says which disk."""
    write = os.write
    for lines in (0, 1):
        driver = make_driver(journal=journal)
        await driver.get_container("bucket")
        room = [lines]

        def full(descriptor: int, data: bytes, room: list[int] = room) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= 1
            return write(descriptor, data)

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space") as caught:
                await driver.upload_object_via_stream(CONTENT, "bucket", "key")
            assert any("journal" in note for note in caught.value.__notes__)
        assert server.open_uploads == []
        assert [request.operation for request in server.requests].count("CreateMultipartUpload") == lines
        await driver.aclose()
        assert files(journal) == []


# files


@pytest.mark.parametrize("by_journal", [True, False])
async def test_a_file_is_resumed_without_sending_its_parts_again(server, make_driver, journal, path, by_journal):
    left = await leave_file(make_driver(journal=journal), server, path)
    async with make_driver(journal=journal if by_journal else None) as driver:
        receipt = await driver.upload_object(path, "bucket", "key", resume=True if by_journal else left)
    assert server.objects["bucket", "key"].body == CONTENT
    assert 1 not in parts_sent(server)
    assert (receipt.size, receipt.upload_id) == (len(CONTENT), left.upload_id)
    assert len(files(journal)) == (not by_journal)


@pytest.mark.parametrize("by_journal", [True, False])
@pytest.mark.parametrize("change", ["bytes", "longer"])
async def test_a_changed_file_starts_anew(server, make_driver, journal, path, by_journal, change):
    left = await leave_file(make_driver(journal=journal), server, path)
    before = path.stat()
    changed = CONTENT + b"more" if change == "longer" else b"X" + CONTENT[1:]
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    async with make_driver(journal=journal) as driver:
        await driver.upload_object(path, "bucket", "key", resume=True if by_journal else left)
        assert await driver.recover() == []
    assert server.objects["bucket", "key"].body == changed
    assert server.open_uploads == []
    assert files(journal) == []


async def test_a_call_that_cannot_work_aborts_nothing(server, make_driver, journal, path):
    left = await leave_file(make_driver(journal=journal), server, path)
    driver = make_driver(journal=journal)
    path.write_bytes(b"changed")
    with pytest.raises(TypeError):
        await driver.upload_object(path, "bucket", "key", resume=True, colour="red")
    with pytest.raises(ConfigurationError, match="not of bucket/other"):
        await driver.upload_object(path, "bucket", "other", resume=left)
    with pytest.raises(TypeError, match="resume"):
        await driver.upload_object(path, "bucket", "key", resume="yes")
    with pytest.raises(ConfigurationError, match="journal"):
        await make_driver().upload_object(path, "bucket", "key", resume=True)
    assert len(server.open_uploads) == 1


async def test_two_uploads_of_a_file_at_once_do_not_share_what_was_left(server, make_driver, journal, path):
    """One goes on, the other starts anew."""
    await leave_file(make_driver(journal=journal), server, path)
    async with make_driver(journal=journal) as driver:
        one, two = await asyncio.gather(*(driver.upload_object(path, "bucket", "key", resume=True) for _ in range(2)))
        assert await driver.recover() == []
    assert one.upload_id != two.upload_id
    assert server.objects["bucket", "key"].body == CONTENT
    assert server.open_uploads == []


async def test_a_refused_abort_of_a_useless_checkpoint_is_raised(server, make_driver, journal, path):
    left = await leave_file(make_driver(journal=journal), server, path)
    path.write_bytes(b"changed")
    server.faults.add(Fault("answer", "AbortMultipartUpload", status=403, code="AccessDenied"))
    with pytest.raises(ResponseError):
        await make_driver().upload_object(path, "bucket", "key", resume=left)


@pytest.mark.parametrize("by_journal", [True, False])
async def test_a_pipe_is_read_to_its_end_and_resumes_nothing(server, make_driver, checkpoint, journal, by_journal):
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    try:
        assert await asyncio.to_thread(identify_file, f"/dev/fd/{reading}") is None
        driver = make_driver(journal=journal)
        resume = True if by_journal else checkpoint
        await driver.upload_object(f"/dev/fd/{reading}", "bucket", "key", resume=resume)
    finally:
        os.close(reading)
    assert server.objects["bucket", "key"].body == b"from a pipe"
    assert len(server.open_uploads) == by_journal


def test_a_file_is_known_by_path_size_and_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert identify_file("file") == identify_file(path)
    before = identify_file(path)
    path.write_bytes(CONTENT + b"x")
    assert identify_file(path) != before
