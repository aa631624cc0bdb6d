"""Files below a directory, chosen by patterns."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from aios3.cli._files.file_uploads import FileJob
from aios3.cli._shared.targets import S3Url

__all__ = ["Directory", "LocalFile"]


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
class Directory:
    """Directory whose files become objects below a URL.

    Patterns are matched with the whole relative path, in which ``*`` also matches slashes. Without `include` all files
    are chosen. A file that `exclude` matches is never chosen.
    """

    path: str
    url: S3Url
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def files(self) -> list[LocalFile]:
        """Return the chosen files in the order of their paths. Blocks while it reads the disk.

        Links to files count as files. Links to directories are not followed. What is no regular file is left out, and
        so is what vanishes meanwhile.

        Raises:
            OSError: a directory cannot be read.
        """
        return sorted(self._found(), key=lambda file: file.relative)

    def job(self, file: LocalFile) -> FileJob:
        """Return the upload of one of the files."""
        return FileJob(os.path.join(self.path, file.relative), self.url.below(file.relative))

    def _found(self) -> Iterator[LocalFile]:
        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError) or error.filename == self.path:
                raise error

        for parent, _, names in os.walk(self.path, onerror=fail):
            for name in names:
                path = os.path.join(parent, name)
                relative = os.path.relpath(path, self.path)
                if self._chooses(relative) and (file := _regular(path, relative)) is not None:
                    yield file

    def _chooses(self, relative: str) -> bool:
        text = relative.replace(os.sep, "/")
        is_included = not self.include or any(fnmatchcase(text, pattern) for pattern in self.include)
        return is_included and not any(fnmatchcase(text, pattern) for pattern in self.exclude)


def _regular(path: str, relative: str) -> LocalFile | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:  # vanished, or a link that leads nowhere
        return None
    return LocalFile(relative, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
