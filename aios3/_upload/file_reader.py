"""Reads an open file, as a source like any other or straight into memory that is there already."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from io import FileIO

from aiofiles.threadpool.binary import AsyncFileIO

from .sources import SourceReader

__all__ = ["FileReader"]


class FileReader(SourceReader):
    """Reads a file from where it stands; both ways of reading move that."""

    def __init__(self, file: FileIO) -> None:
        """Take an open file, which stays the caller's; a loop must run."""
        super().__init__(AsyncFileIO(file, loop=asyncio.get_running_loop(), executor=None))
        self._file = file

    def read_into(self, memory: Iterable[memoryview]) -> int:
        """Fill `memory`, one piece after the other; return how many bytes there were: less only at the file's end.

        To be called in a thread.

        Raises:
            OSError: the file cannot be read.
        """
        count = 0
        for piece in memory:
            rest = piece
            while rest:
                read = self._file.readinto(rest)
                if not read:
                    return count
                count += read
                rest = rest[read:]
        return count
