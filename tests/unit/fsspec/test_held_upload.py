"""Upload that one task holds open, and others feed, commit and discard."""

from __future__ import annotations

import asyncio
import dataclasses
import os

import anyio
import pytest

from aios3 import StorageError, TransferConfig
from aios3.fsspec.held_upload import HeldUpload
from aios3.testing import Fault
from tests.conftest import PART

PATH = "bucket/key"


async def test_a_held_upload_is_stored_and_invisible_until_the_commit(driver, server):
    upload = await HeldUpload.open(driver, PATH, {})
    await upload.write(bytes(3 * PART))
    await upload.finish(commit=False)
    assert ([len(found.parts) for found in server.open_uploads], server.objects, upload.receipt) == ([3], {}, None)
    await upload.finish(commit=True)
    await upload.discard()
    assert (upload.receipt.size, len(server.objects), server.open_uploads) == (3 * PART, 1, [])


async def test_short_uploads_that_wait_for_their_commit_leave_memory_for_others(make_driver, server):
    driver = make_driver(transfer=TransferConfig(part_size=PART, memory_limit=2 * PART, spill_directory=None))
    uploads = [await HeldUpload.open(driver, f"{PATH}{number}", {}) for number in range(5)]
    for upload in uploads:
        await upload.write(bytes(PART))
        await upload.finish(commit=False)
    assert (len(server.open_uploads), server.objects) == (5, {})
    for upload in uploads:
        await upload.finish(commit=True)
    assert (len(server.objects), server.open_uploads) == (5, [])


@pytest.mark.parametrize(
    ("size", "attributes"),
    [(0, {}), (10, {"seekable_head": PART}), (10, {"size": 10, "if_none_match": "*"})],
    ids=["empty", "seekable", "condition"],
)
async def test_an_upload_that_no_parts_may_make_waits_for_its_commit_as_one_put(make_driver, server, size, attributes):
    """The store ignores conditions for parts, and a head is written last."""
    driver = make_driver(provider=dataclasses.replace(server.store.provider, conditional_complete=False))
    upload = await HeldUpload.open(driver, PATH, attributes)
    await upload.write(bytes(size))
    await upload.finish(commit=False)
    assert server.requests == []
    await upload.finish(commit=True)
    assert [request.operation for request in server.requests] == ["PutObject"]


async def test_a_refused_beginning_of_parts_is_the_error_of_the_end(driver, server):
    server.faults.add(Fault("answer", "CreateMultipartUpload", status=403, code="AccessDenied"))
    upload = await HeldUpload.open(driver, PATH, {})
    await upload.write(bytes(10))
    with pytest.raises(PermissionError):
        await upload.finish(commit=False)
    assert server.open_uploads == []


async def test_a_discarded_upload_cannot_be_committed(driver, server):
    upload = await HeldUpload.open(driver, PATH, {})
    await upload.write(bytes(3 * PART))
    await upload.finish(commit=False)
    await upload.discard()
    for commit in (False, True):
        with pytest.raises(StorageError, match="discarded"):
            await upload.finish(commit=commit)
    assert (server.objects, server.open_uploads, upload.receipt) == ({}, [], None)


async def test_a_discard_goes_to_its_end_although_it_is_cancelled(driver, server):
    upload = await HeldUpload.open(driver, PATH, {})
    await upload.write(bytes(3 * PART))
    await upload.finish(commit=False)
    server.hold("AbortMultipartUpload")
    task = asyncio.create_task(upload.discard())
    await server.wait_for(lambda server: server.held_requests)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    server.release("AbortMultipartUpload")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.open_uploads


async def test_a_cancelled_scope_of_anyio_discards(driver, server):
    with anyio.CancelScope() as scope:
        upload = await HeldUpload.open(driver, PATH, {})
        await upload.write(bytes(3 * PART))
        scope.cancel()
        await upload.discard()
    assert (server.objects, server.open_uploads) == ({}, [])


async def test_a_cancelled_opening_leaves_nothing(make_driver, server, monkeypatch):
    driver = make_driver()
    never = asyncio.Event()
    monkeypatch.setattr(driver, "_open", never.wait)
    task = asyncio.create_task(HeldUpload.open(driver, PATH, {}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("method", ["write", "write_from"])
async def test_an_error_of_a_part_is_raised_by_the_call_that_feeds(driver, server, method):
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=100))
    upload = await HeldUpload.open(driver, PATH, {})
    with pytest.raises(PermissionError):
        await getattr(upload, method)(bytes(30 * PART))
    with pytest.raises(PermissionError):
        await upload.finish(commit=True)
    assert not server.open_uploads


async def test_a_fork_discards_nothing(driver, server, monkeypatch):
    upload = await HeldUpload.open(driver, PATH, {})
    with monkeypatch.context() as context:
        context.setattr(os, "getpid", lambda: -1)
        upload.discard_soon()
    await upload.finish(commit=True)
    assert len(server.objects) == 1
