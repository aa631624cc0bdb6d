"""Steps that several tests of the driver take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aios3 import S3StorageDriver, UploadCheckpoint, UploadProgress, UploadSuspendedError
from aios3.testing import Fault, S3Server
from tests.conftest import PART

CONTENT = bytes(range(256)) * 22 + b"end"
"""Five parts, and a rest of 515 bytes."""
KEY = "a//b ü"


def operations(server: S3Server) -> list[str]:
    return [request.operation for request in server.requests]


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def in_chunks(content: bytes, size: int = 700, *, error: BaseException | None = None):
    """Give the content, then fail if there is an error."""
    for start in range(0, len(content), size):
        yield content[start : start + size]
    if error is not None:
        raise error


async def numbered_parts(count: int, at: int = -1, event: Callable[[], object] = print):
    """Give parts of the bytes 0, 1 and so on, and run a call before one of them."""
    for number in range(count):
        if number == at:
            event()
        yield bytes([number]) * PART


class Waiting:
    """Source that gives its bytes, and never ends."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self):
        yield self._content
        await asyncio.Event().wait()


async def suspend(driver: S3StorageDriver, upload: Any, parts: int, **call: Any) -> UploadCheckpoint:
    """Start `upload`, close the driver when the first `parts` parts are durable, and return what is left."""
    durable = asyncio.Event()

    def look(progress: UploadProgress) -> None:
        if progress.bytes_durable >= parts * PART:
            durable.set()

    task = asyncio.create_task(upload(on_progress=look, **call))
    await durable.wait()
    await driver.aclose()
    with pytest.raises(UploadSuspendedError) as caught:
        await task
    assert caught.value.checkpoint is not None
    return caught.value.checkpoint


async def leave_stream(driver: S3StorageDriver, content: bytes, parts: int, **call: Any) -> UploadCheckpoint:
    """Leave the upload of a stream to ``bucket/key`` open with `parts` whole parts."""
    return await suspend(
        driver,
        lambda **options: driver.upload_object_via_stream(Waiting(content), "bucket", "key", **options),
        parts,
        **call,
    )


async def leave_file(
    driver: S3StorageDriver, server: S3Server, path: Path, key: str = "key", **call: Any
) -> UploadCheckpoint:
    """Leave the upload of a file open with three parts, and forget its requests."""
    stall = Fault("stall_before", "UploadPart", part_number=4)
    server.faults.add(stall)
    left = await suspend(driver, lambda **options: driver.upload_object(path, "bucket", key, **options), 3, **call)
    server.requests.clear()
    server.faults.clear()  # the fourth part may not have come before the end
    return left
