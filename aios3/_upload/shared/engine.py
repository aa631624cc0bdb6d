"""State that all uploads of one driver share, and the end of the uploads when the driver is closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from aios3._client.client import OperationClient
from aios3._client.concurrency_limiter import ConcurrencyLimiter
from aios3._protocol.parts.part_plan import reading_reserve
from aios3._upload.memory.budget import MemoryBudget
from aios3._upload.memory.segment_pool import SegmentPool
from aios3._upload.memory.spill import Spill, most_files
from aios3._upload.source.silence_watch import SilenceWatch
from aios3.errors import DriverClosedError, StorageError, UploadSuspendedError
from aios3.options import MIB, Timeouts, TransferConfig
from aios3.providers import Provider

from .journal_interface import NoJournal, UploadJournal

__all__ = ["Engine", "RunningUpload"]

_COMMIT_PATIENCE: Final = 5.0
"""Seconds that a commit may take when the driver is closed: most take less, and what ends a process waits 10 to 30."""

_IDLE_MEMORY: Final = 64 * MIB
"""Bytes of segments kept for the next part while uploads run, for some seconds after they were last needed; none are
kept when no upload runs."""


class RunningUpload(Protocol):
    """What the engine asks of an upload."""

    ended: asyncio.Event
    is_suspendable: bool
    """It may be left open, to go on later."""

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` is one of those that must end before the upload can."""
        ...  # pragma: no cover - a protocol has no body

    def stop(self, reason: StorageError) -> None:
        """Make it fail with `reason`, unless it is ending already."""
        ...  # pragma: no cover - a protocol has no body

    def give_up_commit(self) -> None:
        """Cut its commit off, if that is on its way."""
        ...  # pragma: no cover - a protocol has no body

    async def abandon(self) -> None:
        """See to its end although its caller has not come back."""
        ...  # pragma: no cover - a protocol has no body


@dataclass(eq=False)
class Engine:
    """The client, the memory, and the uploads that are running."""

    client: OperationClient
    provider: Provider
    transfer: TransferConfig
    timeouts: Timeouts
    journal: UploadJournal = field(default_factory=NoJournal)
    memory: MemoryBudget = field(init=False)
    pool: SegmentPool = field(init=False)
    spill: Spill | None = field(init=False)
    """``None``: nothing goes to the disk."""
    watch: SilenceWatch = field(init=False)
    """Over the sources of the uploads that run."""
    gate: ConcurrencyLimiter = field(init=False)
    """For parts of uploads whose concurrency is found by trying."""
    known_uploads: set[str] = field(default_factory=set)
    """Ids of multipart uploads that are open."""
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

    def upload_ended(self, upload: RunningUpload) -> None:
        """Note that `upload` has ended and given everything back."""
        self.running.discard(upload)
        if not self.running:
            self.pool.clear()

    async def let_uploads_end(self, closer: asyncio.Task[object] | None, *, seconds: float) -> None:
        """Wait until all running uploads have ended, so long at most; not for those of `closer`, who waits for this."""
        if seconds > 0:
            await _wait_for([upload for upload in self.running if not upload.is_run_by(closer)], seconds)

    async def stop_uploads(self, closer: asyncio.Task[object] | None) -> None:
        """Stop every upload that runs, and return when all of them have ended.

        Their callers get a `DriverClosedError`, and they are aborted; or, where there is a journal and the upload is
        suspendable, an `UploadSuspendedError`, and they are left open. An upload that does not end within the cleanup
        timeout, because its caller is busy elsewhere, or is `closer`, the task that waits for this, is aborted from
        here. One whose commit is on its way gets some seconds to end; then its caller gets a `CompletionUnknownError`.
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
        # The upload's own guard will try again, and tell its caller. The others must be abandoned all the same.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self.timeouts.cleanup):
                await upload.abandon()

    def _end_of_the_driver(self, upload: RunningUpload) -> DriverClosedError:
        reason = "the driver was closed while this upload was running"
        is_kept = self.journal.keeps and upload.is_suspendable
        return UploadSuspendedError(reason) if is_kept else DriverClosedError(reason)


async def _wait_for(uploads: Sequence[RunningUpload], seconds: float) -> None:
    """Wait until all have ended, so long at most; no task is left."""
    waits = [asyncio.create_task(upload.ended.wait(), name="aios3: wait for an upload to end") for upload in uploads]
    try:
        if waits:
            await asyncio.wait(waits, timeout=seconds)
    finally:
        for task in waits:
            task.cancel()
