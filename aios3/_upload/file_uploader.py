"""An upload of a regular file, which is read straight into the memory of its parts.

A chunk that is read in a thread, then copied, costs more than sending it: so a
thread fills several segments at once here, with nothing between the file and
what will be sent. It is seen to its end whatever becomes of the caller, because
until then it writes into the segments.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from aios3.options import KIB

from .engine import Engine
from .file_reader import FileReader
from .job import UploadJob
from .sources import SourceReader
from .thread_work import ThreadWork
from .uploader import Uploader

__all__ = ["FileUploader"]

_BYTES_PER_READ: Final = 2560 * KIB
"""What a thread reads at once: half a part of the usual size. With 1 MiB it costs a tenth more CPU time; with a whole
part no less, but more memory."""


class FileUploader(Uploader):
    """Fed like any uploader, and by a `FileReader` with less effort."""

    def __init__(self, engine: Engine, job: UploadJob) -> None:
        """Prepare; nothing is sent or taken before the first byte."""
        super().__init__(engine, job)
        self._reading = ThreadWork()

    async def _pull_from(self, reader: SourceReader) -> bool:
        if isinstance(reader, FileReader) and (self._filler.room or await self._make_room()) and self._filler.room:
            return await self._read_from(reader)
        return await super()._pull_from(reader)  # to the disk, or to see whether anything follows a full first part

    async def _read_from(self, reader: FileReader) -> bool:
        """Read what one thread reads at a time; return whether there may be more."""
        memory = self._filler.open_memory(min(_BYTES_PER_READ, self._bounds.askable))
        asked = sum(map(len, memory))
        self.is_asking = True
        try:
            count = await self._reading.run(partial(reader.read_into, memory))
        finally:
            self.is_asking = False
            memory.clear()  # an error that its caller keeps would keep it
        await self._take_read(count)
        return count == asked

    async def _take_read(self, count: int) -> None:
        self._count(count)
        self._filler.note_filled(count)
        if count and self._is_surely_multipart:
            self._creation.begin()
        if self._filler.is_full and self._creation.has_begun:
            await self._send_part()
