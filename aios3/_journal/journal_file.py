"""Journal file of one process: append-only, and locked as long as its process lives.

The lock is the kernel's (``flock``) and ends with the process in every case. A
process id would not do, because the system can give it to another process. A
file is made under another name and renamed when it is locked. So no journal is
ever seen unlocked while its process lives.

A lock belongs to the open file, which a forked process shares. So a fork closes
its copy at once, and the lock stays with the process that opened the file.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import threading
import weakref
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from aios3._concurrency.named_files import naming
from aios3.errors import ConfigurationError

from .entries import JournalEntry, begin_lines, ended_line, head_line, read_journal

__all__ = ["JournalFile", "find_dead_journals", "read_other_journals"]

_SUFFIX: Final = ".journal"
_MOST_BYTES: Final = 256 * 1024
"""Bytes of a file without open entries. A longer file is cut after its first line."""
_LONGEST_HEAD: Final = 64 * 1024


_open_files: Final = weakref.WeakSet["JournalFile"]()
_opening: Final = threading.Lock()
"""Held while a file is opened or closed, and during a fork. So a fork knows all files that are open in it."""


class JournalFile:
    """Open, locked journal file. Its methods block: call them in one thread."""

    def __init__(self, path: Path) -> None:
        """Set up the object. `create` and `take_over` open the file."""
        self.path = path
        self.open: dict[int, JournalEntry] = {}
        """Entries that have begun and not ended, by number."""
        self._descriptor = -1
        self._is_torn = False
        _open_files.add(self)

    def _open(self, path: Path, flags: int) -> None:
        with _opening:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600)

    def _release(self) -> None:
        """Close the file. Its lock ends unless another process shares the open file."""
        with _opening:
            self._forget()

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    @classmethod
    def create(cls, directory: Path, endpoint: str) -> JournalFile:
        """Make a journal in `directory`, and the directory if it is missing.

        Raises:
            OSError: one of them cannot be made.
            ConfigurationError: this platform has no file locks.
        """
        _file_locks()
        with naming(directory):
            return cls._create(directory, endpoint)

    @classmethod
    def _create(cls, directory: Path, endpoint: str) -> JournalFile:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            _sync_directory(directory.parent)
        path = directory / f"{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}"
        unlocked = path.with_suffix(".new")
        journal = cls(path)
        journal._open(unlocked, os.O_CREAT | os.O_EXCL)
        try:
            _lock(journal._descriptor)
            journal._append(head_line(endpoint), durable=True)
            unlocked.rename(path)
            _sync_directory(directory)
        except BaseException:
            journal._release()
            for name in (unlocked, path):
                name.unlink(missing_ok=True)
            raise
        return journal

    @classmethod
    def take_over(cls, path: Path) -> JournalFile | None:
        """Open and lock the journal of a dead process.

        Returns:
            ``None`` if the process lives, or if the file is gone or another user's.

        Raises:
            OSError: the file cannot be opened or read.
        """
        journal = cls(path)
        try:
            journal._open(path, 0)
        except (FileNotFoundError, PermissionError):  # finished meanwhile, or another user's
            return None
        try:
            with naming(path):
                _lock(journal._descriptor)
                journal.open = _read(path)
        except (BlockingIOError, FileNotFoundError):  # its process lives, or another process finished it first
            journal._release()
            return None
        except BaseException:
            journal._release()
            raise
        journal._is_torn = True
        return journal

    def begin(self, number: int, entry: JournalEntry) -> None:
        """Write an entry. It is on the disk when the method returns.

        Raises:
            OSError: the entry cannot be written.
        """
        self.open[number] = entry
        self._append(begin_lines(number, entry), durable=True)

    def add(self, lines: str) -> None:
        """Write whole lines about an open entry. They are on the disk when the method returns.

        Raises:
            OSError: the lines cannot be written.
        """
        self._append(lines, durable=True)

    def end(self, number: int) -> None:
        """Write that an entry is no longer open, without a wait for the disk. The loss of this line is harmless.

        Raises:
            OSError: the line cannot be written.
        """
        self.open.pop(number, None)
        self._append(ended_line(number), durable=False)
        with naming(self.path):
            if not self.open and os.fstat(self._descriptor).st_size > _MOST_BYTES:
                self._cut()

    def _cut(self) -> None:
        with self.path.open("rb") as file:
            head = file.readline(_LONGEST_HEAD)
        os.ftruncate(self._descriptor, len(head))

    def _append(self, lines: str, *, durable: bool) -> None:
        data = lines.encode()
        if self._is_torn:  # a full disk or a crash tore the last line, so end that line first
            data = b"\n" + data
        self._is_torn = True
        with naming(self.path):
            while data:
                data = data[os.write(self._descriptor, data) :]
            self._is_torn = False
            if durable:
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Unlock the file, and remove it if it has no open entry. Closing twice is harmless."""
        if self._descriptor < 0:
            return
        if not self.open:
            with contextlib.suppress(OSError):  # the next process finds the file without open entries
                self.path.unlink(missing_ok=True)
        self._release()


def _release_in_fork() -> None:
    """Close the fork's copies of all files. Only the other process holds the locks; no file is written or removed."""
    for journal in _open_files:
        if journal._descriptor >= 0:
            journal._forget()
    _opening.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows, where nothing forks
    os.register_at_fork(before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_release_in_fork)


def find_dead_journals(directory: Path, endpoint: str) -> Iterator[JournalFile]:
    """Lock and yield, one by one, the journals of dead processes at that endpoint. Leaves other journals alone.

    Raises:
        OSError: the directory, or a file in it, cannot be read.
    """
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        if _endpoint_of(path) == endpoint and (journal := JournalFile.take_over(path)) is not None:
            yield journal


def read_other_journals(directory: Path, endpoint: str, own: Collection[Path]) -> list[JournalEntry]:
    """Return the open entries of all processes at that endpoint, living or dead, except the files in `own`.

    Raises:
        OSError: the directory, or a file in it, cannot be read.
    """
    found: list[JournalEntry] = []
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        if path not in own and _endpoint_of(path) == endpoint:
            with contextlib.suppress(FileNotFoundError):  # finished meanwhile
                found.extend(_read(path).values())
    return found


def _endpoint_of(path: Path) -> str | None:
    """Return the endpoint of a journal without locking it; ``None`` if the file does not show it."""
    try:
        with naming(path), path.open("rb") as file:
            return read_journal([file.readline(_LONGEST_HEAD).decode("utf-8", errors="replace")])[0]
    except (FileNotFoundError, PermissionError):
        return None


def _read(path: Path) -> dict[int, JournalEntry]:
    with naming(path):
        return read_journal(path.read_text("utf-8", errors="replace").split("\n"))[1]


def _lock(descriptor: int) -> None:
    fcntl = _file_locks()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _file_locks() -> Any:
    try:
        return importlib.import_module("fcntl")
    except ImportError:
        raise ConfigurationError("a journal needs file locks (flock), which this platform does not have") from None


def _sync_directory(directory: Path) -> None:
    """Write a directory to the disk, which makes new names in it durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
