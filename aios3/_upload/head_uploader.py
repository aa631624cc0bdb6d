"""Upload whose first parts are sent last, so that their bytes may be overwritten until then."""

from __future__ import annotations

from aios3._upload.memory.seekable_head import SeekableHead
from aios3._upload.shared.engine import Engine
from aios3._upload.shared.job import UploadJob
from aios3.errors import ConfigurationError

from .uploader import Uploader

__all__ = ["HeadUploader"]


class HeadUploader(Uploader):
    """Uploader that keeps the first ``job.head_parts`` parts, and sends what follows them as it comes."""

    is_seekable = True

    def __init__(self, engine: Engine, job: UploadJob) -> None:
        """Prepare; `begin` takes the memory of the head."""
        super().__init__(engine, job)
        self._head = SeekableHead(job.head_parts, job.plan.first_size, engine.memory)
        self._position = 0

    async def begin(self) -> None:
        """Wait for the memory of the head.

        Raises:
            ConfigurationError: the heads of other uploads leave too little.
        """
        with self.trace.timeline.during("memory"):
            await self._head.open()

    @property
    def position(self) -> int:
        """Offset in bytes at which the next byte is written."""
        return self._position

    def move_to(self, position: int) -> None:
        """Let the next byte be written at `position`.

        Raises:
            ConfigurationError: nothing can be written there.
        """
        end = self.bytes_read
        if position != end and not 0 <= position <= min(end, self._head.capacity):
            raise ConfigurationError(
                f"cannot seek to byte {position}: only the first {self._head.capacity} bytes (seekable_head), as far "
                f"as they are written, and the end, byte {end}, can be written to"
            )
        self._position = position

    def _take_at_once(self, data: bytes | memoryview) -> bool:
        is_behind_head = self._position == self._bounds.read >= self._head.capacity
        if not is_behind_head or not super()._take_at_once(data):
            return False
        self._position += len(data)
        return True

    async def _take(self, data: memoryview) -> None:
        room = max(0, self._head.capacity - self._position)
        in_head, behind = data[:room], data[room:]
        self._check_end(len(data))
        if in_head:
            self._bounds.count(max(0, self._position + len(in_head) - self._bounds.read))
            self._head.write(self._position, in_head)
            self._position += len(in_head)
        if behind:
            await super()._take(behind)
            self._position += len(behind)

    def _check_end(self, count: int) -> None:
        """Refuse to overwrite bytes behind the head.

        Raises:
            ConfigurationError: `count` bytes from the position on would do that.
        """
        position, end, capacity = self._position, self._bounds.read, self._head.capacity
        if position < end and end > capacity and position + count > capacity:
            raise ConfigurationError(
                f"cannot write {count} bytes at byte {position}: behind the first {capacity} bytes (seekable_head) "
                "nothing can be overwritten"
            )

    async def finish(self) -> None:
        """Send the rest, then the head, wait until every part is acknowledged, and commit.

        Raises:
            SizeMismatchError: the source was shorter than declared.
            StorageError: the commit failed.
            Exception: what ``before_commit`` raises.
        """
        size = await self._end_reading()
        parts = list(self._head.parts())
        if len(parts) <= 1 and size <= self._head.capacity:
            self.receipt = await self._finish_single(parts[0] if parts else self._assembler.take())
            return
        if not self._assembler.is_empty:
            await self._send_part()
        for part in parts:
            await self.sink.send(part)
        count = len(parts) if size <= self._head.capacity else self._assembler.parts_taken
        self.receipt = await self.sink.complete(count, size)

    async def settle(self) -> None:
        """Wait, after `close`, until nothing of the upload is in memory or on disk."""
        try:
            await super().settle()
        finally:
            self._head.close()
