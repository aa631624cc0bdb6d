"""Files of a watched directory, in the order in which an upload should store them.

Segments come before the playlists that name them, and what is still being written waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from aios3._concurrency.threads import in_library_thread
from aios3.errors import ConfigurationError
from aios3.options import MIB

__all__ = [
    "ChangedFile",
    "DirectoryWatch",
    "LocalFile",
    "directory_changes",
    "files_below",
    "is_playlist",
    "names_in",
    "wake_ups",
]

_PIECE: Final = MIB
"""Bytes that a source reads at once."""
_PLAYLISTS: Final = (".m3u8", ".mpd")
_ENDS: Final = (b"\n", b"</MPD>")
_SEPARATORS: Final = re.compile(r"[\"'<>,=?#\s]+")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Regular file, as it was when it was seen."""

    relative: str
    """Path below the directory, with the separators of this system."""
    size: int
    """Size in bytes."""
    modified_ns: int
    """Time of the last change, in nanoseconds since 1970."""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """File that is complete. Its `source` can be uploaded."""

    path: Path
    relative: str
    """Path below the directory, with slashes on every system, so it can be the end of a key."""
    size: int
    """Size in bytes when it was seen."""
    content: bytes | None = None
    """Content of a playlist as it was when all files that it names were stored; ``None`` for other files."""

    @property
    def source(self) -> bytes | Iterator[bytes]:
        """Source for one upload. It reads the file in a thread, in pieces of 1 MiB."""
        return _pieces(self.path) if self.content is None else self.content


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


async def directory_changes(
    path: str | os.PathLike[str], *, include: Sequence[str] = (), exclude: Sequence[str] = (), settle: float = 1.0
) -> AsyncGenerator[ChangedFile, None]:
    """Yield each file of a directory once it is complete, and again whenever it has changed. It never ends by itself.

    Ask for the next file only when the last one is stored, because that request says so. Then a playlist comes after
    the files that it names. Close the generator (``aclosing``) when you stop: that ends the watch.

    Args:
        path: the directory, with its subdirectories. Files that are there from the start come first.
        include: patterns of relative paths with slashes, in which ``*`` also matches slashes; empty takes all files.
        exclude: patterns of files that never come.
        settle: seconds without a change after which a file is complete.

    Raises:
        ConfigurationError: the package ``watchfiles`` is not installed. It comes with the extra ``cli``.
        OSError: the directory cannot be read.
    """
    folder, clock = os.fspath(path), asyncio.get_running_loop().time
    watch = DirectoryWatch(settle)
    await in_library_thread(os.stat, folder)  # or the watcher raises an error that does not name the directory
    async with aclosing(await in_library_thread(wake_ups, folder, max(settle / 2, 0.05))) as changes:
        async for _ in changes:
            watch.see(await in_library_thread(files_below, folder, include, exclude), clock())
            while ready := await in_library_thread(_next_ready, folder, include, exclude, watch, clock()):
                file, content = ready
                relative = file.relative.replace(os.sep, "/")
                yield ChangedFile(Path(folder, file.relative), relative, file.size, content)
                watch.sent(file)


def _next_ready(
    folder: str, include: Sequence[str], exclude: Sequence[str], watch: DirectoryWatch, now: float
) -> tuple[LocalFile, bytes | None] | None:
    for file in watch.segments(now):
        return file, None
    return next(watch.complete_playlists(folder, lambda: files_below(folder, include, exclude), now), None)


def wake_ups(path: str, seconds: float) -> AsyncGenerator[None]:
    """Return an iterator that yields at each change below a directory, and at least every so many seconds.

    Call it outside the event loop, because the first import of the watcher reads many files.

    Raises:
        ConfigurationError: the package that watches is not installed.
    """
    try:
        from watchfiles import awatch
    except ModuleNotFoundError:
        raise ConfigurationError(
            "to watch a directory needs the package 'watchfiles': pip install 'aios3-upload[cli]'"
        ) from None
    return _each(awatch(path, rust_timeout=max(1, int(seconds * 1000)), yield_on_timeout=True))


async def _each(changes: Any) -> AsyncGenerator[None]:
    async with aclosing(changes):
        async for _ in changes:
            yield


def files_below(path: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[LocalFile]:
    """Return the chosen files below a directory in the order of their paths. Blocks while it reads the disk.

    Patterns are matched with the whole relative path, in which ``*`` also matches slashes. Without `include` all files
    are chosen. A file that `exclude` matches is never chosen. Links to files count as files. Links to directories are
    not followed. What is no regular file is left out, and so is what vanishes meanwhile.

    Raises:
        OSError: a directory cannot be read.
    """
    return sorted(_found(path, include, exclude), key=lambda file: file.relative)


def _found(top: str, include: Sequence[str], exclude: Sequence[str]) -> Iterator[LocalFile]:
    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError) or error.filename == top:
            raise error

    for parent, _, names in os.walk(top, onerror=fail):
        for name in names:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, top)
            if _chooses(relative, include, exclude) and (file := _regular(path, relative)) is not None:
                yield file


