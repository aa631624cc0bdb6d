"""Upload of a regular file, which is read straight into the memory of its parts.

To read a chunk in a thread and copy it costs more than to send it. So a thread fills several segments of the part at
once, without a copy. A cancellation does not wait for the thread, because a disk may hang. The segments that the thread
may still write to are never used again.
"""

from __future__ import annotations

from typing import Final

from aios3._upload.source.files import FileReader
from aios3._upload.source.readers import SourceReader
from aios3.options import KIB

from .uploader import Uploader

__all__ = ["FileUploader"]

_BYTES_PER_READ: Final = 2560 * KIB
"""Bytes that a thread reads at once: half a part of the usual size. 1 MiB costs a tenth more CPU time. A whole part
costs no less CPU time, but more memory."""


class FileUploader(Uploader):
    """Uploader that takes bytes from a `FileReader` without a copy, and from other readers like any uploader."""

    async def _pull_from(self, reader: SourceReader) -> bool:
        if (
            isinstance(reader, FileReader)
            and (self._assembler.buffer.room or await self._make_room())
            and self._assembler.buffer.room
        ):
            return await self._read_from(reader)
        return await super()._pull_from(reader)  # for a part on disk, or for the byte after a full first part

    async def let_others_run(self) -> None:
        """Return at once: other tasks run while a thread reads, so that sending does not keep it idle."""

    async def _read_from(self, reader: FileReader) -> bool:
        """Read once in a thread; return whether there may be more."""
        memory = self._assembler.open_memory(min(_BYTES_PER_READ, self._bounds.max_read))
        asked = sum(map(len, memory))
        self.is_asking = True
        try:
            reading = reader.begin_reading(memory)
            await super().let_others_run()
            count = (await reading).unwrap()
        except BaseException:
            self._assembler.abandon()
            raise
        finally:
            self.is_asking = False
            memory.clear()  # otherwise an error that the caller keeps would keep the memory
        await self._take_read(count)
        return count == asked

    async def _take_read(self, count: int) -> None:
        self._bounds.count(count)
        self._assembler.advance(count)
        if count:
            self.sink.expect(self._job.size)
        await self._send_early()
