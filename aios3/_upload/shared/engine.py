"""State that all uploads of one driver share, and the end of the uploads when the driver is closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from aios3._client.attempts import FailedAttempts
from aios3._client.client import OperationClient
from aios3._client.concurrency_limiter import ConcurrencyLimiter
from aios3._client.observing.timeline import Timeline
from aios3._client.observing.upload_trace import ObservedUploadTrace, UploadTrace
from aios3._protocol.parts.part_plan import reading_reserve
from aios3._upload.memory.budget import MemoryBudget
from aios3._upload.memory.segment_pool import SegmentPool
from aios3._upload.memory.spill import Spill, most_files
from aios3._upload.source.silence_watch import SilenceWatch
from aios3.errors import DriverClosedError, StorageError, UploadSuspendedError
from aios3.observing import ObservedUpload
from aios3.options import MIB, Timeouts, TransferConfig
from aios3.providers import Provider

from .job import UploadJob
from .journal_interface import NoJournal, UploadJournal

__all__ = ["Engine", "RunningUpload", "UploadUse"]

_COMMIT_PATIENCE: Final = 5.0
"""Seconds that a commit may take when the driver is closed. Most take less, and service managers kill a process after
10 to 30."""

_IDLE_MEMORY: Final = 64 * MIB
"""Bytes of idle segments that are kept while uploads run, for some seconds after they were last needed. When no upload
runs, none are kept."""


class RunningUpload(Protocol):
    """Interface of a running upload to the engine."""

    ended: asyncio.Event
    is_suspendable: bool
    """The upload may be left open, to be resumed later."""

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` must end before the upload can end."""

    def stop(self, reason: StorageError) -> None:
        """Make the upload fail with `reason`, unless it is being committed or is ending."""

    def give_up_commit(self) -> None:
        """Cut its commit off, if that is in flight."""

    async def abandon(self) -> None:
        """End the upload at the store although its caller is still inside its block."""


@dataclass(slots=True)
class UploadUse:
    """Calls of this driver that work on one open upload at the same time."""

    number: int | None
    """Number of the upload in the journal; ``None`` if the journal does not list it."""
    calls: int = 0
    is_ended: bool = False
    """The upload was committed or aborted, so the journal need not list it any longer."""


