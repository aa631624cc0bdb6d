"""Checks of a source's length against its declared size and the limits."""

from __future__ import annotations

import sys
from typing import NoReturn

from aios3.errors import ObjectTooLargeError, SizeMismatchError

__all__ = ["SourceLength"]


class SourceLength:
    """Counts the bytes that are read from one source."""

    def __init__(
        self,
        *,
        size: int | None,
        max_size: int | None,
        put_limit: int | None = None,
        read: int = 0,
        may_end_early: bool = False,
    ) -> None:
        """Take the limits in bytes; ``None`` is no limit.

        Args:
            size: the declared size.
            max_size: the limit of the caller.
            put_limit: the limit of the store, if the upload has no parts.
            read: bytes that were read before.
            may_end_early: the source may have fewer bytes than `size`.
        """
        self.size = size
        """Declared size in bytes; ``None`` if it is unknown."""
        self._may_end_early = may_end_early
        self._max_size = max_size
        self._put_limit = put_limit
        self.most = min(sys.maxsize if limit is None else limit for limit in (size, max_size, put_limit))
        """Most bytes that the source may have."""
        self.read = read
        """Bytes read so far."""

    @property
    def max_read(self) -> int:
        """Most bytes for the next read: one byte more than the source may have left, which is enough to refuse it."""
        return self.most - self.read + 1

    def count(self, count: int) -> int:
        """Note that `count` further bytes were read; return the number of all bytes read.

        Raises:
            ObjectTooLargeError: the source is longer than the caller or the store allows.
            SizeMismatchError: the source is longer than declared.
        """
        read = self.read + count
        if read > self.most:
            self._refuse(read)
        self.read = read
        return read

    def _refuse(self, read: int) -> NoReturn:
        if self._max_size is not None and read > self._max_size:
            raise ObjectTooLargeError(f"the source is longer than max_size={self._max_size} bytes")
        if self.size is not None and read > self.size:
            raise SizeMismatchError(f"the source is longer than its declared size of {self.size} bytes")
        raise ObjectTooLargeError(
            f"the source is longer than {self._put_limit} bytes, the most that the store takes in one PutObject, and "
            "this upload has no parts"
        )

    def end(self) -> int:
        """Note that the source has ended; return its length in bytes.

        Raises:
            SizeMismatchError: the source is shorter than declared.
        """
        if self.size is not None and self.read != self.size and not self._may_end_early:
            raise SizeMismatchError(f"the source ended after {self.read} of its declared {self.size} bytes")
        return self.read
