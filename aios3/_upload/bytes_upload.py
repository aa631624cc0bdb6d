"""Upload of bytes that the caller holds: one PutObject in the caller's task, without a copy.

There are no parts, no granted memory, and nothing that can stay open, so only the commit of an upload remains. It is a
separate path because small objects are many, and the work for each object is their cost.
"""

from __future__ import annotations

import asyncio
from typing import TypeGuard

from aios3._client.failed_attempts import FailedAttempts
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.errors import StorageError
from aios3.models import UploadReceipt

from .upload_requests import UploadRequests

__all__ = ["BytesUpload", "is_whole"]


def is_whole(source: object, job: UploadJob) -> TypeGuard[bytes]:
    """Return whether `source` can be put as it is: immutable bytes, at most one part, and no progress to report.

    A source of another length than was declared is left to the `Uploader`, which raises the error.
    """
    if type(source) is not bytes or job.on_progress is not None or job.resume is not None:
        return False
    size = len(source)
    is_allowed = job.size in (None, size) and (job.max_size is None or size <= job.max_size)
    return is_allowed and size <= job.plan.first_size


class BytesUpload:
    """Upload whose commit is in flight from its beginning."""

    def __init__(self, engine: Engine, job: UploadJob, data: bytes) -> None:
        """Prepare to put `data` in the current task; nothing is sent yet."""
        self._engine = engine
        self._job = job
        self._data = data
        self._owner = asyncio.current_task()
        self._cut = asyncio.timeout(None)
        self.ended = asyncio.Event()
        self.is_suspendable = False

    async def run(self) -> UploadReceipt:
        """Put the object.

        A cancellation closes the connection. It is then unknown whether the store has the object.

        Raises:
            CompletionUnknownError: the driver was closed meanwhile, or see `UploadRequests.put`.
            StorageError: as `UploadRequests.put`.
        """
        log = FailedAttempts(self._engine.client.clock.monotonic())
        size, body = len(self._data), _slices(self._data)
        self._data = b""
        requests = UploadRequests(self._engine, self._job, log)
        self._engine.running.add(self)
        try:
            async with self._cut:
                committed = await requests.put(body)
        except TimeoutError:
            if not self._cut.expired():
                raise
            raise requests.given_up(None) from None
        finally:
            body.clear()  # otherwise an error that the caller keeps would keep the bytes
            self._engine.upload_ended(self)
            self.ended.set()
        return requests.receipt(committed, size)

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        """Return whether `task` runs this upload."""
        return task is self._owner

    def stop(self, reason: StorageError) -> None:
        """Do nothing: the commit is in flight."""

    def give_up_commit(self) -> None:
        """Cut the commit off, unless it has ended or has been cut off already."""
        if not self.ended.is_set() and self._cut.when() is None:
            self._cut.reschedule(asyncio.get_running_loop().time())

    async def abandon(self) -> None:
        """Return at once: there is nothing to abort, and an upload that outlasts its cut-off is not waited for."""


def _slices(data: bytes) -> list[bytes | memoryview]:
    if len(data) <= SEGMENT_SIZE:
        return [data] if data else []
    view = memoryview(data)
    return [view[start : start + SEGMENT_SIZE] for start in range(0, len(data), SEGMENT_SIZE)]
