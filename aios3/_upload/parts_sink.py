"""Parts of an open multipart upload as a sink, which stores parts and neither commits nor aborts."""

from __future__ import annotations

import contextlib

from aios3._concurrency.task_group import UploadTasks
from aios3._upload.memory.held_part import HeldPart
from aios3._upload.multipart.part_sender import PartSender
from aios3._upload.shared.progress import ProgressReporter
from aios3.errors import UploadSuspendedError
from aios3.models import PartsUploaded

from .upload_requests import UploadRequests

__all__ = ["PartsSink"]


class PartsSink:
    """Sends parts of an upload that was open before, and stays open, however the block ends."""

    has_begun = is_settled = True
    is_starved = False

    def __init__(self, requests: UploadRequests, tasks: UploadTasks, progress: ProgressReporter) -> None:
        """Prepare; nothing is sent before `send`. The job of `requests` has a ``range``."""
        assert requests.job.range is not None
        self._range = requests.job.range
        self._tasks = tasks
        self._progress = progress
        self._sender = PartSender(requests.engine, requests.job, tasks, progress, requests.log, self)
        self._sender.tracker.begin_at(self._range.first_part)
        self._tail = b""
        self.guard: contextlib.nullcontext[None] = contextlib.nullcontext()

    @property
    def upload_id(self) -> str:
        """Id of the multipart upload."""
        return self._range.upload.upload_id

    async def id_for_part(self) -> str:
        """Return the id of the multipart upload, for the sender of its parts."""
        return self.upload_id

    @property
    def result(self) -> PartsUploaded:
        """Parts that were stored, and the bytes that were not."""
        parts = self._sender.tracker.uploaded_parts()
        return PartsUploaded(parts, sum(part.size for part in parts), self._tail)

    def wants(self, *, is_full: bool, is_last: bool) -> bool:
        """Return whether the part is full."""
        return is_full

    def expect(self, size: int | None) -> None:
        """Do nothing: the upload is open."""

    async def wait_until_open(self) -> None:
        """Return at once."""

    async def send(self, part: HeldPart) -> None:
        """Send `part` as soon as a slot is free, or keep a tail. The sink closes the part, also if this raises.

        Raises:
            StorageError: the call has failed.
            OSError: a part on disk cannot be read.
        """
        try:
            await self._progress.report()
            if part.size < self._range.upload.part_size and not self._range.is_last:
                await part.open()
                self._tail = b"".join(part.body)
                part.close()
                return
            await self._sender.send(part)
        except BaseException:
            part.close()
            raise

    async def complete(self, count: int, size: int) -> None:
        """Wait until all parts are acknowledged. The upload stays open."""
        await self._sender.drain()
        self._tasks.begin_commit()  # from here on the call has its result, and cannot be stopped

    async def abort(self) -> bool:
        """Return at once: the upload stays open."""
        return True

    def suspend(self, reason: UploadSuspendedError) -> None:
        """Do nothing: the upload stays open anyway."""

    def checkpoint(self) -> None:
        """Return ``None``: the caller holds the upload as a value."""
