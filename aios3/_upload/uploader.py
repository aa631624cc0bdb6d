"""One upload, from its first byte to its receipt.

The source is pulled in the caller's task, never under a timeout of ours. Its
chunks are copied into segments that the memory budget has granted *before*
anything was asked of the source; a full part takes one of `concurrency` slots
and becomes a task (`PartSender`). While all slots are taken the source is not
asked, which is the whole backpressure: at most ``concurrency + 1`` parts are held.

The first part is kept until a byte beyond it comes: a source that ends in it
becomes one PutObject. Otherwise the multipart upload is created while the
source is read on, and committed only after the source has ended cleanly and
all slots have come back: every part is acknowledged. With a checkpoint it is
multipart from its first byte, and the checkpoint's parts count as stored.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Final

from aios3._client.request_log import RequestLog
from aios3._concurrency.fair_lock import FairLock
from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.parts.part_buffer import Part
from aios3._upload.memory.part_assembler import PartAssembler
from aios3._upload.memory.spill import SpilledPart
from aios3._upload.multipart.create import Creation
from aios3._upload.multipart.guard import CancellationGuard
from aios3._upload.multipart.part_sender import PartSender
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.closing_deadline import ClosingDeadline
from aios3._upload.source.kinds import as_view
from aios3._upload.source.length import SourceLength
from aios3._upload.source.readers import END, SourceReader
from aios3.checkpoints import UploadCheckpoint, UploadSuspendedError
from aios3.errors import ConfigurationError, StorageError
from aios3.models import UploadReceipt
from aios3.options import KIB

from .commit import Commit

__all__ = ["Uploader"]

_LOOKAHEAD: Final = 64 * KIB
"""Bytes asked of a reader to learn whether anything follows a full first part."""

_CHUNKS_PER_TURN: Final = 64
_BYTES_PER_TURN: Final = 512 * KIB
"""What is pulled before other tasks get their turn, for sources that never wait for anything. With more bytes the
reading outruns the sending, and nearby stores are sent to from 47 MiB of waiting parts instead of 15."""


class Uploader:
    """Cuts, sends and commits; to be fed inside `run_upload`."""

    def __init__(self, engine: Engine, job: UploadJob) -> None:
        """Prepare; nothing is sent or taken before the first byte."""
        self._engine = engine
        self._job = job
        parts_done, offset = (0, 0) if job.resume is None else (len(job.resume.parts), job.resume.offset)
        first = parts_done + 1
        self._assembler = PartAssembler(job.plan, engine.memory, engine.pool, first_number=first, spill=engine.spill)
        self._progress = ProgressReporter(job.on_progress, job.size)
        self._log = RequestLog(engine.client.clock.monotonic())
        self._bounds = SourceLength(size=job.size, max_size=job.max_size, read=offset)
        self._turn = FairLock()
        self.is_asking = False
        """The source has been asked for more, and has not answered."""
        self._chunks_left, self._turn_at = _CHUNKS_PER_TURN, offset + _BYTES_PER_TURN
        """How many writes, and until which byte, before other tasks get their turn."""
        self._is_open, self._is_committing = True, False
        self._broken_by: BaseException | None = None
        self.guard = CancellationGuard(
            engine.client,
            job.bucket,
            job.key,
            headers=job.headers.every,
            deadline=engine.timeouts.cleanup,
            log=self._log,
            known_uploads=engine.known_uploads,
            record=engine.journal.begin(job),
        )
        self.tasks = UploadTasks()
        self.is_suspendable = job.is_suspendable
        self._commit = Commit(engine, job, self.guard, self._log)
        self._creation = Creation(self.guard, self.tasks, self._commit.creation, f"aios3: create {job.key!r}")
        self.ended = asyncio.Event()
        self.receipt: UploadReceipt | None = None
        self.stopped_by: StorageError | None = None
        """Why it was stopped, if it was."""
        if job.resume is not None:
            self._go_on_from(job.resume)

    def _go_on_from(self, checkpoint: UploadCheckpoint) -> None:
        self.guard.adopt(checkpoint.upload_id)
        self.guard.may_have_parts = True
        self._sender.tracker.restore(checkpoint.parts)
        self._progress.bytes_read = checkpoint.offset
        self._progress.note_stored(self._sender.tracker)

    @property
    def bytes_durable(self) -> int:
        """Bytes from the beginning of the source that the store has acknowledged without a gap."""
        return self._progress.bytes_durable

    @property
    def bytes_read(self) -> int:
        """Bytes that the source has given."""
        return self._progress.bytes_read

    @property
    def is_idle(self) -> bool:
        """It would take bytes at once, and its caller gives none."""
        return self._is_open and not self._turn.locked()

    @property
    def holds_any(self) -> bool:
        """Its unfinished part has memory, or room on the disk, that others may need."""
        return self._assembler.holds_any

    def closing_deadline(self, source: object) -> ClosingDeadline:
        """Return what sees to it that a source of this upload ends."""
        return ClosingDeadline(source, f"{self._job.bucket}/{self._job.key}", self._engine.timeouts.cleanup)

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` feeds the upload or sends a part of it."""
        return self.tasks.includes(task)

    def stop(self, reason: StorageError) -> None:
        """Make the upload fail with `reason`, unless its commit is on its way or it is ending already."""
        if self._is_committing:
            return
        self.stopped_by = reason
        if isinstance(reason, UploadSuspendedError):
            self.guard.suspended_by = reason
        self.tasks.stop(reason)

    def has_met(self, error: StorageError) -> bool:
        """Return whether `error` is what a request of this upload came to, not one of the caller's own."""
        return self._log.includes(error)

    def checkpoint(self) -> UploadCheckpoint:
        """Return what an upload that was left open can go on from."""
        assert self.guard.upload_id is not None
        return self._sender.checkpoint(self.guard.upload_id)

    def give_up_commit(self) -> None:
        """Cut the commit off, if it is on its way."""
        if self._is_committing:
            self.tasks.stop(self._commit.given_up())

    async def abandon(self) -> None:
        """Abort the multipart upload although the block has not been left; not a second time."""
        if self._is_committing or self.guard.is_cleaning_up:
            await self.ended.wait()
        else:
            await self.guard.abort()

    # feeding

    async def add_from(self, reader: SourceReader) -> bool:
        """Pull some chunks of `reader` and take them; return whether there may be more.

        They are one at least, at most 64 or 512 KiB, and no more once somebody else wants to write.

        Raises:
            Exception: what the source raises, and what `add` raises.
        """
        async with self._turn:
            self._require_open()
            try:
                return await self._pull_from(reader)
            except BaseException as error:
                self._broken_by = error
                raise
            finally:
                self.is_asking = False

    async def _pull_from(self, reader: SourceReader) -> bool:
        assembler, bounds, pull = self._assembler, self._bounds, reader.pull
        until = bounds.read + _BYTES_PER_TURN
        for _ in range(_CHUNKS_PER_TURN):
            count = min(assembler.room or await self._make_room(), bounds.max_read)
            self.is_asking = True
            chunk = await pull(count)
            self.is_asking = False
            if chunk is END:
                return False
            data = as_view(chunk)
            if not self._take_at_once(data):
                await self._take(data)
            del data  # while a view of it is held, a producer could not resize its buffer for the next chunk
            if bounds.read >= until or self._turn.has_waiters:
                break
        return True

    def add_at_once(self, data: memoryview) -> bool:
        """Take `data` as `add` does, if nothing has to be waited for and no other task to be let go first.

        Return whether it was taken. What a small write costs is what is done here.
        """
        self._chunks_left -= 1
        is_allowed = self._is_open and self._broken_by is None and self._turn.is_free and self._creation.is_settled
        is_in_bounds = len(data) < self._bounds.max_read
        return is_allowed and is_in_bounds and not self._is_turn_due and self._take_at_once(data)

    @property
    def _is_turn_due(self) -> bool:
        return self._chunks_left <= 0 or self._progress.bytes_read >= self._turn_at

    async def _give_turn(self) -> None:
        """Let other tasks go on, for a caller who writes and never waits for anything."""
        self._chunks_left, self._turn_at = _CHUNKS_PER_TURN, self._progress.bytes_read + _BYTES_PER_TURN
        await asyncio.sleep(0)

    async def add(self, data: memoryview) -> None:
        """Take `data`; returns when it is copied, and when the upload it needs is open.

        Raises:
            ObjectTooLargeError, SizeMismatchError, PartLimitError: the source is longer than it may be.
            ConfigurationError: the block has been left.
        """
        async with self._turn:
            self._require_open()
            try:
                if self._is_turn_due:
                    await self._give_turn()
                await self._take(data)
                await self._creation.wait()  # who writes learns of a refusal here, and finds the upload open
            except BaseException as error:
                self._broken_by = error
                raise

    def _require_open(self) -> None:
        """Refuse to go on after bytes were lost, whatever the caller made of the error, or after the end."""
        if isinstance(self._broken_by, Exception):
            raise self._broken_by
        if self._broken_by is not None:
            raise StorageError(f"the upload cannot go on: {self._broken_by!r}") from self._broken_by
        if not self._is_open:
            raise ConfigurationError("the upload has ended; write inside its block")

    def close(self) -> None:
        """Take no more bytes; who waits for room is told."""
        self._is_open = False
        self._assembler.close()

    async def settle(self) -> None:
        """Wait, after `close`, until nothing of it is on the disk any more; a cancellation is raised after that."""
        await self._assembler.settle()

    async def _make_room(self) -> int:
        """Wait until more bytes may be asked of the source; return how many a reader should be asked for."""
        if self._assembler.is_full or self._assembler.is_at_limit:
            return min(_LOOKAHEAD, self._job.plan.first_size)
        await self._assembler.grow()
        return self._assembler.room or self._assembler.room_on_disk

    def _take_at_once(self, data: memoryview) -> bool:
        """Take `data` if that needs no waiting and completes nothing; return whether it did."""
        if not (self._progress.bytes_read and 0 < len(data) < self._assembler.room):
            return False
        self._progress.bytes_read = self._bounds.count(len(data))
        self._assembler.fill(data)
        return True

    async def _take(self, data: memoryview) -> None:
        self._count(len(data))
        if data and self._is_surely_multipart:
            self._creation.begin()
        while data:
            if not self._assembler.room:
                if self._assembler.is_full:
                    await self._send_part()
                await self._assembler.grow()
            data = data[self._assembler.fill(data) or await self._assembler.spill(data) :]
        if self._assembler.is_full and self._creation.has_begun:
            await self._send_part()

    def _count(self, count: int) -> None:
        self._progress.bytes_read = self._bounds.count(count)

    @property
    def _is_surely_multipart(self) -> bool:
        return (self._job.size or 0) > self._job.plan.first_size

    # parts

    @cached_property
    def _sender(self) -> PartSender:
        """Made for the first part. It refers back, so without it an upload is gone as soon as it has ended."""
        upload_id, ended = self._creation.upload_id, self._part_ended
        return PartSender(
            self._engine, self._job, self.tasks, self._progress, self._log, upload_id=upload_id, ended=ended
        )

    async def _send_part(self) -> None:
        part = self._assembler.take()
        try:
            self._creation.begin()
            await self._progress.report()
            await self._sender.send(part)
        except BaseException:
            self._assembler.give_back(part)
            raise
        await asyncio.sleep(0)  # a source that is never waited for must not keep the loop from sending

    def _part_ended(self, part: Part | SpilledPart, failure: BaseException | None) -> None:
        self._broken_by = self._broken_by or failure  # for a block that other tasks feed or leave
        self._assembler.give_back(part)

    async def finish(self) -> None:
        """Send what is left, wait until every part is acknowledged, and commit.

        Raises:
            SizeMismatchError: the source was shorter than declared.
            StorageError: the commit failed.
        """
        size = await self._end_reading()
        if not self._creation.has_begun:
            self.receipt = await self._finish_single()
            return
        if not self._assembler.is_empty or not self._assembler.parts_taken:
            await self._send_part()
        else:
            await self._progress.report()  # after a checkpoint that lacked nothing there was no report yet
        await self._sender.drain()
        self._begin_commit()
        tracker = self._sender.tracker
        committed = await self._commit.complete(
            await self._creation.upload_id(), tracker, self._assembler.parts_taken, size
        )
        self.receipt = self._commit.receipt(committed, size, tracker.uploaded_parts())

    def _begin_commit(self) -> None:
        self.tasks.require_no_failure()
        self._is_committing = True

    async def _end_reading(self) -> int:
        """Take no more bytes, and return how many there were."""
        async with self._turn:  # a write of another task that has begun is let end
            self._require_open()
            self._is_open = False
        return self._bounds.end()

    async def _finish_single(self) -> UploadReceipt:
        part = self._assembler.take()
        try:
            await self._progress.report()
            if isinstance(part, SpilledPart):
                await part.load()
            self._begin_commit()
            committed = await self._commit.put(part.body)
        finally:
            self._assembler.give_back(part)
        await self._progress.report_committed()
        return self._commit.receipt(committed, part.size, ())
