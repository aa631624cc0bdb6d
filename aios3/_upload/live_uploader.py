"""Upload of a live recording, whose unfinished part is kept in the store."""

from __future__ import annotations

from dataclasses import replace

from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.tail_keeper import TailKeeper
from aios3.checkpoints import UploadCheckpoint

from .multipart_sink import MultipartSink
from .uploader import Uploader

__all__ = ["LiveUploader"]


class LiveUploader(Uploader):
    """Uploader of a job that ``keeps_tail``: its parts are equal and stay in memory."""

    sink: MultipartSink

    def __init__(self, engine: Engine, job: UploadJob) -> None:
        """Prepare; nothing is sent or taken before the first byte."""
        super().__init__(engine, job)
        self._part_start = self._bounds.read
        """Offset of the unfinished part."""
        self.tail_keeper: TailKeeper | None = None
        """Keeps the unfinished part in the store; ``None`` before it was made."""

    @property
    def bytes_durable(self) -> int:
        """Bytes from the beginning of the source that parts and tail hold without a gap."""
        kept = 0 if self.tail_keeper is None else self.tail_keeper.bytes_kept
        return max(super().bytes_durable, kept)

    async def unfinished(self) -> tuple[int, bytes]:
        """Return offset and copy of the unfinished part, after the store has acknowledged all bytes before it."""
        start, content = self._part_start, self._assembler.copy()
        await self._progress.wait_until_durable(start)
        return start, content

    async def open_multipart(self) -> str:
        """Begin the multipart upload, unless that has happened, and return its id.

        Raises:
            StorageError: the store refused, or the upload has failed meanwhile.
        """
        return await self.sink.open()

    def fail(self, error: Exception) -> None:
        """End the upload with `error`, unless it is being committed or is ending."""
        self.tasks.stop(error)

    async def _send_part(self) -> None:
        self._part_start += self._job.plan.first_size  # every part but the last has that size
        await super()._send_part()

    def checkpoint(self) -> UploadCheckpoint | None:
        """Return the checkpoint of an upload that was left open; ``None`` if nothing is open."""
        found = super().checkpoint()
        return None if found is None else replace(found, tail=0)

    async def abandon(self) -> None:
        """End the upload and its tail at the store although its block has not been left."""
        await super().abandon()
        if self.tail_keeper is not None:
            await self.tail_keeper.end(is_left_open=self.sink.guard.may_be_open)

    async def settle(self) -> None:
        """Wait, after `close`, until the tail is deleted, unless the upload is left open."""
        try:
            await super().settle()
        finally:
            if self.tail_keeper is not None:
                await self.tail_keeper.end(is_left_open=self.sink.guard.may_be_open)
