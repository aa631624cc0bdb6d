"""Paths in the errors of the system: each error names a path that the caller knows."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from typing import Any

__all__ = ["NamedFile", "naming"]


@contextmanager
def naming(path: str | os.PathLike[str]) -> Generator[None]:
    """Put `path` into an `OSError` of the block; the number, text and type stay.

    The system names the path that it was given, perhaps of a temporary file, and no path for an open file.
    """
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        if error.filename2 is not None:
            del error.filename2
        raise


class NamedFile(FileIO):
    """An unbuffered file, open for reading, whose errors name its path."""

    def read(self, size: int | None = -1, /) -> Any:
        """Read at most `size` bytes."""
        with naming(self.name):
            return super().read(-1 if size is None else size)

    def readinto(self, buffer: Any, /) -> Any:
        """Read at most as many bytes as `buffer` holds, and return the number read."""
        with naming(self.name):
            return super().readinto(buffer)
