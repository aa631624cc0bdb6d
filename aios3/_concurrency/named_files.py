"""Names in the errors of the system: each tells a path that the caller knows."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from typing import Any

__all__ = ["NamedFile", "naming"]


@contextmanager
def naming(path: str | os.PathLike[str]) -> Generator[None]:
    """Put `path` into what the system raises in the block; its number, text and type stay.

    The system names what it was given, perhaps a temporary file, and nothing where it was given an open file.
    """
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        if error.filename2 is not None:
            del error.filename2
        raise


class NamedFile(FileIO):
    """An unbuffered file, open for reading, whose errors tell its path."""

    def read(self, size: int | None = -1, /) -> Any:
        """Read at most `size` bytes."""
        with naming(self.name):
            return super().read(-1 if size is None else size)

    def readinto(self, buffer: Any, /) -> Any:
        """Read as many bytes as `buffer` holds, at most, and return how many there were."""
        with naming(self.name):
            return super().readinto(buffer)
