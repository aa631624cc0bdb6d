"""File for blocking code in a thread, whose bytes go to a writer on the event loop."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from aios3.errors import ConfigurationError

__all__ = ["BlockingFile", "LoopWriter"]

T = TypeVar("T")


class LoopWriter(Protocol):
    """Writer on the event loop."""

    @property
    def is_seekable(self) -> bool:
        """`seek` can move back."""

    def tell(self) -> int:
        """Return the offset in bytes of the next write."""

    async def write(self, data: memoryview) -> None:
        """Write all of `data`."""

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another offset, and return it."""


class BlockingFile(io.RawIOBase):
    """Writable binary file without a buffer, for any thread but that of the event loop.

    Every call waits until the writer has done it. Closing the file ends nothing but the file.
    """

    def __init__(self, writer: LoopWriter, name: str) -> None:
        """Wrap `writer`, which belongs to the running event loop; `name` is for messages of other libraries."""
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self.name = name

    def writable(self) -> bool:
        """Return ``True``."""
        return True

    def seekable(self) -> bool:
        """Return whether `seek` can move back."""
        return self._writer.is_seekable

    def write(self, data: Any) -> int:
        """Write all of `data`, and return its length in bytes. The memory may be reused afterwards.

        Raises:
            Exception: what the writer raises.
            ConfigurationError: the calling thread runs the event loop.
            ValueError: the file is closed.
        """
        self._require_open()
        with memoryview(data) as view:
            self._run(self._writer.write(view))
            return view.nbytes

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another offset, and return it.

        Raises:
            io.UnsupportedOperation: the writer cannot move back at all. This is an `OSError`.
            Exception, ConfigurationError, ValueError: as in `write`.
        """
        self._require_open()
        if not self.seekable():
            raise io.UnsupportedOperation("this upload is written in order; open it with seekable_head=")
        return self._run(self._writer.seek(offset, whence))

    def tell(self) -> int:
        """Return the offset in bytes of the next write."""
        self._require_open()
        return self._writer.tell()

    def readinto(self, buffer: Any) -> int:
        """Refuse: what was written is on its way to the store.

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation("an upload cannot be read back while it is written")

    def truncate(self, size: int | None = None) -> int:
        """Refuse: what was written is on its way to the store.

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation("an upload cannot be shortened")

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        if asyncio._get_running_loop() is self._loop:
            call.close()
            raise ConfigurationError("this file waits for the event loop: use it in a thread (asyncio.to_thread)")
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()
