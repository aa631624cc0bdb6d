"""Parts on the disk, for which no memory is free because slow sources hold it.

Theory of operation. An unfinished part waits for memory in one of two cases. Parts in flight hold it, which always end.
Or other unfinished parts hold it, whose sources may be slow without end. `MemoryBudget` distinguishes the two cases.
Only in the second case the part moves to a file, and its memory is released. Later chunks go straight to the file.
Before the part is sent, it is read back as a whole, into memory that unfinished parts leave free. This second wait
needs no source either.

The default directory is optional. If the system refuses to make a file there, the disk counts as full with the bytes
that it holds. Further parts then wait for memory instead.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from io import FileIO
from typing import ClassVar, Final

from aios3._concurrency.caller_errors import Outcome, note
from aios3._concurrency.named_files import naming
from aios3._concurrency.threads import ThreadWork
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, Part
from aios3._protocol.wire.messages import Body

from .budget import MemoryBudget
from .held_part import PartInMemory
from .segment_pool import SegmentPool

if sys.platform != "win32":  # pragma: no branch - decided by the platform
    import resource

__all__ = ["DiskOverflow", "Spill", "SpillFile", "SpilledPart", "check_directory", "most_files"]


class SpillFile:
    """Temporary file for the bytes of one part. All methods block: call them in a thread, one at a time."""

    def __init__(self, directory: str | None) -> None:
        """Take the directory; ``None`` is the default one. The first `prepare`, `write` or `read` makes the file."""
        self._directory = directory
        self._file: FileIO | None = None

    def prepare(self, size: int) -> None:
        """Make the file in the default directory, if `size` bytes are free there.

        Raises:
            OSError: there is no such directory, the system refuses to make the file, or the disk is too full.
        """
        self._directory = _usual_directory()
        if shutil.disk_usage(self._directory).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._directory)
        self._opened()

    def write(self, pieces: Body, offset: int) -> None:
        """Write all pieces, one after the other, from `offset` on, in bytes. A repetition is harmless.

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
        """Fill all pieces, one after the other, from the beginning of the file.

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
        """Close the file, which deletes its bytes."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._directory)  # noqa: SIM115 - until `close`
        return self._file


def _usual_directory() -> str:
    """Return ``$TMPDIR``, else ``/var/tmp``, else Python's choice. ``/tmp`` may be memory, ``/var/tmp`` is on a disk.

    Raises:
        OSError: none of them is writable.
    """
    chosen = os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108 - the file has no name
    return chosen if os.access(chosen, os.W_OK | os.X_OK) else tempfile.gettempdir()


def most_files() -> float:
    """Return how many files may be open for parts: a third of the process limit, because sockets need the rest."""
    if sys.platform == "win32":  # pragma: no cover - decided by the platform
        return 2048
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else soft // 3


def check_directory(directory: str) -> None:
    """Make a file in `directory`, and delete it. It blocks: call it in a thread.

    Raises:
        OSError: the file cannot be made.
    """
    with naming(directory), tempfile.TemporaryFile(buffering=0, dir=directory):
        pass


_LOG: Final = logging.getLogger("aios3")


@dataclass(eq=False)
class Spill:
    """Disk space that all uploads of a driver share, and the memory to read parts back."""

    directory: str | None
    """Directory of the files; ``None`` is the default one, which is optional."""
    limit: int
    """Most bytes on the disk."""
    memory: MemoryBudget
    """Memory budget of the driver. A part that is larger than its reserve is never spilled."""
    pool: SegmentPool
    most_files: float = math.inf
    """Most files that may be open at once."""
    make_file: Callable[[str | None], SpillFile] = SpillFile
    files: int = 0
    """Number of files that are open or promised."""
    has_refused: bool = False
    """The system had less room than `limit` allows."""
    used: int = 0
    """Bytes on the disk: promised to unfinished parts, or taken by parts in flight."""
    under_way: int = 0
    """Bytes of `used` that are promised to unfinished parts."""

    def has_room(self, size: int) -> bool:
        """Return whether a part of `size` bytes may begin."""
        return size <= self.memory.reserve and self.used + size <= self.limit and self.files < self.most_files

    def will_have_room(self, size: int) -> bool:
        """Return whether a part of `size` bytes may begin after the parts in flight have given back their room."""
        is_possible = size <= self.memory.reserve and self.under_way + size <= self.limit
        return is_possible and self.used > self.under_way

    def refuse(self, size: int, error: OSError) -> None:
        """Note that the system has no room for `size` promised bytes. The limit becomes the bytes used without them."""
        if not self.has_refused:
            self.has_refused = True
            _LOG.warning("no further parts can be kept on the disk, so uploads may wait for memory: %s", error)
        self.limit = self.used - size

    def begin(self, number: int, size: int, work: ThreadWork) -> SpilledPart:
        """Begin a part of `size` bytes. There must be room for it."""
        self.files += 1
        self.used += size
        self.under_way += size
        return SpilledPart(self, number, size, work)

    def give_back(self, size: int) -> None:
        """Take back `size` bytes of the disk."""
        self.used -= size
        self.memory.reconsider()


