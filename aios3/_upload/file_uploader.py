"""An upload of a regular file, which is read straight into the memory of its parts.

A chunk that is read in a thread, then copied, costs more than sending it: so a
thread fills several segments at once here, with nothing between the file and
what will be sent. A caller who is cancelled does not wait for it: a disk may
hang. The segments that it may still write to are never used again.
"""

from __future__ import annotations

from typing import Final

from aios3._upload.source.files import FileReader
from aios3._upload.source.readers import SourceReader
from aios3.options import KIB

from .uploader import Uploader

__all__ = ["FileUploader"]

_BYTES_PER_READ: Final = 2560 * KIB
"""What a thread reads at once: half a part of the usual size. With 1 MiB it costs a tenth more CPU time; with a whole
part no less, but more memory."""


class FileUploader(Uploader):
    """Fed like any uploader, and by a `FileReader` with less effort."""

    async def _pull_from(self, reader: SourceReader) -> bool:
        if (
            isinstance(reader, FileReader)
            and (self._assembler.room or await self._make_room())
            and self._assembler.room
        ):
            return await self._read_from(reader)
        return await super()._pull_from(reader)  # to the disk, or to see whether anything follows a full first part

    async def _read_from(self, reader: FileReader) -> bool:
        """Read what one thread reads at a time; return whether there may be more."""
        memory = self._assembler.open_memory(min(_BYTES_PER_READ, self._bounds.max_read))
        asked = sum(map(len, memory))
        self.is_asking = True
        try:
            count = await reader.read_into(memory)
        except BaseException:
            self._assembler.abandon()
            raise
        finally:
            self.is_asking = False
            memory.clear()  # an error that its caller keeps would keep it
        await self._take_read(count)
        return count == asked

    async def _take_read(self, count: int) -> None:
        self._count(count)
        self._assembler.advance(count)
        if count:
            self.sink.expect(self._job.size)
        await self._send_early()
