"""A file that is opened, read and closed off the loop, whatever becomes of the caller."""

from __future__ import annotations

import asyncio
import os
from io import FileIO
from types import TracebackType
from typing import Final

from aios3._concurrency.caller_errors import Outcome
from aios3._concurrency.named_files import NamedFile
from aios3._concurrency.shielding import shielded_from_anyio
from aios3._concurrency.threads import CallerThread

__all__ = ["OpenedFile"]

_CLOSING_SECONDS: Final = 30.0
"""How long closing a file may take."""


class OpenedFile:
    """An async context manager: the file at `path`, open for reading in its block.

    All that may block, opening and closing included, runs in the file's own
    thread: to open a pipe takes until somebody writes to it. A caller who is
    cancelled meanwhile does not wait, and the thread closes the file at the end
    of what it is in.
    """

    file: FileIO
    """Unbuffered."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Prepare; the file is opened at the block's beginning."""
        self.thread = CallerThread()
        """Where the file is to be used."""
        self._path = path

    async def __aenter__(self) -> OpenedFile:
        """Open the file.

        Raises:
            OSError: it cannot be opened.
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
