"""CRCs of S3's checksums, computed byte by byte from their polynomials, or by awscrt if it is installed.

Sources: the parameters of CRC-32/ISO-HDLC, CRC-32/ISCSI and CRC-64/NVME in the catalogue of parametrised CRC
algorithms: reflected, begun with all ones, inverted at the end.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from functools import cache
from types import MappingProxyType
from typing import Final

__all__ = ["CRC_SIZES", "RunningCrc", "crc_by_table", "native_crc"]

CRC_SIZES: Final = MappingProxyType({"crc32": 4, "crc32c": 4, "crc64nvme": 8})
"""Size of the value in bytes, by algorithm."""

_POLYNOMIALS: Final = MappingProxyType({"crc32": 0x04C11DB7, "crc32c": 0x1EDC6F41, "crc64nvme": 0xAD93D23594C93659})
"""Polynomials as the catalogue writes them: the highest power first, without the very highest."""

_Crc = Callable[[bytes | memoryview, int], int]
"""Function of bytes and of the CRC of all bytes before them, which is 0 at the start."""


class RunningCrc:
    """CRC of bytes that come piece by piece."""

    def __init__(self, algorithm: str) -> None:
        """Start with no bytes."""
        self._crc = native_crc(algorithm) or crc_by_table(algorithm)
        self._size = CRC_SIZES[algorithm]
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Add bytes."""
        self._value = self._crc(data, self._value)

    def digest(self) -> bytes:
        """Return the CRC of all bytes so far, the highest byte first."""
        return self._value.to_bytes(self._size, "big")


@cache
def native_crc(algorithm: str) -> _Crc | None:
    """Return the function that is written in C, or ``None`` if it is not installed."""
    if algorithm == "crc32":
        return zlib.crc32
    try:
        function: _Crc | None = getattr(importlib.import_module("awscrt.checksums"), algorithm, None)
    except ImportError:
        return None
    return function


def crc_by_table(algorithm: str) -> _Crc:
    """Return a function in pure Python, which takes some 0.1 s for a MiB."""
    ones = (1 << 8 * CRC_SIZES[algorithm]) - 1
    table = _table(algorithm)

    def update(data: bytes | memoryview, value: int = 0) -> int:
        remainder = value ^ ones
        for byte in bytes(data):
            remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
        return remainder ^ ones

    return update


@cache
def _table(algorithm: str) -> tuple[int, ...]:
    """Return the remainder of every byte, by long division of one bit after the other."""
    width = 8 * CRC_SIZES[algorithm]
    divisor = int(f"{_POLYNOMIALS[algorithm]:0{width}b}"[::-1], 2)
    remainders = list(range(256))
    for _ in range(8):
        remainders = [(value >> 1) ^ divisor if value & 1 else value >> 1 for value in remainders]
    return tuple(remainders)
