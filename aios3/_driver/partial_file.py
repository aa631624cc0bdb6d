"""File that gets its name only when it is complete."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import secrets
from collections.abc import Callable
from functools import wraps
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from aios3._concurrency.named_files import naming
from aios3._concurrency.shielding import shielded_from_anyio
from aios3._concurrency.threads import CallerThread
from aios3.errors import IntegrityError
from aios3.options import MIB

__all__ = ["PartialFile"]

T = TypeVar("T")
P = ParamSpec("P")

_WRITE_SIZE: Final = MIB
"""Bytes collected for one write, because a call in a thread costs more than a small write."""

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})
"""Error numbers of file systems without hard links (FAT, some network file systems)."""


def _naming_its_path(
    method: Callable[Concatenate[PartialFile, P], None],
) -> Callable[Concatenate[PartialFile, P], None]:
    """Let the errors of a method name the final path, not the temporary one."""

    @wraps(method)
    def call(self: PartialFile, /, *args: P.args, **named: P.kwargs) -> None:
        with naming(self._path):
            method(self, *args, **named)

    return call


class PartialFile:
    """Writes bytes to a temporary file beside `path`. `commit` gives the complete file its name, or fails.

    Use it as an async context manager: a file that was not committed is removed
    at the end of the block. File operations run in the file's thread, and a
    cancelled caller waits for their end. Several files for one path may be
    written at the same time. Without `overwrite` the first commit wins. A
    symbolic link at `path` is replaced itself.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self._temporary = path.parent / f".aios3-{secrets.token_hex(8)}.part"
        self._file: BufferedWriter | None = None
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._thread = CallerThread()

    async def __aenter__(self) -> Self:
        """Create the file.

        Raises:
            FileExistsError: `path` exists and must not be overwritten.
            OSError: the temporary file cannot be made.
        """
        try:
            await self._finish(self._create)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        try:
            await self._finish(self._discard)
        finally:
            self._thread.close()

    async def write(self, data: bytes) -> None:
        """Append bytes. On return at most 1 MiB is still in memory."""
        self._gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= _WRITE_SIZE:
            await self._flush()

    async def commit(self, size: int) -> None:
        """Put the file, which must have `size` bytes, at the path. On return it is on the disk.

        Raises:
            IntegrityError: the file has another size.
            FileExistsError: the path was made meanwhile, and must not be overwritten.
            OSError: the file cannot be written to its end.
        """
        await self._flush()
        await self._finish(self._publish, size)

    async def _flush(self) -> None:
        pieces, self._gathered, self._gathered_size = self._gathered, [], 0
        await self._finish(self._append, pieces)

    async def _finish(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in the file's thread and wait for its end. A cancellation meanwhile is raised afterwards."""
        call = self._thread.begin(function, *arguments)
        cancellation: asyncio.CancelledError | None = None
        with shielded_from_anyio(math.inf):
            while not call.done():
                try:
                    await asyncio.wait({call})
                except asyncio.CancelledError as error:
                    cancellation = error
        if cancellation is not None:
            raise cancellation
        return call.result().unwrap()

    # The methods below run in the file's thread.

    @_naming_its_path
    def _create(self) -> None:
        if self._overwrite and self._path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self._path))
        if not self._overwrite and os.path.lexists(self._path):
            raise self._exists()
        self._file = open(self._temporary, "xb")  # noqa: SIM115 - closed by _publish or _discard

    @_naming_its_path
    def _append(self, pieces: list[bytes]) -> None:
        assert self._file is not None
        for piece in pieces:
            self._file.write(piece)

    @_naming_its_path
    def _publish(self, size: int) -> None:
        assert self._file is not None
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
            written = os.fstat(file.fileno()).st_size
        if written != size:
            raise IntegrityError(f"{written} bytes were written of an object of {size} bytes")
        if self._overwrite:
            self._temporary.replace(self._path)
            return
        try:
            os.link(self._temporary, self._path)
        except FileExistsError:
            raise self._exists() from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._publish_without_links()

    def _publish_without_links(self) -> None:
        """Reserve the path with an empty file, made exclusively, then replace that by the complete file."""
        try:
            self._path.open("xb").close()
        except FileExistsError:
            raise self._exists() from None
        try:
            self._temporary.replace(self._path)
        except BaseException:
            self._path.unlink()
            raise

    def _discard(self) -> None:
        # A second failure here must not hide the first one.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()

    def _exists(self) -> FileExistsError:
        return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._path))
