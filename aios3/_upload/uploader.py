"""One upload, from its first byte to its receipt.

The caller's task pulls the source, never under a timeout of ours. Its chunks are copied into segments that the memory
budget has granted *before* the source was asked. A full part goes to the sink, which sends it in a task. While the sink
takes no part, the source is not asked. That is the backpressure: at most ``concurrency + 1`` parts are held.

The first part is kept until a byte follows it. A source that ends within it becomes one PutObject. Otherwise the sink
begins, and commits only after the source has ended cleanly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aios3._concurrency.fair_lock import FairLock
from aios3._concurrency.task_group import UploadTasks
from aios3._upload.memory.held_part import HeldPart
from aios3._upload.memory.part_assembler import PartAssembler
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

from .multipart_sink import MultipartSink
from .part_sink import PartSink
from .parts_sink import PartsSink
from .put_sink import PutSink
from .upload_requests import UploadRequests

__all__ = ["Uploader"]

T = TypeVar("T")

_LOOKAHEAD: Final = 64 * KIB
"""Bytes asked of a reader to learn whether anything follows a full first part."""

_CHUNKS_PER_TURN: Final = 64
_BYTES_PER_TURN: Final = 512 * KIB
"""Chunks and bytes pulled before other tasks run, for sources that never wait. With more bytes, reading is faster than
sending: an upload to a nearby store then holds 47 MiB of waiting parts instead of 15."""


class Uploader:
    """Reads a source into parts and passes them to a sink; to be fed inside `run_upload`."""

    is_seekable = False
    """Bytes at the beginning may be overwritten."""

    def __init__(self, engine: Engine, job: UploadJob) -> None:
        """Prepare; nothing is sent or taken before the first byte."""
        self._engine = engine
        self._job = job
        first_number, offset = job.head_parts + 1, 0
        if job.resume is not None:
            first_number, offset = len(job.resume.parts) + 1, job.resume.bytes_in_parts
        elif job.range is not None:
            first_number = job.range.first_part
        self._log = engine.begin_log(job)
        self.trace = self._log.upload
        self._assembler = PartAssembler(
            job.plan,
            engine.memory,
            engine.pool,
            first_number=first_number,
            spill=None if job.keeps_tail else engine.spill,
            timeline=self.trace.timeline,
        )
        self._bounds = SourceLength(
            size=job.size,
            max_size=job.max_size,
            put_limit=job.plan.put_limit,
            read=offset,
            may_end_early=job.range is not None and not job.range.is_last,
        )
        self._progress = ProgressReporter(job.on_progress, self._bounds)
        self._turn = FairLock()
        self.is_asking = False
        """The upload waits for the source to give more."""
        self._chunks_left, self._turn_at = _CHUNKS_PER_TURN, offset + _BYTES_PER_TURN
        """Writes left, and offset in bytes, until other tasks run."""
        self._is_open = True
        self._broken_by: BaseException | None = None
        self.tasks = UploadTasks()
        self._requests = UploadRequests(engine, job, self._log)
        self.sink: PartSink = _kind_of_sink(job)(self._requests, self.tasks, self._progress)
        self.is_suspendable = job.is_suspendable
        self.ended = asyncio.Event()
        self.receipt: UploadReceipt | None = None
        self.stopped_by: StorageError | None = None
        """Error that stopped the upload; ``None`` if it was not stopped."""

    @property
    def bytes_durable(self) -> int:
        """Bytes from the beginning of the source that the store has acknowledged without a gap."""
        return self._progress.bytes_durable

    def checkpoint(self) -> UploadCheckpoint | None:
        """Return the checkpoint of an upload that was left open; ``None`` if nothing is open."""
        return self.sink.checkpoint()

    @property
    def bytes_read(self) -> int:
        """Bytes that the source has given."""
        return self._bounds.read

    @property
    def name(self) -> str:
        """Place of the object, for messages."""
        return f"s3://{self._job.bucket}/{self._job.key}"

    @property
    def position(self) -> int:
        """Offset in bytes at which the next byte is written."""
        return self.bytes_read

    def move_to(self, position: int) -> None:
        """Let the next byte be written at `position`, which must be the end.

        Raises:
            ConfigurationError: it is not.
        """
        if position != self.bytes_read:
            raise ConfigurationError(
                f"cannot seek to byte {position}: this upload is written in order; open it with seekable_head="
            )

    async def seek(self, position: int) -> None:
        """Wait for a running write, then let the next byte be written at `position`.

        Raises:
            ConfigurationError: nothing can be written there, or the block has been left.
        """
        async with self._turn:
            self._require_open()
            self.move_to(position)

    @property
    def is_idle(self) -> bool:
        """The upload would take bytes at once, and its caller gives none."""
        return self._is_open and not self._turn.locked()

    @property
    def holds_any(self) -> bool:
        """The unfinished part has memory, or room on disk, that other uploads may need."""
        return self._assembler.holds_any

    def closing_deadline(self, source: object) -> ClosingDeadline:
        """Return the deadline under which a source of this upload is closed."""
        return ClosingDeadline(source, f"{self._job.bucket}/{self._job.key}", self._engine.timeouts.cleanup)

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` feeds the upload or sends a part of it."""
        return self.tasks.includes(task)

    def stop(self, reason: StorageError) -> None:
        """Make the upload fail with `reason`. Has no effect if it is being committed or is ending."""
        if self.tasks.is_committing:
            return
        self.stopped_by = reason
        if isinstance(reason, UploadSuspendedError):
            self.sink.suspend(reason)
        self.tasks.stop(reason)

    def has_met(self, error: StorageError) -> bool:
        """Return whether a request of this upload failed with `error`, this very object."""
        return self._log.includes(error)

    def give_up_commit(self) -> None:
        """Cut the commit off, if it is in flight."""
        if self.tasks.is_committing:
            self.tasks.cut_off(self._requests.given_up(self.sink.upload_id))

    async def abandon(self) -> None:
        """End the upload at the store although its block has not been left, or wait for its end if it is ending."""
        if not await self.sink.abort():
            await self.ended.wait()

    # feeding

    async def add_from(self, reader: SourceReader) -> bool:
        """Pull some chunks of `reader` and take them; return whether there may be more.

        It takes at least one chunk, and stops after 64 chunks, after 512 KiB, or when another task waits to write.

        Raises:
            Exception: what the source raises, and what `add` raises.
        """
        return await self._in_turn(lambda: self._pull_from(reader))

    async def _in_turn(self, feed: Callable[[], Awaitable[T]]) -> T:
        """Await `feed` while no other task feeds the upload. What interrupts it loses bytes, so it ends the upload."""
        async with self._turn:
            self._require_open()
            try:
                return await feed()
            except ConfigurationError as error:  # perhaps because the upload was closed, after a request had failed
                failure = error if self._is_open else self.tasks.failure
                broken_by = self._broken_by = failure if isinstance(failure, Exception) else error
            except BaseException as error:
                self._broken_by = error
                raise
            finally:
                self.is_asking = False
            raise broken_by

    async def _pull_from(self, reader: SourceReader) -> bool:
        assembler, bounds, turn, pull = self._assembler, self._bounds, self._turn, reader.pull
        buffer = assembler.buffer
        until = bounds.read + _BYTES_PER_TURN
        for _ in range(_CHUNKS_PER_TURN):
            room = buffer.room or assembler.grow_at_once() or await self._make_room()
            self.is_asking = True
            chunk = await pull(min(room, bounds.most - bounds.read + 1))
            self.is_asking = False
            if chunk is END:
                return False
            data = chunk if type(chunk) is bytes else as_view(chunk)
            if not self._take_at_once(data):
                await self._take(memoryview(data))
            del chunk, data  # while a view is held, a producer cannot resize its buffer for the next chunk
            if bounds.read >= until or turn.waiting:
                break
        return True

    def add_at_once(self, data: memoryview) -> bool:
        """Take `data` as `add` does, if that needs no wait and no other task has to run first.

        Return whether it was taken. This is the whole cost of a small write.
        """
        self._chunks_left -= 1
        is_whole = self._is_open and self._broken_by is None and self.tasks.failure is None
        is_free = self._turn.is_free and self.sink.is_settled and not self._is_turn_due
        return is_whole and is_free and self._take_at_once(data)

    @property
    def _is_turn_due(self) -> bool:
        return self._chunks_left <= 0 or self._bounds.read >= self._turn_at

    async def let_others_run(self) -> None:
        """Let every other task run once. For the time line this is no wait for the source."""
        timeline = self.trace.timeline
        timeline.add_others(1)
        try:
            await asyncio.sleep(0)
        finally:
            timeline.add_others(-1)

    async def add(self, data: memoryview) -> None:
        """Take `data`; return when it is copied, and when the multipart upload, if one was begun, is open.

        Raises:
            ObjectTooLargeError, SizeMismatchError, PartLimitError: the source is longer than it may be.
            ConfigurationError: the block has been left.
        """
        await self._in_turn(lambda: self._write(data))

    async def _write(self, data: memoryview) -> None:
        if self._is_turn_due:  # a caller who writes never waits
            self._chunks_left, self._turn_at = _CHUNKS_PER_TURN, self._bounds.read + _BYTES_PER_TURN
            await self.let_others_run()
        await self._take(data)
        with self.trace.timeline.during(None):
            await self.sink.wait_until_open()  # raises here if the store refused to create the upload

    def _require_open(self) -> None:
        """Raise after the end, and after bytes were lost, even if the caller has caught that error."""
        broken_by = self._broken_by
        if isinstance(broken_by, Exception):
            raise broken_by
        if broken_by is not None:  # an exception may be falsy
            raise StorageError(
                f"the upload cannot continue: {broken_by!r} interrupted a write, so its bytes are lost"
            ) from broken_by
        if self.tasks.failure is not None:
            raise self.tasks.refusal()
        if not self._is_open:
            raise ConfigurationError("the upload has ended; write inside its block")

    def close(self) -> None:
        """Refuse further bytes; a task that waits for room gets an error."""
        self._is_open = False
        self.trace.timeline.read_source(is_reading=False)
        self._assembler.close()

    async def settle(self) -> None:
        """Wait, after `close`, until nothing of the upload is on disk; a cancellation is raised after that."""
        await self._assembler.settle()

    async def _make_room(self) -> int:
        """Wait until the source may be asked for bytes; return how many bytes to ask for."""
        assembler = self._assembler
        if assembler.is_full or assembler.is_at_limit:
            return min(_LOOKAHEAD, self._job.plan.first_size)
        await assembler.grow()
        return assembler.buffer.room or assembler.room_on_disk

    def _take_at_once(self, data: bytes | memoryview) -> bool:
        """Take `data` if that needs no wait and completes no part; return whether it was taken.

        Nearly every chunk passes here, so this method and `PartBuffer.append` are its whole cost.
        """
        bounds = self._bounds
        read = bounds.read + len(data)
        if not bounds.read or read > bounds.most or self.sink.is_starved or not self._assembler.buffer.append(data):
            return False
        bounds.read = read
        return True

    async def _take(self, data: memoryview) -> None:
        self._bounds.count(len(data))
        if data:
            self.sink.expect(self._job.size)
        buffer = self._assembler.buffer
        while data:
            if not buffer.room:
                if self._assembler.is_full:
                    await self._send_part()
                if not self._assembler.grow_at_once():
                    await self._assembler.grow()
            data = data[buffer.fill(data) or await self._assembler.spill(data) :]
        await self._send_early()

    async def _send_early(self) -> None:
        """Send the unfinished part if it should not wait for the next byte."""
        is_last = self._bounds.read == self._job.size
        if not self._assembler.is_empty and self.sink.wants(is_full=self._assembler.is_full, is_last=is_last):
            await self._send_part()

    # parts

    async def begin_parts(self) -> None:
        """Let even a short source become parts, which need no memory while ``before_commit`` waits.

        Has no effect if only one PutObject will do: for a streamed one, a seekable head, a condition on parts.

        Raises:
            StorageError: the store refused, or the upload has failed meanwhile.
        """
        is_obeyed = not self._job.headers.has_conditions or self._engine.provider.conditional_complete is not False
        if self.bytes_read and is_obeyed and not self.is_seekable and isinstance(self.sink, MultipartSink):
            await self.sink.open()

    async def _send_part(self) -> None:
        await self.sink.send(self._assembler.take())
        await self.let_others_run()  # a source that never waits must not keep the loop from sending

    async def finish(self) -> None:
        """Send the rest, wait until every part is acknowledged, and commit.

        Raises:
            SizeMismatchError: the source was shorter than declared.
            StorageError: the commit failed.
            Exception: what ``before_commit`` raises.
        """
        size = await self._end_reading()
        if not self.sink.has_begun:
            self.receipt = await self._finish_single(self._assembler.take())
            return
        if self._job.plan.is_streamed:
            await self._requests.approve(size)  # before the last bytes, because a store may commit when it has them
        if not self._assembler.is_empty or not self._assembler.parts_taken:
            await self._send_part()
        elif not self._job.plan.is_streamed:
            await self._progress.report()  # a complete checkpoint has had no report yet
        self.receipt = await self.sink.complete(self._assembler.parts_taken, size)

    async def _end_reading(self) -> int:
        """Refuse further bytes, and return how many the source has given."""
        async with self._turn:  # waits for a write that another task has begun
            self._require_open()
            self._is_open = False
        self.trace.timeline.read_source(is_reading=False)
        return self._bounds.end()

    async def _finish_single(self, part: HeldPart) -> UploadReceipt:
        try:
            await self._progress.report()
            await part.open()
            await self._requests.approve(part.size)
            self.tasks.begin_commit()
            committed = await self._requests.put(part.body)
        finally:
            part.close()
        await self._progress.report_committed()
        return self._requests.receipt(committed, part.size)


def _kind_of_sink(job: UploadJob) -> type[PutSink | MultipartSink | PartsSink]:
    if job.range is not None:
        return PartsSink
    return PutSink if job.plan.is_streamed else MultipartSink