def _chooses(relative: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    text = relative.replace(os.sep, "/")
    is_included = not include or any(fnmatchcase(text, pattern) for pattern in include)
    return is_included and not any(fnmatchcase(text, pattern) for pattern in exclude)


def _regular(path: str, relative: str) -> LocalFile | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:  # vanished, or a link that leads nowhere
        return None
    return LocalFile(relative, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def is_playlist(file: LocalFile) -> bool:
    """Return whether a file names other files that must be there before it: an HLS playlist or a DASH manifest."""
    return file.relative.lower().endswith(_PLAYLISTS)


def names_in(body: bytes) -> set[str]:
    """Return the words of a playlist that may be names of files, without their directories."""
    text = body.decode(errors="replace")
    words = [*_SEPARATORS.split(text), *text.splitlines()]
    return {unquote(word).rpartition("/")[2] for word in words}


class DirectoryWatch:
    """Files of a directory that grow, change and appear while they are uploaded.

    Time is an argument, in seconds of any clock that never goes back.
    """

    def __init__(self, settle: float) -> None:
        """Begin without a file.

        Args:
            settle: seconds without a change after which a file counts as complete.
        """
        self._settle = settle
        self._sent: dict[str, LocalFile] = {}
        self._files: dict[str, LocalFile] = {}
        self._unchanged_since: dict[str, float] = {}
        self._waiting_since: dict[str, float] = {}

    def see(self, files: Iterable[LocalFile], now: float) -> None:
        """Take note of all files that are there now."""
        seen = {file.relative: file for file in files}
        for name, file in seen.items():
            if self._files.get(name) != file:
                self._unchanged_since[name] = now
            if self._sent.get(name) == file:
                self._waiting_since.pop(name, None)
            else:
                self._waiting_since.setdefault(name, now)
        self._files = seen

    def sent(self, file: LocalFile) -> None:
        """Take note that a file was stored as it was then."""
        self._sent[file.relative] = file
        self._waiting_since.pop(file.relative, None)

    def segments(self, now: float) -> list[LocalFile]:
        """Return the files to store now that are no playlists: those that have not changed for long enough."""
        waiting = [file for file in self._waiting() if not is_playlist(file)]
        return [file for file in waiting if now - self._unchanged_since[file.relative] >= self._settle]

    def playlists(self, now: float) -> list[LocalFile]:
        """Return the playlists to look at now. A live playlist never rests, so only its first change counts."""
        waiting = [file for file in self._waiting() if is_playlist(file)]
        return [file for file in waiting if now - self._waiting_since[file.relative] >= self._settle]

    def complete_playlists(
        self, folder: str, files: Callable[[], Iterable[LocalFile]], now: float
    ) -> Iterator[tuple[LocalFile, bytes]]:
        """Yield the playlists that are complete, with their bytes, so that no later change gets in.

        Blocks while it reads the disk. `files` returns all files that are there. They are looked at after the playlists
        were read: a playlist may have changed since, and then it names files that were not there before.
        """
        bodies = {}
        for playlist in self.playlists(now):
            with contextlib.suppress(FileNotFoundError):
                bodies[playlist] = Path(folder, playlist.relative).read_bytes()
        if bodies:
            self.see(files(), now)
        yield from ((playlist, body) for playlist, body in bodies.items() if self.is_complete(playlist, body))

    def is_complete(self, playlist: LocalFile, body: bytes) -> bool:
        """Return whether a playlist is whole, and everything that it names in its directory is stored.

        Another playlist that it names must have been stored at least once, for it may change without end.
        """
        if not body.rstrip(b" \t\r").endswith(_ENDS):
            return False
        names, folder = names_in(body), os.path.dirname(playlist.relative)
        return not any(
            os.path.basename(name) in names and _is_below(name, folder) and name != playlist.relative
            for name, file in self._files.items()
            if self._is_missing(file)
        )

    def _is_missing(self, file: LocalFile) -> bool:
        stored = self._sent.get(file.relative)
        return stored is None or (stored != file and not is_playlist(file))

    def _waiting(self) -> Sequence[LocalFile]:
        return [file for name, file in self._files.items() if name in self._waiting_since]


def _is_below(name: str, folder: str) -> bool:
    return not folder or name.startswith(folder + os.sep)
