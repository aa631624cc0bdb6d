"""Sends parts, several at once, and records what the store acknowledges."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence

from aios3._client.concurrency_limiter import Permit
from aios3._client.request_log import RequestLog
from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.operations import UploadPart
from aios3._protocol.parts.part_buffer import Part
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.memory.spill import SpilledPart
from aios3._upload.shared.content_md5 import content_md5
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.integrity import part_checksum
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.progress import ProgressReporter
from aios3.checkpoints import UploadCheckpoint
from aios3.errors import StorageError

__all__ = ["PartSender"]


class PartSender:
    """At most ``job.concurrency`` parts of one upload are on their way.

    A part's slot comes back, and `ended` is called, in its task's done-callback,
    because a task that is cancelled before its first step never runs its own
    ``finally``.
    """

    def __init__(
        self,
        engine: Engine,
        job: UploadJob,
        tasks: UploadTasks,
        progress: ProgressReporter,
        log: RequestLog,
        *,
        upload_id: Callable[[], Awaitable[str]],
        ended: Callable[[Part | SpilledPart, BaseException | None], None],
    ) -> None:
        """Prepare.

        Args:
            engine: whose client sends.
            job: what is uploaded.
            tasks: to run in.
            progress: is told of every part stored.
            log: of the upload.
            upload_id: waits for the id of the multipart upload.
            ended: takes a part's memory back, and what its task failed with, if it did.
        """
        self._client = engine.client
        self._job = job
        self._tasks = tasks
        self._progress = progress
        self._log = log
        self._upload_id = upload_id
        self._ended = ended
        self._slots = asyncio.Semaphore(job.concurrency)
        self._concurrency = engine.concurrency if job.is_adaptive else None
        self.tracker = PartTracker()

    async def send(self, part: Part | SpilledPart) -> None:
        """Wait for a slot, and send `part` in a task of its own, whose failure ends the upload.

        Raises:
            StorageError: the upload has failed already; the part stays with the caller.
        """
        held = await self._enter()
        request = self._log.begin()
        try:
            task = self._tasks.run(self._send(part, request), f"aios3: part {part.number} of {self._job.key!r}")
        except BaseException:
            self._leave(held)
            raise
        task.add_done_callback(lambda finished: self._finish(part, held, finished, request))

    async def _enter(self) -> Permit | None:
        await self._slots.acquire()
        try:
            return None if self._concurrency is None else await self._concurrency.enter()
        except BaseException:
            self._slots.release()
            raise

    def _leave(self, held: Permit | None, stored: int | None = None, failures: Sequence[StorageError] = ()) -> None:
        self._slots.release()
        if self._concurrency is not None and held is not None:
            self._concurrency.leave(held, stored, failures)

    def _finish(
        self, part: Part | SpilledPart, held: Permit | None, task: asyncio.Task[None], request: RequestLog
    ) -> None:
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._leave(held, part.size if failure is None else None, request.failures)
        self._ended(part, failure)

    async def drain(self) -> None:
        """Wait until every part is acknowledged; nothing can be sent afterwards."""
        for _ in range(self._job.concurrency):
            await self._slots.acquire()

    def checkpoint(self, upload_id: str) -> UploadCheckpoint:
        """Return how far the upload has come, without a short last part, which nothing could follow."""
        job = self._job
        size = job.plan.first_size
        parts = tuple(itertools.takewhile(lambda part: part.size >= size, self.tracker.durable_parts()))
        algorithm = None if job.checksum is None else job.checksum.algorithm
        return UploadCheckpoint(job.bucket, job.key, upload_id, size, parts, algorithm, job.size)

    async def _send(self, part: Part | SpilledPart, request: RequestLog) -> None:
        job = self._job
        if isinstance(part, SpilledPart):
            await self._upload_id()  # before there is memory for the part: others could use that meanwhile
            await part.load()
        checksum = await part_checksum(job.checksum, part.body)
        headers = {**job.headers.part, **await content_md5(job, part.body)}
        upload_id = await self._upload_id()
        operation = UploadPart(job.bucket, job.key, upload_id, part.number, part.body, headers, checksum)
        answer = await self._client.run(operation, log=request)
        sent = None if checksum is None else checksum[1]
        self.tracker.record(part.number, size=part.size, etag=answer.etag, checksum=sent)
        self._progress.note_stored(self.tracker)
        await self._progress.report()
