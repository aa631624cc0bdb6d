"""Scene with an engine on a fake store, and uploads through the engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aios3._upload.lifecycle import run_upload
from aios3._upload.shared.engine import Engine
from aios3._upload.source.readers import SourceReader
from aios3._upload.uploader import Uploader
from aios3.models import UploadReceipt

from .fakes import PART, FakeClock, FakeStore, make_engine, make_job, turns

Block = Callable[[Uploader], Awaitable[object]]


def content(parts: float) -> bytes:
    return bytes(index % 251 for index in range(int(parts * PART)))


def adding(*steps: float | bytes | BaseException | None) -> Block:
    """Return a block that adds bytes, or parts of `content`; raises errors; and waits without end at ``None``."""

    async def add(upload: Uploader) -> None:
        for step in steps:
            if step is None:
                await asyncio.Event().wait()
            elif isinstance(step, BaseException):
                raise step
            else:
                await upload.add(memoryview(step if isinstance(step, bytes) else content(step)))

    return add


def pulling(source: object) -> Block:
    """Return a block that adds all chunks of a source."""
    reader = SourceReader(source)  # type: ignore[arg-type]

    async def add(upload: Uploader) -> None:
        while await upload.add_from(reader):
            pass

    return add


class UploadScene:
    uploader: Uploader
    """The last upload."""

    def __init__(self, **engine: Any) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.engine: Engine = make_engine(self.store, self.clock, **engine)

    async def upload(self, body: bytes | Block, **job: Any) -> UploadReceipt:
        """Upload bytes, or the bytes that a block adds."""
        async with run_upload(self.engine, make_job(**job)) as upload:
            self.uploader = upload
            await (adding(body) if isinstance(body, bytes) else body)(upload)
        assert upload.receipt is not None
        return upload.receipt

    async def start(self, block: bytes | Block, **job: Any) -> asyncio.Task[UploadReceipt]:
        task = asyncio.create_task(self.upload(block, **job))
        await turns(60)
        return task

    def object(self) -> bytes:
        return self.store.objects["key"][0]

    def assert_nothing_is_left(self) -> None:
        assert self.store.uploads == {}
        assert (self.engine.memory.used, len(self.engine.memory._filling), len(self.engine.memory._waiters)) == (
            0,
            0,
            0,
        )
        assert (self.engine.running, self.engine.known_uploads, self.engine.pool.idle_bytes) == (set(), set(), 0)
        self._assert_no_file_is_left()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("aios3")]

    def _assert_no_file_is_left(self) -> None:
        spill = self.engine.spill
        if spill is not None:
            assert (spill.used, spill.under_way, spill.files) == (0, 0, 0)
            assert spilled_files(spill.directory or "/var/tmp") == 0


def spilled_files(directory: str) -> int:
    """Return the number of files in a directory that this process has open."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(descriptor))
        except FileNotFoundError:  # the descriptor that listed the folder
            continue
    return sum(link.startswith(directory) for link in links)
