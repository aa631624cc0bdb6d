"""Reads an open file, as a source like any other or straight into memory that is there already."""

from __future__ import annotations

from collections.abc import Iterable
from io import FileIO

from .opened_file import OpenedFile
from .sources import SourceReader

__all__ = ["FileReader"]


class FileReader(SourceReader):
    """Reads a file from where it stands, in its thread; both ways of reading move that."""

    def __init__(self, opened: OpenedFile) -> None:
        """Take an open file, which stays open."""
        super().__init__(opened.file, opened.thread)
        self._file = opened.file

    async def read_into(self, memory: Iterable[memoryview]) -> int:
        """Fill `memory`, one piece after the other; return how many bytes there were: less only at the file's end.

        A cancellation does not wait for the thread, which may write to `memory` until it has ended.

        Raises:
            OSError: the file cannot be read.
        """
        return await self._thread.call(_fill, self._file, memory)


def _fill(file: FileIO, memory: Iterable[memoryview]) -> int:
    count = 0
    for piece in memory:
        rest = piece
        while rest:
            read = file.readinto(rest)
            if not read:
                return count
            count += read
            rest = rest[read:]
    return count
