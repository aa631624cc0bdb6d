"""Directory whose files become objects below a URL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from aios3.cli._files.file_uploads import FileJob
from aios3.cli._shared.targets import S3Url
from aios3.directories import LocalFile, files_below

__all__ = ["Directory"]


@dataclass(frozen=True, slots=True)
class Directory:
    """Directory whose files become objects below a URL; patterns choose them as in `files_below`."""

    path: str
    url: S3Url
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def files(self) -> list[LocalFile]:
        """Return the chosen files in the order of their paths. Blocks while it reads the disk.

        Raises:
            OSError: a directory cannot be read.
        """
        return files_below(self.path, self.include, self.exclude)

    def job(self, file: LocalFile) -> FileJob:
        """Return the upload of one of the files."""
        return FileJob(os.path.join(self.path, file.relative), self.url.below(file.relative))