@dataclass(eq=False)
class Engine:
    """Client, memory and running uploads of one driver."""

    client: OperationClient
    provider: Provider
    transfer: TransferConfig
    timeouts: Timeouts
    journal: UploadJournal = field(default_factory=NoJournal)
    memory: MemoryBudget = field(init=False)
    pool: SegmentPool = field(init=False)
    spill: Spill | None = field(init=False)
    """Target for parts that get no memory; ``None`` if nothing is written to disk."""
    watch: SilenceWatch = field(init=False)
    """Watch over the sources of the running uploads."""
    concurrency: ConcurrencyLimiter = field(init=False)
    """Limit of parts in flight, for uploads with adaptive concurrency."""
    known_uploads: set[str] = field(default_factory=set)
    """Ids of the open multipart uploads of this driver."""
    uses: dict[str, UploadUse] = field(default_factory=dict)
    """Calls that work on open uploads which no call owns, by upload id."""
    running: set[RunningUpload] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.memory = MemoryBudget(self.transfer.memory_limit, reading_reserve(self.transfer))
        self.concurrency = ConcurrencyLimiter(self.client.clock.monotonic)
        self.pool = SegmentPool(min(_IDLE_MEMORY, self.transfer.memory_limit))
        self.watch = SilenceWatch(self.timeouts.source, lambda: self.memory.stuck, self.pool.trim)
        self.spill = self._make_spill(self.transfer)

    def _make_spill(self, transfer: TransferConfig) -> Spill | None:
        if transfer.spill_directory is None or not self.memory.reserve:
            return None
        if transfer.spill_directory == "auto":
            return Spill(None, transfer.spill_limit, self.memory, self.pool, most_files())
        return Spill(os.fsdecode(transfer.spill_directory), transfer.spill_limit, self.memory, self.pool)

    def begin_log(self, job: UploadJob) -> FailedAttempts:
        """Return the log of a new upload, with its trace, which the upload enters when it begins."""
        clock, observer = self.client.clock, self.client.observer
        if observer is None:
            trace = UploadTrace(Timeline(clock.monotonic, job.began_at))
        else:
            observed = ObservedUpload(job.call, job.bucket, job.key, job.size)
            trace = ObservedUploadTrace(observer, observed, job.began_at)
        return FailedAttempts(clock.monotonic(), None, [], trace)

    @contextlib.contextmanager
    def using(self, upload_id: str) -> Generator[UploadUse]:
        """Keep the driver's own clean-up and recovery away from an open upload while the block works on it."""
        use = self.uses.get(upload_id)
        if use is None:
            use = self.uses[upload_id] = UploadUse(self.journal.resume(upload_id))
            self.known_uploads.add(upload_id)
        use.calls += 1
        try:
            yield use
        finally:
            use.calls -= 1
            if not use.calls:
                self._end_use(upload_id, use)

    def _end_use(self, upload_id: str, use: UploadUse) -> None:
        del self.uses[upload_id]
        self.known_uploads.discard(upload_id)
        if use.number is not None and use.is_ended:
            self.journal.end(use.number)
        elif use.number is not None:
            self.journal.leave(use.number, upload_id)

    def upload_ended(self, upload: RunningUpload) -> None:
        """Note that `upload` has ended and released all its memory."""
        self.running.discard(upload)
        if not self.running:
            self.pool.clear()

    async def let_uploads_end(self, closer: asyncio.Task[object] | None, *, seconds: float) -> None:
        """Wait for the end of running uploads, at most `seconds`, except those of the calling task `closer`."""
        if seconds > 0:
            await _wait_for([upload for upload in self.running if not upload.is_run_by(closer)], seconds)

    async def stop_uploads(self, closer: asyncio.Task[object] | None) -> None:
        """Stop every upload that runs, and return when all of them have ended.

        With a journal, a suspendable upload is left open, and its caller gets an `UploadSuspendedError`. Other uploads
        are aborted, and their callers get a `DriverClosedError`. An upload whose commit is in flight gets some seconds
        to end; then its caller gets a `CompletionUnknownError`. This method aborts an upload that does not end within
        the cleanup timeout, because its caller is busy elsewhere, or is `closer`, the task that calls this method.
        """
        uploads = list(self.running)
        others = [upload for upload in uploads if not upload.is_run_by(closer)]
        for upload in uploads:
            upload.stop(self._end_of_the_driver(upload))
        await _wait_for(others, min(_COMMIT_PATIENCE, self.timeouts.cleanup))
        for upload in uploads:
            upload.give_up_commit()
        await _wait_for(others, self.timeouts.cleanup)
        async with asyncio.TaskGroup() as group:
            for upload in uploads:
                if not upload.ended.is_set():
                    group.create_task(self._abandon(upload), name="aios3: abandon an upload")

    async def _abandon(self, upload: RunningUpload) -> None:
        # The upload's own guard tries again and reports to its caller. A failure must not stop the other aborts.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self.timeouts.cleanup):
                await upload.abandon()

    def _end_of_the_driver(self, upload: RunningUpload) -> DriverClosedError:
        reason = "the driver was closed while this upload was running"
        is_kept = self.journal.keeps and upload.is_suspendable
        return UploadSuspendedError(reason) if is_kept else DriverClosedError(reason)


async def _wait_for(uploads: Sequence[RunningUpload], seconds: float) -> None:
    """Wait until all uploads have ended, at most `seconds`; cancel the tasks that wait."""
    waits = [asyncio.create_task(upload.ended.wait(), name="aios3: wait for an upload to end") for upload in uploads]
    try:
        if waits:
            await asyncio.wait(waits, timeout=seconds)
    finally:
        for task in waits:
            task.cancel()
