"""Opens a file off the loop, and closes it whatever becomes of the caller."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from io import FileIO
from typing import Final

from .named_files import NamedFile
from .shielding import shielded_from_anyio

__all__ = ["opened_file"]

_CLOSING_SECONDS: Final = 30.0
"""How long a file may take to close although an anyio scope around it has been cancelled."""


@asynccontextmanager
async def opened_file(path: str | os.PathLike[str]) -> AsyncGenerator[FileIO]:
    """Open the file at `path` for reading, in a thread, and close it when the block is left.

    A caller who is cancelled meanwhile does not wait: to open a pipe takes until somebody writes to it. What is opened
    after that is closed at once. Unbuffered, because a buffered file cannot be closed while a read of a pipe is waiting
    in its thread.

    Raises:
        OSError: it cannot be opened.
    """
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, partial(NamedFile, path))
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise
    try:
        yield file
    finally:
        with shielded_from_anyio(_CLOSING_SECONDS):
            await asyncio.shield(loop.run_in_executor(None, file.close))


def _close(opening: asyncio.Future[NamedFile]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
