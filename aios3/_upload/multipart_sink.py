"""Multipart upload as a sink: one UploadPart for each part, then CompleteMultipartUpload."""

from __future__ import annotations

import asyncio
from functools import cached_property

from aios3._concurrency.task_group import UploadTasks
from aios3._upload.memory.held_part import HeldPart
from aios3._upload.multipart.guard import CancellationGuard
from aios3._upload.multipart.part_sender import PartSender
from aios3._upload.shared.progress import ProgressReporter
from aios3.checkpoints import UploadCheckpoint
from aios3.errors import UploadSuspendedError
from aios3.models import UploadReceipt

from .upload_requests import UploadRequests

__all__ = ["MultipartSink"]


class MultipartSink:
    """Creates the multipart upload in a task while the source is read, and sends several parts at once.

    With a checkpoint the upload is open from the beginning, and the checkpoint's parts count as stored.
    """

    is_starved = False

    def __init__(self, requests: UploadRequests, tasks: UploadTasks, progress: ProgressReporter) -> None:
        """Prepare; nothing is sent before `expect` or `send`."""
        engine, job = requests.engine, requests.job
        self._requests = requests
        self._tasks = tasks
        self._progress = progress
        self.guard = CancellationGuard(engine, job, requests.log)
        self._creating: asyncio.Task[str] | None = None
        """Task that creates the upload; ``None`` before it, and after `wait_until_open` has found the upload open."""
        if job.resume is not None:
            self.guard.adopt(job.resume.upload_id)
            self.guard.may_have_parts = True
            self._sender.tracker.restore(job.resume.parts)
            progress.note_stored(self._sender.tracker)

    @cached_property
    def _sender(self) -> PartSender:
        """Sender of the parts, made for the first part, because most uploads have no parts."""
        requests = self._requests
        return PartSender(requests.engine, requests.job, self._tasks, self._progress, requests.log, self)

    @property
    def upload_id(self) -> str | None:
        """Id of the multipart upload; ``None`` before the store has given it."""
        return self.guard.upload_id

    @property
    def has_begun(self) -> bool:
        """The multipart upload was begun, or was open before."""
        return self._creating is not None or self.upload_id is not None

    @property
    def is_settled(self) -> bool:
        """`wait_until_open` has nothing to wait for."""
        return self._creating is None

    def wants(self, *, is_full: bool, is_last: bool) -> bool:
        """Return whether a part should be sent at once: it is full, and certainly not the only part."""
        return is_full and self.has_begun

    def expect(self, size: int | None) -> None:
        """Begin the multipart upload if a source of `size` bytes does not fit the first part.

        Raises:
            StorageError: the upload has failed already.
        """
        if (size or 0) > self._requests.job.plan.first_size:
            self._begin()

    def _begin(self) -> None:
        """Begin to create the upload in a task, whose failure ends the upload, unless it `has_begun`."""
        if not self.has_begun:
            name = f"aios3: create {self._requests.job.key!r}"
            self._creating = self._tasks.run(self.guard.create(self._requests.creation()), name)

    async def wait_until_open(self) -> None:
        """Wait for the response to Create, if this sink has begun it.

        Raises:
            StorageError: the store refused, or the upload has failed meanwhile.
        """
        task = self._creating
        if task is None:
            return
        await asyncio.wait({task})
        if task.cancelled():  # a failure of the upload, not a cancellation of the task that waits here
            raise self._tasks.refusal()
        task.result()
        self._creating = None

    async def id_for_part(self) -> str:
        """Wait for the id, for the sender of a part, and note that the upload may have parts from now on.

        Raises:
            StorageError: as `wait_until_open`.
        """
        await self.wait_until_open()
        self.guard.may_have_parts = True
        assert self.upload_id is not None
        return self.upload_id

    async def send(self, part: HeldPart) -> None:
        """Send `part` as soon as a slot is free. The sink closes it, also if this raises.

        Raises:
            StorageError: the upload has failed.
        """
        try:
            self._begin()
            await self._progress.report()
            await self._sender.send(part)
        except BaseException:
            part.close()
            raise

    async def complete(self, count: int, size: int) -> UploadReceipt:
        """Wait until all `count` parts are acknowledged, then make the object, of `size` bytes.

        Raises:
            StorageError: a part or the commit failed; see `UploadRequests.complete`.
        """
        await self._sender.drain()
        tracker = self._sender.tracker
        assert self.upload_id is not None
        operation = await self._requests.prepare(self.upload_id, tracker, count, size)
        self._tasks.begin_commit()
        committed = await self._requests.complete(self.guard, operation, size)
        return self._requests.receipt(committed, size, tracker.uploaded_parts(), self.upload_id)

    async def create(self) -> str:
        """Create the multipart upload, leave it open when the block ends cleanly, and return its id.

        Raises:
            StorageError: the store refused, or the upload has failed meanwhile.
        """
        upload_id = await self.open()
        self.guard.keep_open()
        return upload_id

    async def open(self) -> str:
        """Begin the multipart upload, unless it `has_begun`, and return its id.

        Raises:
            StorageError: the store refused, or the upload has failed meanwhile.
        """
        self._begin()
        await self.wait_until_open()
        assert self.upload_id is not None
        return self.upload_id

    async def abort(self) -> bool:
        """Abort the multipart upload; return ``False`` while its own task commits or aborts it.

        Raises:
            StorageError: the store refused, or could not be reached.
        """
        if self._tasks.is_committing or self.guard.is_cleaning_up:
            return False
        await self.guard.abort()
        return True

    def suspend(self, reason: UploadSuspendedError) -> None:
        """Leave the upload open if `reason`, this very object, ends its block and parts may be stored."""
        self.guard.suspended_by = reason

    def checkpoint(self) -> UploadCheckpoint | None:
        """Return the checkpoint of an upload that was left open; ``None`` if nothing is open."""
        if not self.guard.is_kept or self.upload_id is None:
            return None
        return self._sender.checkpoint(self.upload_id)
