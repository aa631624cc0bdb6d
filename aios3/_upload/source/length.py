"""Checks of a source's length against its declared size and the limits."""

from __future__ import annotations

import sys
from typing import NoReturn

from aios3.errors import ObjectTooLargeError, SizeMismatchError

__all__ = ["SourceLength"]


class SourceLength:
    """Counts the bytes that are read of one source."""

    def __init__(self, *, size: int | None, max_size: int | None, put_limit: int | None = None, read: int = 0) -> None:
        """Take the limits in bytes; ``None`` is no limit.

        Args:
            size: as declared.
            max_size: the most that the caller allows.
            put_limit: the most that the store takes, if the upload has no parts.
            read: bytes that were read before.
        """
        self._size = size
        self._max_size = max_size
        self._put_limit = put_limit
        self._most = min(sys.maxsize if limit is None else limit for limit in (size, max_size, put_limit))
        self.read = read
        """Bytes so far."""

    @property
    def max_read(self) -> int:
        """Bytes to ask for at most: one more than the source may still have, which is enough to refuse it."""
        return self._most - self.read + 1

    def count(self, count: int) -> int:
        """Note that `count` bytes more were read; return how many there are.

        Raises:
            ObjectTooLargeError: that is more than the caller allows, or the store takes.
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
        if self._size is not None and read > self._size:
            raise SizeMismatchError(f"the source is longer than its declared size of {self._size} bytes")
        raise ObjectTooLargeError(
            f"the source is longer than {self._put_limit} bytes, the most that the store takes in one PutObject, and "
            "this upload has no parts"
        )

    def end(self) -> int:
        """Note that the source has ended; return how many bytes it had.

        Raises:
            SizeMismatchError: that is less than was declared.
        """
        if self._size is not None and self.read != self._size:
            raise SizeMismatchError(f"the source ended after {self.read} of its declared {self._size} bytes")
        return self.read
