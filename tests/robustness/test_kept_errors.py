"""Errors that a caller keeps, whose traceback frames must not keep the memory of parts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from aios3 import AccessDeniedError, ConfigurationError, S3StorageDriver, TransferConfig, UploadWriter
from aios3._upload.memory import segment_pool as segments
from aios3._upload.memory.budget import Reservation
from aios3.options import MIB
from aios3.testing import Fault, S3Server

ERRORS = 40
LENGTH = 3 * MIB + 100
PART = MIB + 7


class LiveSegments:
    """Counter of the segments that are still referenced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = self.made = 0
        make = segments._new_segment

        def counted() -> memoryview:
            segment = make()
            self.count, self.made = self.count + 1, self.made + 1
            weakref.finalize(segment.obj, self._gone)
            return segment

        monkeypatch.setattr(segments, "_new_segment", counted)

    def _gone(self) -> None:
        self.count -= 1


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> LiveSegments:
    return LiveSegments(monkeypatch)


async def chunks(count: int, failure: BaseException | None = None) -> AsyncIterator[bytes]:
    for start in range(0, count, 64 * 1024):
        yield bytes(min(64 * 1024, count - start))
    if failure is not None:
        raise failure


def hold_memory(driver: S3StorageDriver) -> None:
    """Hold all memory for unfinished parts, like a stalled source, so other parts go to disk."""
    assert driver._engine is not None
    memory = driver._engine.memory
    free = memory.limit - memory.reserve
    lease = Reservation()
    assert memory.acquire_nowait(lease, free - 1, free)
    lease.task = None


Failing = Callable[[S3StorageDriver, S3Server, Path], Awaitable[object]]


async def source_fails(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    return await driver.upload_object_via_stream(chunks(LENGTH, ValueError("source")), "bucket", "key")


async def write_fails(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    async with driver.open_upload("bucket", "key") as upload:
        for _ in range(40):
            await upload.write(bytes(64 * 1024))
        raise ValueError("block")


async def part_fails_under_another_task(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))

    async def write_on(upload: UploadWriter) -> None:
        while True:
            await upload.write(bytes(LENGTH))

    with contextlib.suppress(AccessDeniedError):
        async with driver.open_upload("bucket", "key") as upload:
            writing = asyncio.create_task(write_on(upload))
            await asyncio.wait({writing})
            await asyncio.Event().wait()
    return await writing


async def part_fails(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    return await driver.upload_object_via_stream(chunks(LENGTH), "bucket", "key")


async def parts_are_dropped(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.faults.add(Fault("drop_mid_body", "UploadPart", times=1000, after_bytes=300_000))
    try:
        return await driver.upload_object_via_stream(chunks(LENGTH), "bucket", "key")
    finally:
        server.faults.clear()


async def put_fails(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied"))
    return await driver.upload_object_via_stream(chunks(PART - 1), "bucket", "key")


async def stream_fails(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    transfer = TransferConfig(part_size=PART, mechanism="stream")
    source = chunks(LENGTH, ValueError("source"))
    return await driver.upload_object_via_stream(source, "bucket", "key", transfer=transfer)


async def streams_are_dropped(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.faults.add(Fault("drop_mid_body", "PutObject", times=1000, after_bytes=300_000))
    transfer = TransferConfig(part_size=PART, mechanism="stream")
    try:
        return await driver.upload_object_via_stream(chunks(LENGTH), "bucket", "key", size=LENGTH, transfer=transfer)
    finally:
        server.faults.clear()


async def file_fails(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    return await driver.upload_object(path, "bucket", "key")


async def is_cancelled(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    async def stall() -> AsyncIterator[bytes]:
        async for chunk in chunks(LENGTH):
            yield chunk
        await asyncio.Event().wait()

    async with asyncio.timeout(0.02):
        return await driver.upload_object_via_stream(stall(), "bucket", "key")


async def file_is_cancelled(driver: S3StorageDriver, server: S3Server, path: Path) -> object:
    server.hold("UploadPart")
    try:
        async with asyncio.timeout(0.02):
            return await driver.upload_object(path, "bucket", "key")
    finally:
        server.release("UploadPart")


KINDS: list[Failing] = [
    source_fails, write_fails, part_fails, part_fails_under_another_task, parts_are_dropped, put_fails, stream_fails,
    streams_are_dropped, file_fails, is_cancelled, file_is_cancelled,
]  # fmt: skip


@pytest.mark.parametrize("fail", KINDS, ids=lambda fail: fail.__name__)
@pytest.mark.parametrize("disk", [False, True])
async def test_kept_errors_keep_no_memory(
    server: S3Server, make_driver: Any, live: LiveSegments, tmp_path: Path, fail: Failing, disk: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(LENGTH))
    server.keep_bodies = False
    transfer = TransferConfig(part_size=PART, memory_limit=8 * PART)
    async with make_driver(transfer=transfer) as driver:
        if disk:
            await driver._open()
            hold_memory(driver)
        kept = []
        for _ in range(ERRORS):
            try:
                await fail(driver, server, path)
            except Exception as error:
                kept.append(error)
        assert len(kept) == ERRORS
        assert all(error.__traceback__ is not None for error in kept)
        assert not any(isinstance(error, ConfigurationError) for error in kept)
    gc.collect()
    assert live.made
    # The write that fails for a reset is a frame of asyncio's own, which keeps the slice that it could not send.
    assert live.count <= (ERRORS if fail is streams_are_dropped else 2)


async def test_kept_errors_keep_no_uploaded_bytes(server: S3Server, make_driver: Any) -> None:
    server.keep_bodies = False
    async with make_driver(transfer=TransferConfig(part_size=PART)) as driver:
        kept = []
        tracemalloc.start()
        try:
            for _ in range(ERRORS):
                server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied"))
                try:
                    await driver.upload_object_via_stream(bytes(PART), "bucket", "key")
                except AccessDeniedError as error:
                    kept.append(error)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(kept) == ERRORS
    assert held < 5 * MIB
