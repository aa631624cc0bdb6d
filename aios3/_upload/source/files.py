"""Files that a thread opens, reads and closes, even if the caller is cancelled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from io import FileIO
from types import TracebackType
from typing import Final

from aios3._concurrency.caller_errors import Outcome
from aios3._concurrency.named_files import NamedFile
from aios3._concurrency.shielding import shielded_from_anyio
from aios3._concurrency.threads import CallerThread

from .readers import SourceReader

__all__ = ["FileReader", "OpenedFile"]


_CLOSING_SECONDS: Final = 30.0
"""Seconds that closing a file may take."""


class OpenedFile:
    """An async context manager: the file at `path`, open for reading in its block.

    All blocking calls run in the file's own thread, also opening and closing: opening a pipe waits for its writer. A
    cancellation does not wait for a call in the thread. The thread closes the file after that call.
    """

    file: FileIO
    """The open file, unbuffered."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Take the path. The beginning of the block opens the file."""
        self.thread = CallerThread()
        """Thread for all use of the file."""
        self._path = path

    async def __aenter__(self) -> OpenedFile:
        """Open the file.

        Raises:
            OSError: the file cannot be opened.
        """
        try:
            await self.thread.call(self._open)
        except BaseException:
            _ = self._begin_closing()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        is_busy = self.thread.is_running
        closing = self._begin_closing()
        if not is_busy:
            with shielded_from_anyio(_CLOSING_SECONDS):
                await asyncio.wait({closing}, timeout=_CLOSING_SECONDS)

    def _open(self) -> None:
        self.file = NamedFile(self._path)

    def _begin_closing(self) -> asyncio.Future[Outcome[None]]:
        closing = self.thread.begin(self._close)
        self.thread.close()
        return closing

    def _close(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


class FileReader(SourceReader):
    """Reads a file from its current position, in its thread. `pull` and `begin_reading` move the position."""

    def __init__(self, opened: OpenedFile) -> None:
        """Take an open file. The reader does not close it."""
        super().__init__(opened.file, opened.thread)
        self._file = opened.file

    def begin_reading(self, memory: Iterable[memoryview]) -> asyncio.Future[Outcome[int]]:
        """Begin to fill `memory`, one piece after the other, and return a future of the number of bytes.

        It is smaller than the memory only at the file's end. If the file cannot be read, the outcome is an `OSError`.
        A cancellation of the future does not stop the thread, which may still write to `memory`.
        """
        return self._thread.begin(_fill, self._file, memory)


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
