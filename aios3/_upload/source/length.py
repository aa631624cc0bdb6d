"""How long a source may be, and how long it turned out to be."""

from __future__ import annotations

import sys
from typing import NoReturn

from aios3.errors import ObjectTooLargeError, SizeMismatchError

__all__ = ["SourceLength"]


class SourceLength:
    """Counts what is read of one source."""

    def __init__(self, *, size: int | None, max_size: int | None, read: int = 0) -> None:
        """Take the declared size, the most that is allowed, and what was read before; all in bytes."""
        self._size = size
        self._max_size = max_size
        self._most = min(sys.maxsize if size is None else size, sys.maxsize if max_size is None else max_size)
        self.read = read
        """Bytes so far."""

    @property
    def max_read(self) -> int:
        """Bytes to ask for at most: one more than the source may still have, which is enough to refuse it."""
        return self._most - self.read + 1

    def count(self, count: int) -> int:
        """Note that `count` bytes more were read; return how many there are.

        Raises:
            ObjectTooLargeError: that is more than is allowed.
            SizeMismatchError: that is more than was declared.
        """
        read = self.read + count
        if read > self._most:
            self._refuse(read)
        self.read = read
        return read

    def _refuse(self, read: int) -> NoReturn:
        if self._max_size is not None and read > self._max_size:
            raise ObjectTooLargeError(f"the source is longer than max_size={self._max_size} bytes")
        raise SizeMismatchError(f"the source is longer than its declared size of {self._size} bytes")

    def end(self) -> int:
        """Note that the source has ended; return how many bytes it had.

        Raises:
            SizeMismatchError: that is less than was declared.
        """
        if self._size is not None and self.read != self._size:
            raise SizeMismatchError(f"the source ended after {self.read} of its declared {self._size} bytes")
        return self.read