@dataclass(frozen=True, slots=True)
class DiskOverflow:
    """Disk as the target of one part that would have to wait for memory."""

    spill: Spill
    size: int
    """Bytes of the whole part."""

    def is_open(self) -> bool:
        """Return whether the part may go to the disk now."""
        return self.spill.has_room(self.size)

    def may_open(self) -> bool:
        """Return whether the end of parts in flight will give enough room on the disk."""
        return self.spill.will_have_room(self.size)


class SpilledPart:
    """A part on the disk: written piece by piece, then read back to be sent, then closed."""

    is_on_disk: ClassVar = True

    def __init__(self, spill: Spill, number: int, capacity: int, work: ThreadWork) -> None:
        self.number = number
        self.capacity = capacity
        """Bytes of the part when it is full."""
        self.size = 0
        """Bytes in the part."""
        self._spill = spill
        self._work = work
        self._file = spill.make_file(spill.directory)
        self._writing: asyncio.Future[Outcome[None]] | None = None
        self._promised = capacity
        self._loaded: PartInMemory | None = None

    @property
    def body(self) -> Body:
        """The slices to send, between `open` and `close`."""
        assert self._loaded is not None
        return self._loaded.body

    @property
    def missing(self) -> int:
        """Bytes that the part needs to be full."""
        return self.capacity - self.size

    @property
    def is_full(self) -> bool:
        """The part is complete."""
        return not self.missing

    async def prepare(self) -> bool:
        """Make the file, if the directory is the default one; return whether the disk takes the part.

        After False the part must be closed. In a directory that the caller chose, a full disk fails the upload at the
        first write that does not fit.
        """
        if self._spill.directory is not None:
            return True
        self._writing = self._work.begin(partial(self._file.prepare, self._spill.under_way))
        try:
            await self._work.end_of(self._writing)
        except OSError as error:
            self._spill.refuse(self.capacity, error)
            return False
        return True

    async def take_over(self, body: Body, size: int, ended: Callable[[], object]) -> None:
        """Write the `size` bytes of the part that are in memory. `ended` is called when no thread reads them.

        Raises:
            OSError: the bytes cannot be written.
        """
        await self._write(body, size, ended)

    async def write(self, data: memoryview) -> int:
        """Write bytes from the front of `data` until the part is full; return their number.

        No thread reads `data` after the call, also after a failure or a cancellation.

        Raises:
            OSError: the bytes cannot be written.
        """
        piece = data[: self.missing]
        await self._write((piece,), len(piece), lambda: None)
        return len(piece)

    async def _write(self, pieces: Body, size: int, ended: Callable[[], object]) -> None:
        self._writing = self._work.begin(partial(self._file.write, pieces, self.size), ended)
        await self._work.end_of(self._writing)
        self.size += size

    def end(self) -> None:
        """Note that the part is finished, and give back the promised bytes that it does not use."""
        self._spill.under_way -= self.capacity
        if not self._is_busy:
            self._promised = self.size
            self._spill.give_back(self.missing)

    @property
    def _is_busy(self) -> bool:
        return self._writing is not None and not self._writing.done()

    async def open(self) -> None:
        """Wait for the memory of the whole part, and read the part back.

        Raises:
            OSError: the file cannot be read.
        """
        await self._spill.memory.acquire_whole(self.size)
        segments = tuple(self._spill.pool.take() for _ in range(-(-self.size // SEGMENT_SIZE)))
        part = Part(self.number, self.size, segments)
        self._loaded = PartInMemory(part, self._spill.memory, self._spill.pool)
        await self._work.run(partial(self._file.read, part.body))

    def close(self) -> None:
        """Give everything back, the file when its last write has ended; no request may use a slice any longer."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.close()
        if self._writing is not None and self._is_busy:  # a task of the caller still writes after the upload
            self._writing.add_done_callback(lambda _: self._close_file())
        else:
            self._close_file()

    def _close_file(self) -> None:
        self._spill.files -= 1
        try:
            _ = self._work.begin(self._file.close, lambda: self._spill.give_back(self._promised))
        except RuntimeError:  # the process is ending, so blocking the loop does no harm
            self._file.close()
