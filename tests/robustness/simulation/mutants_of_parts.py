"""Deliberate faults in filling parts from the source, and in the counts that go with it.

Importing this module adds its faults to `MUTANTS`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from types import TracebackType
from typing import Any

import pytest

from aios3._client.concurrency_limiter import ConcurrencyLimiter, Permit
from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.operations.multipart import UploadPart
from aios3._protocol.parts.part_buffer import Part
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._protocol.policies import retry
from aios3._upload.memory.budget import MemoryBudget
from aios3._upload.memory.held_part import HeldPart, PartInMemory
from aios3._upload.memory.segment_pool import SegmentPool
from aios3._upload.multipart.part_sender import PartSender
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.readers import SourceReader
from aios3._upload.source.silence_watch import SilenceWatch
from aios3._upload.uploader import Uploader
from aios3.errors import StorageError
from aios3.models import UploadedPart

from .mutants import MUTANTS, mutant, plant

__all__ = ["MUTANTS"]


async def _end_anywhere(self: Uploader) -> int:
    self._require_open()
    self._is_open = False
    return self._bounds.read


plant("more is held than the limit allows", (MemoryBudget, "_is_free", lambda self, count: True))
plant(
    "bytes are granted without looking for a deadlock",
    (MemoryBudget, "_is_safe", lambda self, lease, count: True),
    (MemoryBudget, "_refuse_to_wait_for_oneself", lambda self: None),
)
plant(
    "unfinished parts leave nothing free for what is read back",
    (MemoryBudget, "_limit_of", lambda self, lease: self.limit),
)
plant("no upload is ended although others starve", (SilenceWatch, "_make_room", lambda self, now: None))
plant("an upload that waits for memory counts as silent", (Uploader, "is_idle", property(lambda self: True)))
plant("idle segments are kept when no upload runs", (SegmentPool, "clear", lambda self: None))
plant("nothing is tried again", (retry, "is_transient", lambda failure: False))
plant("the declared size is not compared", (Uploader, "_end_reading", _end_anywhere))


@mutant("the parts are not joined before the abort")
def _(patch: pytest.MonkeyPatch) -> None:
    original = UploadTasks.run

    def detached(self: UploadTasks, work: Any, name: str) -> asyncio.Task[Any]:
        if " part " not in name:
            return original(self, work, name)
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())
        return task

    patch.setattr(UploadTasks, "run", detached)


@mutant("a slot is not given back after a failure")
def _(patch: pytest.MonkeyPatch) -> None:
    original = PartSender._ended

    def ended(self: PartSender, part: HeldPart, *more: Any) -> None:
        if part.number % 3 == 0:
            self._slots._value -= 1
        original(self, part, *more)

    patch.setattr(PartSender, "_ended", ended)


@mutant("one part too many is sent at once")
def _(patch: pytest.MonkeyPatch) -> None:
    original = PartSender.__init__

    def begin(self: PartSender, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self._slots.release()

    patch.setattr(PartSender, "__init__", begin)


@mutant("the memory of a part that was cancelled is not given back")
def _(patch: pytest.MonkeyPatch) -> None:
    original = PartSender._ended

    def ended(self: PartSender, part: HeldPart, permit: Permit | None, task: asyncio.Task[None], *more: Any) -> None:
        if not task.cancelled():
            original(self, part, permit, task, *more)
        else:
            self._release(permit)

    patch.setattr(PartSender, "_ended", ended)


@mutant("the memory of a part is given back while it is sent")
def _(patch: pytest.MonkeyPatch) -> None:
    original = PartSender.send

    async def send(self: PartSender, part: PartInMemory, *more: Any) -> None:
        await original(self, part, *more)
        part._pool._free.extend(part._part.segments)

    patch.setattr(PartSender, "send", send)


@mutant("a source may be silent without a limit")
def _(patch: pytest.MonkeyPatch) -> None:
    original = SilenceWatch.__init__
    patch.setattr(SilenceWatch, "__init__", lambda self, limit, *more: original(self, None, *more))


@mutant("a part is retried with other bytes")
def _(patch: pytest.MonkeyPatch) -> None:
    original = UploadPart.read

    def read(self: UploadPart, response: Any) -> Any:
        if response.status >= 400:
            self.body[0][0] ^= 1  # type: ignore[index]
        return original(self, response)

    patch.setattr(UploadPart, "read", read)


@mutant("a part is sent as another number")
def _(patch: pytest.MonkeyPatch) -> None:
    original = UploadPart.build

    def build(self: UploadPart, endpoint: Any) -> Any:
        number = {2: 3, 3: 2}.get(self.part_number, self.part_number)
        return original(dataclasses.replace(self, part_number=number), endpoint)

    patch.setattr(UploadPart, "build", build)


@mutant("a part that the store refuses is passed over, and the gap is committed")
def _(patch: pytest.MonkeyPatch) -> None:
    def finish(self: PartTracker, *, count: int, size: int) -> Any:
        return tuple((number, part.etag, part.checksum) for number, part in sorted(self._parts.items()))

    original = PartSender._send

    async def send(self: PartSender, part: Part, *more: Any) -> None:
        try:
            await original(self, part, *more)
        except StorageError:
            if part.number == 1:
                raise

    patch.setattr(PartTracker, "finish", finish)
    patch.setattr(PartSender, "_send", send)


@mutant("the last part is not waited for")
def _(patch: pytest.MonkeyPatch) -> None:
    async def drain(self: PartSender) -> None:
        for _ in range(self._job.concurrency - 1):
            await self._slots.acquire()

    def finish(self: PartTracker, *, count: int, size: int) -> Any:
        return tuple((number, part.etag, part.checksum) for number, part in sorted(self._parts.items()))

    patch.setattr(PartSender, "drain", drain)
    patch.setattr(PartTracker, "finish", finish)


@mutant("progress counts a part at every attempt")
def _(patch: pytest.MonkeyPatch) -> None:
    reading, noting = UploadPart.read, ProgressReporter.note_stored
    attempts = []

    def read(self: UploadPart, response: Any) -> Any:
        if response.status >= 400:
            attempts.append(self.part_number)
        return reading(self, response)

    def note(self: ProgressReporter, tracker: PartTracker) -> None:
        noting(self, tracker)
        self.bytes_stored += 7 * len(attempts)

    patch.setattr(UploadPart, "read", read)
    patch.setattr(ProgressReporter, "note_stored", note)


@mutant("progress goes down when parts are answered out of order")
def _(patch: pytest.MonkeyPatch) -> None:
    def note(self: ProgressReporter, tracker: PartTracker) -> None:
        noting(self, tracker)
        self.bytes_stored = list(tracker._parts)[-1] * next(iter(tracker._parts.values())).size

    noting = ProgressReporter.note_stored
    patch.setattr(ProgressReporter, "note_stored", note)


@mutant("the source is not closed after a failure")
def _(patch: pytest.MonkeyPatch) -> None:
    async def leave(
        self: SourceReader,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            await self.aclose()

    patch.setattr(SourceReader, "__aexit__", leave)


@mutant("a source that fails is taken for one that has ended")
def _(patch: pytest.MonkeyPatch) -> None:
    original = Uploader.add_from

    async def add(self: Uploader, reader: SourceReader) -> bool:
        try:
            return await original(self, reader)
        except Exception as error:
            if not type(error).__name__.endswith("SourceError"):
                raise
            self._broken_by = None
            return False

    patch.setattr(Uploader, "add_from", add)


@mutant("the receipt tells the ETag of the first part")
def _(patch: pytest.MonkeyPatch) -> None:
    original = Uploader.finish

    async def finish(self: Uploader) -> None:
        await original(self)
        if self.receipt is not None and self.receipt.parts:
            first: UploadedPart = self.receipt.parts[0]
            self.receipt = dataclasses.replace(self.receipt, etag=first.etag)

    patch.setattr(Uploader, "finish", finish)


@mutant("a part that was not stored keeps its pass")
def _(patch: pytest.MonkeyPatch) -> None:
    original = ConcurrencyLimiter.leave

    def leave(self: ConcurrencyLimiter, held: Permit, stored: int | None, *more: Any) -> None:
        if stored is not None:
            original(self, held, stored, *more)

    patch.setattr(ConcurrencyLimiter, "leave", leave)
