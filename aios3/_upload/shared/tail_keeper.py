"""Keeper of the tail: the unfinished part of a live upload, copied to the store from time to time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, Protocol

from aios3._concurrency.shielding import finish_despite_cancellation

from .engine import Engine
from .job import UploadJob

__all__ = ["TailKeeper"]

_log: Final = logging.getLogger("aios3")


class LiveUpload(Protocol):
    """Upload whose unfinished part is kept."""

    @property
    def bytes_read(self) -> int:
        """Bytes that the source has given."""

    async def open_multipart(self) -> str:
        """Begin the multipart upload, unless that has happened, and return its id."""

    async def unfinished(self) -> tuple[int, bytes]:
        """Return offset and copy of the unfinished part, after the store has acknowledged all bytes before it."""

    def fail(self, error: Exception) -> None:
        """End the upload with `error`."""


class Tail(Protocol):
    """Object beside the upload."""

    async def write(self, start: int, data: bytes, metadata: Mapping[str, str]) -> None:
        """Replace the object by `data`, the bytes from offset `start` on."""

    async def delete(self) -> None:
        """Delete the object. It need not exist."""


class TailKeeper:
    """Copies what is in no part yet to the store, whenever there is more of it.

    A new tail replaces the last one only when the store has acknowledged all parts before it, so what was kept once
    stays kept.
    """

    def __init__(self, engine: Engine, job: UploadJob, upload: LiveUpload, tail: Tail, every: float) -> None:
        """Prepare.

        Args:
            engine: its clock and memory budget are used.
            job: the upload.
            upload: the same upload, while it runs.
            tail: object beside it.
            every: seconds from one copy to the next.
        """
        self._engine = engine
        self._job = job
        self._upload = upload
        self._tail = tail
        self._every = every
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_written = job.resume is not None
        self.bytes_kept = 0 if job.resume is None else job.resume.offset
        """Bytes from the beginning of the object that the parts and the tail hold."""

    def begin(self) -> None:
        """Begin to copy. An error that is not overcome ends the upload."""
        self._task = asyncio.create_task(self._run(), name=f"aios3: keep the tail of {self._job.key!r}")

    def stop(self) -> None:
        """Begin no further copy, because the upload is committed or ends."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        clock = self._engine.client.clock
        left = self._every
        while True:
            await clock.sleep(left)
            began = clock.monotonic()
            try:
                await self._keep()
            except Exception as error:  # noqa: BLE001 - credentials may fail with anything
                self._upload.fail(error)
                return
            left = max(0.0, self._every - (clock.monotonic() - began))

    async def _keep(self) -> None:
        if self._upload.bytes_read in (0, self.bytes_kept):
            return
        upload_id = await self._upload.open_multipart()
        size = self._job.plan.first_size
        await self._engine.memory.acquire_whole(size)
        try:
            start, data = await self._upload.unfinished()
            if data or not self._is_written:
                await self._write(start, data, upload_id)
            self.bytes_kept = start + len(data)
        finally:
            self._engine.memory.release(size)

    async def _write(self, start: int, data: bytes, upload_id: str) -> None:
        """Write the tail in a new task, because one that is cancelled in flight could appear after its deletion."""
        job = self._job
        known = {"upload-id": upload_id, "part-size": job.plan.first_size, "size": job.size}
        known["checksum"] = None if job.checksum is None else job.checksum.algorithm
        metadata = {name: str(value) for name, value in known.items() if value is not None}
        self._is_written = True
        write = self._tail.write(start, data, metadata)
        self._writing = asyncio.create_task(write, name=f"aios3: write the tail of {job.key!r}")
        await asyncio.wait({self._writing})
        self._writing.result()

    async def end(self, *, is_left_open: bool) -> None:
        """Stop, and delete the tail unless the upload is open. Log a failure. A cancellation is raised afterwards."""
        finished = await finish_despite_cancellation(
            lambda: self._end(is_left_open=is_left_open),
            deadline=self._engine.timeouts.cleanup,
            name=f"aios3: end the tail of {self._job.key!r}",
        )
        for task in (self._task, self._writing):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
        if finished.error is not None:
            _log.warning("the tail of %s/%s was not deleted: %s", self._job.bucket, self._job.key, finished.error)
        if finished.cancellation is not None:
            raise finished.cancellation

    async def _end(self, *, is_left_open: bool) -> None:
        self.stop()
        for task in (self._task, self._writing):
            if task is not None:
                await asyncio.wait({task})
                if not task.cancelled():
                    task.exception()  # `_run` has reported it, unless the upload was ending
        if self._is_written and not is_left_open:
            await self._tail.delete()
            self._is_written = False
