"""A file without a name: a process that dies leaves nothing of it."""

from __future__ import annotations

import errno
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from io import FileIO

from aios3._concurrency.caller_errors import note
from aios3._concurrency.named_files import naming
from aios3._protocol.messages import Body

if sys.platform != "win32":  # pragma: no branch - decided by the platform
    import resource

__all__ = ["SpillFile", "check_directory", "most_files"]


class SpillFile:
    """Bytes on the disk. Every method belongs into a thread, one at a time."""

    def __init__(self, directory: str | None) -> None:
        """Take the directory, ``None`` for the usual one; there is no file before `prepare`, `write` or `read`."""
        self._directory = directory
        self._file: FileIO | None = None

    def prepare(self, size: int) -> None:
        """Make the file in the usual directory, if `size` bytes are free there.

        Raises:
            OSError: there is no such directory, or the system lets no file be made there, or it is too full.
        """
        self._directory = _usual_directory()
        if shutil.disk_usage(self._directory).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._directory)
        self._opened()

    def write(self, pieces: Body, offset: int) -> None:
        """Put all pieces there, one behind the other, from `offset` on; to do it twice is harmless.

        Raises:
            OSError: the disk is full, or another failure of the system.
        """
        try:
            with naming(self._directory or tempfile.gettempdir()):
                self._write(pieces, offset)
        except OSError as error:
            note(error, f"aios3: part bytes could not be spilled to {self._directory!r}")
            raise

    def read(self, pieces: Iterable[memoryview]) -> None:
        """Fill all pieces, one behind the other, from the beginning.

        Raises:
            OSError: the file is shorter, or another failure of the system.
        """
        with naming(self._directory or tempfile.gettempdir()):
            self._read(pieces)

    def _write(self, pieces: Body, offset: int) -> None:
        file = self._opened()
        file.seek(offset)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]

    def _read(self, pieces: Iterable[memoryview]) -> None:
        file = self._opened()
        file.seek(0)
        for piece in pieces:
            rest = piece
            while rest:
                count = file.readinto(rest)
                if not count:
                    raise OSError(errno.EIO, f"a file spilled to {self._directory!r} has lost bytes")
                rest = rest[count:]

    def close(self) -> None:
        """Let it go, with its bytes."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._directory)  # noqa: SIM115 - until `close`
        return self._file


def _usual_directory() -> str:
    """Return ``$TMPDIR``, else ``/var/tmp``, which is on a disk where ``/tmp`` may be memory; else what Python uses.

    Raises:
        OSError: nothing can be written to any of them.
    """
    chosen = os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108 - what is made there has no name
    return chosen if os.access(chosen, os.W_OK | os.X_OK) else tempfile.gettempdir()


def most_files() -> float:
    """Return how many files may be open for parts: a third of what the process may open, the rest is for sockets."""
    if sys.platform == "win32":  # pragma: no cover - decided by the platform
        return 2048
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft // 3


def check_directory(directory: str) -> None:
    """Make a file there, and let it go; belongs into a thread.

    Raises:
        OSError: that cannot be done.
    """
    with naming(directory), tempfile.TemporaryFile(buffering=0, dir=directory):
        pass
