"""Copy of a large object inside the store: a multipart upload whose parts the store itself reads from the source."""

from __future__ import annotations

import asyncio

from aios3._client.attempts import FailedAttempts
from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3._protocol.operations import CopySource, UploadPartCopy
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.multipart.guard import CancellationGuard
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.errors import IntegrityError, PreconditionFailedError, StorageError
from aios3.models import UploadReceipt

from .upload_requests import UploadRequests

__all__ = ["MultipartCopy"]


class MultipartCopy:
    """Copies one object in parts, some at once. A failure or a cancellation aborts, under the guard of every upload."""

    is_suspendable = False

    def __init__(self, engine: Engine, job: UploadJob, source: CopySource, size: int, log: FailedAttempts) -> None:
        """Prepare; nothing is sent.

        Args:
            engine: sends the requests, and stops the copy when the driver is closed.
            job: the new object, and the sizes of its parts.
            source: object to copy; each part is copied only if the object still has this ETag.
            size: bytes of the source, at least one.
            log: failed attempts of the copy.
        """
        self._engine = engine
        self._job = job
        self._source = source
        self._size = size
        self._log = log
        self._requests = UploadRequests(engine, job, log)
        self._guard = CancellationGuard(engine, job, log)
        self._tracker = PartTracker()
        self._slots = asyncio.Semaphore(job.concurrency)
        self._tasks = UploadTasks()
        self.ended = asyncio.Event()

    async def run(self) -> UploadReceipt:
        """Copy, and return the receipt of the new object.

        Raises:
            IntegrityError: the source was replaced meanwhile, and nothing was committed.
            StorageError: the store refused, or does not respond; see `Completion.run` for the commit.
        """
        self._engine.running.add(self)
        try:
            async with self._guard, PartTasks() as group:
                self._tasks.begin(group)
                upload_id = await self._guard.create(self._requests.creation())
                count = await self._copy_parts(upload_id)
                operation = await self._requests.prepare(upload_id, self._tracker, count, self._size)
                self._tasks.begin_commit()
                committed = await self._requests.complete(self._guard, operation, self._size)
        finally:
            self._engine.upload_ended(self)
            self.ended.set()
        return self._requests.receipt(committed, self._size, self._tracker.uploaded_parts(), upload_id)

    async def _copy_parts(self, upload_id: str) -> int:
        """Copy all parts, and return their number."""
        self._guard.may_have_parts = True
        number, start = 0, 0
        while start < self._size:
            number += 1
            end = min(start + self._job.plan.size_of(number), self._size)
            with self._log.upload.timeline.during("slot"):
                await self._slots.acquire()
            task = self._tasks.run(
                self._copy_part(upload_id, number, start, end), f"aios3: copy part {number} of {self._job.key!r}"
            )
            task.add_done_callback(lambda _: self._slots.release())
            start = end
        for _ in range(self._job.concurrency):
            await self._slots.acquire()
        return number

    async def _copy_part(self, upload_id: str, number: int, start: int, end: int) -> None:
        place = self._job.bucket, self._job.key, upload_id, number
        operation = UploadPartCopy(*place, self._source, start, end, self._job.headers.part)
        try:
            response = await self._engine.client.run(
                operation, log=self._log.begin(), read_timeout=self._engine.timeouts.complete
            )
        except PreconditionFailedError as error:
            raise IntegrityError(
                f"{self._source.bucket}/{self._source.key} was replaced while it was copied; nothing was committed"
            ) from error
        self._tracker.record(number, size=end - start, etag=response.etag)

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` runs the copy, or copies a part of it."""
        return self._tasks.includes(task)

    def stop(self, reason: StorageError) -> None:
        """Make the copy fail with `reason`. Has no effect if it is being committed or is ending."""
        self._tasks.stop(reason)

    def give_up_commit(self) -> None:
        """Cut the commit off, if it is in flight."""
        if self._tasks.is_committing:
            self._tasks.cut_off(self._requests.given_up(self._guard.upload_id))

    async def abandon(self) -> None:
        """Abort the upload at the store although its caller has not ended, or wait for its end if it is ending."""
        if self._tasks.is_committing or self._guard.is_cleaning_up:
            await self.ended.wait()
        else:
            await self._guard.abort()
