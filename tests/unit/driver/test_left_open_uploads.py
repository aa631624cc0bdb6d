"""What was left open is seen, completed or ended, once, by one process; the others are not disturbed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from aios3 import (
    ConfigurationError,
    RecoveredUpload,
    ResponseError,
    S3StorageDriver,
    StorageError,
    TransferConfig,
    UploadSuspendedError,
)
from aios3.testing import Fault, S3Server
from tests.conftest import PART, MakeDriver
from tests.support.driver_scenes import CONTENT, Waiting, leave_file, leave_stream


def outcomes(recovered: list[RecoveredUpload]) -> list[tuple[str, str]]:
    return [(one.key, one.outcome) for one in recovered]


@pytest.mark.parametrize("of_the_driver", [True, False])
async def test_an_upload_that_is_not_suspendable_is_aborted_when_the_driver_is_closed(
    server, make_driver, journal, *, of_the_driver
):
    once = TransferConfig(part_size=PART, suspendable=False)
    again = TransferConfig(part_size=PART, suspendable=True)
    driver = make_driver(journal=journal, transfer=once if of_the_driver else again)

    upload = asyncio.create_task(
        driver.upload_object_via_stream(
            Waiting(CONTENT[: 2 * PART]), "bucket", "web", transfer=None if of_the_driver else once
        )
    )
    await server.wait_for(lambda s: s.open_uploads and s.open_uploads[0].parts)
    await driver.aclose()
    with pytest.raises(StorageError, match="closed") as caught:
        await upload
    assert not isinstance(caught.value, UploadSuspendedError)
    assert (server.open_uploads, list(journal.iterdir())) == ([], [])


async def test_uploads_that_were_left_open_are_ended_once(
    server: S3Server, make_driver: MakeDriver, journal: Path, path: Path
) -> None:
    await leave_file(make_driver(journal=journal), server, path, "one")
    await leave_file(make_driver(journal=journal), server, path, "two")
    async with make_driver(journal=journal) as living, living.open_upload("bucket", "living") as upload:
        await upload.write(CONTENT[: 2 * PART])
        driver = make_driver(journal=journal)
        recovered = await driver.recover()
        assert outcomes(recovered) == [("one", "aborted"), ("two", "aborted")]
        assert await driver.recover() == []
        assert [left.key for left in server.open_uploads] == ["living"]
    assert server.objects["bucket", "living"].body == CONTENT[: 2 * PART]
    await driver.aclose()
    assert list(journal.iterdir()) == []


async def test_files_are_completed_as_they_were_begun(server, make_driver, journal, path):
    await leave_file(make_driver(journal=journal), server, path, if_none_match="*", content_type="video/mp4")
    server.requests.clear()
    async with make_driver(journal=journal) as driver:
        (recovered,) = await driver.recover(resume=True)
    assert recovered.outcome == "completed"
    assert recovered.receipt is not None
    assert recovered.receipt.size == len(CONTENT)
    stored = server.objects["bucket", "key"]
    assert (stored.body, stored.headers["content-type"]) == (CONTENT, "video/mp4")
    (commit,) = [request for request in server.requests if request.operation == "CompleteMultipartUpload"]
    assert dict(commit.headers)["if-none-match"] == "*"
    assert "CreateMultipartUpload" not in {request.operation for request in server.requests}
    assert list(journal.iterdir()) == []


@pytest.mark.parametrize("change", ["touched", "bytes", "removed"])
async def test_a_file_that_is_not_what_it_was_is_not_completed(server, make_driver, journal, path, change):
    """Nor uploaded anew, which nobody asked for: its upload is aborted."""
    await leave_file(make_driver(journal=journal), server, path)
    before = path.stat()
    if change == "removed":
        path.unlink()
    else:
        path.write_bytes(CONTENT if change == "touched" else b"X" + CONTENT[1:])
        moved = change == "touched"
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + moved))
    async with make_driver(journal=journal) as driver:
        (recovered,) = await driver.recover(resume=True)
    assert (recovered.outcome, type(recovered.error)) == (
        "aborted",
        FileNotFoundError if change == "removed" else type(None),
    )
    assert (server.objects, server.open_uploads) == ({}, [])
    assert list(journal.iterdir()) == []


async def test_streams_are_aborted_and_gone_uploads_reported(server, make_driver, journal, path):
    await leave_file(make_driver(journal=journal), server, path, "gone")
    del server.store.uploads[server.open_uploads[0].upload_id]
    await leave_stream(make_driver(journal=journal), CONTENT, 1)
    async with make_driver(journal=journal) as driver:
        recovered = await driver.recover(resume=True)
    assert outcomes(recovered) == [("gone", "gone"), ("key", "aborted")]
    assert list(journal.iterdir()) == []


async def test_an_upload_that_cannot_be_completed_is_aborted_and_reported_with_the_reason(
    server, make_driver, journal, path
):
    await leave_file(make_driver(journal=journal), server, path)
    server.faults.add(Fault("answer", "UploadPart", part_number=5, status=403, code="AccessDenied"))
    async with make_driver(journal=journal) as driver:
        (recovered,) = await driver.recover(resume=True)
    assert (recovered.outcome, type(recovered.error).__name__) == ("aborted", "AccessDeniedError")
    assert server.open_uploads == []
    assert list(journal.iterdir()) == []


async def test_an_upload_that_cannot_be_aborted_stays_for_later(server, make_driver, journal, path):
    await leave_file(make_driver(journal=journal), server, path, "one")
    await leave_file(make_driver(journal=journal), server, path, "two")
    server.faults.add(Fault("answer", "AbortMultipartUpload", status=403, code="AccessDenied"))
    async with make_driver(journal=journal) as driver:
        one, two = await driver.recover()
        assert [one.outcome, two.outcome] == ["failed", "aborted"]
        assert isinstance(one.error, ResponseError)
    async with make_driver(journal=journal) as driver:
        assert outcomes(await driver.recover()) == [("one", "aborted")]
    assert list(journal.iterdir()) == []


async def test_concurrent_recoveries_end_each_upload_once(server, make_driver, journal, path):
    for number in range(4):
        await leave_file(make_driver(journal=journal), server, path, str(number))
    one, two = make_driver(journal=journal), make_driver(journal=journal)
    server.requests.clear()
    ended = await asyncio.gather(one.recover(), one.recover(), two.recover())
    assert sorted(found.key for each in ended for found in each) == ["0", "1", "2", "3"]
    aborted = [request.upload_id for request in server.requests if request.operation == "AbortMultipartUpload"]
    assert len(aborted) == len(set(aborted)) == 4


async def test_an_upload_that_is_resumed_is_left_alone_by_recoveries(server, make_driver, journal, path):
    await leave_file(make_driver(journal=journal), server, path)
    seeing = make_driver(journal=journal)
    (checkpoint,) = await seeing.find_checkpoints()
    await seeing.aclose()
    going_on = make_driver(journal=journal)
    async with going_on.open_upload("bucket", "key", resume=checkpoint) as upload:
        assert await make_driver(journal=journal).recover() == []
        assert await going_on.recover() == []
        assert await going_on.find_checkpoints() == []
        await upload.write(CONTENT[checkpoint.offset :])
    assert server.objects["bucket", "key"].body == CONTENT


async def test_a_driver_that_is_closed_while_it_completes_leaves_the_upload(server, make_driver, journal, path):
    await leave_file(make_driver(journal=journal), server, path)
    server.faults.add(Fault("stall_before", "UploadPart", part_number=5))
    driver = make_driver(journal=journal)
    recovering = asyncio.create_task(driver.recover(resume=True))
    await server.wait_for(lambda s: 4 in s.open_uploads[0].parts and not s.faults.unused)
    await driver.aclose()
    with pytest.raises(UploadSuspendedError):
        await recovering
    async with make_driver(journal=journal) as driver:
        assert outcomes(await driver.recover(resume=True)) == [("key", "completed")]
    assert server.objects["bucket", "key"].body == CONTENT


async def test_a_driver_without_a_journal_has_nothing_to_recover(driver: S3StorageDriver) -> None:
    for call in (driver.recover, driver.find_checkpoints):
        with pytest.raises(ConfigurationError, match="journal="):
            await call()


async def test_an_upload_with_a_customer_key_is_aborted(make_driver, tls, tmp_path, journal):
    async with S3Server("aws", ssl_context=tls.server) as server:
        options = {"on": server, "ssl_context": tls.client, "journal": journal, "transfer": TransferConfig()}
        big = tmp_path / "big"
        big.write_bytes(bytes(16 * 2**20))
        await leave_file(make_driver(**options), server, big, sse_customer_key=b"k" * 32)
        assert [file for file in journal.iterdir() if "kkkk" in file.read_text()] == []
        async with make_driver(**options) as recovering:
            assert outcomes(await recovering.recover(resume=True)) == [("key", "aborted")]
        assert server.open_uploads == []
