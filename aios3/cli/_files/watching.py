"""Decision which files of a watched directory are ready: segments first, then the playlists that name them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote

from aios3.cli._files.directory import LocalFile

__all__ = ["WatchedFiles", "is_playlist", "names_in"]

_PLAYLISTS: Final = (".m3u8", ".mpd")
_ENDS: Final = (b"\n", b"</MPD>")
_SEPARATORS: Final = re.compile(r"[\"'<>,=?#\s]+")


def is_playlist(file: LocalFile) -> bool:
    """Return whether a file names other files that must be there before it: an HLS playlist or a DASH manifest."""
    return file.relative.lower().endswith(_PLAYLISTS)


def names_in(body: bytes) -> set[str]:
    """Return the words of a playlist that may be names of files, without their directories."""
    text = body.decode(errors="replace")
    words = [*_SEPARATORS.split(text), *text.splitlines()]
    return {unquote(word).rpartition("/")[2] for word in words}


class WatchedFiles:
    """Files of a directory that grow, change and appear while they are uploaded.

    Time is an argument, in seconds of any clock that never goes back.
    """

    def __init__(self, settle: float) -> None:
        """Watch.

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
