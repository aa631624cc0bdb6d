"""Strict reader of ``Transfer-Encoding: chunked``, the framing of a body of unknown length, without its options."""

from __future__ import annotations

import re
from typing import Final

from .heads import MalformedHeadError

__all__ = ["ChunkReader"]

_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,12}")
_MAX_LINE: Final = 14


class ChunkReader:
    """Separates data from framing, and finds the end of the body. It needs every byte in order.

    Chunk extensions and trailers are refused, because clients of S3 do not use them.
    """

    def __init__(self) -> None:
        self.data_left = 0
        """Number of data bytes that come next; 0 while framing is expected."""
        self.is_at_end = False
        self._line = bytearray()
        self._is_after_data = False
        self._is_last = False

    def take_data(self, count: int) -> None:
        """Count received bytes of data, at most ``data_left``."""
        self.data_left -= count
        self._is_after_data = self.data_left == 0

    def take_framing(self, byte: bytes) -> None:
        """Take one byte of framing.

        Raises:
            MalformedHeadError: the framing is wrong.
        """
        self._line += byte
        if self._line.endswith(b"\r\n"):
            line = bytes(self._line[:-2])
            self._line.clear()
            self._take_line(line)
        elif len(self._line) >= _MAX_LINE:
            raise MalformedHeadError(f"not the size of a chunk: {bytes(self._line)!r}")

    def _take_line(self, line: bytes) -> None:
        if self._is_last and not line:
            self.is_at_end = True
        elif self._is_after_data and not line:
            self._is_after_data = False
        elif self._is_last or self._is_after_data or not _SIZE.fullmatch(line):
            raise MalformedHeadError(f"not the size of a chunk, nor its end: {line!r}")
        else:
            self.data_left = int(line, 16)
            self._is_last = self.data_left == 0
