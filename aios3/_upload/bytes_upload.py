"""Upload of bytes that the caller holds: one PutObject in the caller's task, without a copy.

There are no parts, no granted memory, and nothing that can stay open, so only the commit of an upload remains. It is a
separate path because small objects are many, and the work for each object is their cost.
"""

from __future__ import annotations

from typing import TypeGuard

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._upload.shared.commit_in_flight import CommitInFlight
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
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


class BytesUpload(CommitInFlight):
    """Upload of the bytes that it is given."""

    def __init__(self, engine: Engine, job: UploadJob, data: bytes) -> None:
        """Prepare to put `data` in the current task; nothing is sent yet."""
        requests = UploadRequests(engine, job, engine.begin_log(job))
        super().__init__(engine, requests.given_up)
        self._requests = requests
        self._data = data

    async def run(self) -> UploadReceipt:
        """Put the object.

        A cancellation closes the connection. It is then unknown whether the store has the object.

        Raises:
            CompletionUnknownError: the driver was closed meanwhile, or see `UploadRequests.put`.
            StorageError: as `UploadRequests.put`.
            Exception: what ``before_commit`` raises.
        """
        requests, size, body = self._requests, len(self._data), _slices(self._data)
        self._data = b""
        with requests.log.upload:
            try:
                if requests.job.before_commit is not None:
                    await requests.approve(size)
                committed = await self.send(requests.put(body))
            finally:
                body.clear()  # otherwise an error that the caller keeps would keep the bytes
            return requests.receipt(committed, size)


def _slices(data: bytes) -> list[bytes | memoryview]:
    if len(data) <= SEGMENT_SIZE:
        return [data] if data else []
    view = memoryview(data)
    return [view[start : start + SEGMENT_SIZE] for start in range(0, len(data), SEGMENT_SIZE)]
