"""Sender of the parts of one upload: several at once, and a record of those that the store acknowledged."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Protocol

from aios3._client.attempts import FailedAttempts
from aios3._client.concurrency_limiter import Permit
from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.operations import UploadPart
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.memory.held_part import HeldPart
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.integrity import part_checksum
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.progress import ProgressReporter
from aios3.checkpoints import UploadCheckpoint
from aios3.errors import StorageError

__all__ = ["PartSender"]


class OpenedUpload(Protocol):
    """Upload that is open, or will be."""

    async def id_for_part(self) -> str:
        """Wait for the id, and note that the upload may have parts from now on.

        Raises:
            StorageError: the upload could not be created, or has failed meanwhile.
        """


class PartSender:
    """Keeps at most ``job.concurrency`` parts of one upload in flight.

    The done-callback of a part's task releases its slot and closes the part, because a task that is cancelled before
    its first step never runs its own ``finally``.
    """

    def __init__(
        self,
        engine: Engine,
        job: UploadJob,
        tasks: UploadTasks,
        progress: ProgressReporter,
        log: FailedAttempts,
        upload: OpenedUpload,
    ) -> None:
        """Prepare.

        Args:
            engine: its client sends the parts.
            job: the upload.
            tasks: group in which the parts' tasks run.
            progress: counts and reports every stored part.
            log: failed attempts of the upload.
            upload: gives the id of the multipart upload.
        """
        self._client = engine.client
        self._job = job
        self._tasks = tasks
        self._progress = progress
        self._log = log
        self._upload = upload
        self._slots = asyncio.Semaphore(job.concurrency)
        self._concurrency = engine.concurrency if job.is_adaptive else None
        self.tracker = PartTracker()

    async def send(self, part: HeldPart) -> None:
        """Wait for a slot, then send `part` in a separate task, whose failure ends the upload.

        Raises:
            StorageError: the upload has failed already. If this raises, the caller closes the part.
        """
        with self._log.upload.timeline.during("slot"):
            permit = await self._acquire()
        request = self._log.begin()
        try:
            task = self._tasks.run(self._send(part, request), f"aios3: part {part.number} of {self._job.key!r}")
        except BaseException:
            self._release(permit)
            raise
        task.add_done_callback(lambda ended: self._ended(part, permit, ended, request))

    async def _acquire(self) -> Permit | None:
        await self._slots.acquire()
        try:
            return None if self._concurrency is None else await self._concurrency.enter()
        except BaseException:
            self._slots.release()
            raise

    def _release(self, permit: Permit | None, stored: int | None = None, failures: Sequence[StorageError] = ()) -> None:
        self._slots.release()
        if self._concurrency is not None and permit is not None:
            self._concurrency.leave(permit, stored, failures)

    def _ended(self, part: HeldPart, permit: Permit | None, task: asyncio.Task[None], request: FailedAttempts) -> None:
        is_stored = not task.cancelled() and task.exception() is None
        self._release(permit, part.size if is_stored else None, request.failures)
        part.close()

    async def drain(self) -> None:
        """Wait until every part is acknowledged; nothing can be sent afterwards."""
        for _ in range(self._job.concurrency):
            await self._slots.acquire()

    def checkpoint(self, upload_id: str) -> UploadCheckpoint:
        """Return the checkpoint of the upload, without a short last part, because no part could follow that."""
        job = self._job
        size = job.plan.first_size
        parts = tuple(itertools.takewhile(lambda part: part.size >= size, self.tracker.durable_parts()))
        algorithm = None if job.checksum is None else job.checksum.algorithm
        return UploadCheckpoint(job.bucket, job.key, upload_id, size, parts, algorithm, job.size)

    async def _send(self, part: HeldPart, request: FailedAttempts) -> None:
        job, began_at = self._job, self._client.clock.monotonic()
        if part.is_on_disk:
            await self._upload.id_for_part()  # first, because other parts could use the memory during the wait
            await part.open()
        checksum = await part_checksum(job.checksum, part.body)
        headers = {**job.headers.part, **await job.content_md5(part.body)}
        upload_id = await self._upload.id_for_part()
        operation = UploadPart(job.bucket, job.key, upload_id, part.number, part.body, headers, checksum)
        response = await self._client.run(operation, log=request)
        sent = None if checksum is None else checksum[1]
        stored = self.tracker.record(part.number, size=part.size, etag=response.etag, checksum=sent)
        self._log.upload.part_stored(stored, self._client.clock.monotonic() - began_at)
        self._progress.note_stored(self.tracker)
        await self._progress.report()
