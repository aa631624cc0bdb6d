"""CRCs as polynomials, and what computes them where only the standard library is there.

A register is the CRC before its final inversion. Bit 0 stands for the highest
power of x ("reflected"), so a step of one byte is a shift to the right.

Looking up byte by byte makes 8 MiB/s. So a block is cut into 1,024 lanes of 256
bytes, and all lanes take one step together: their registers are kept by bytes,
the lowest byte of every lane in one string; a string is looked up by one
`bytes.translate`, and added by one xor of two long integers. Measured on one
core of a server, that makes 65 MiB/s for CRC32C and 40 MiB/s for CRC64NVME (16
and 25 s/GiB). It stays slow: a native implementation is some hundred times
faster, and lets other threads run meanwhile.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

__all__ = ["CRCS", "Crc", "CrcFunction", "slow_crc"]

CrcFunction = Callable[[bytes | bytearray | memoryview, int], int]
"""Takes bytes and the CRC of what went before them (0 at the beginning), and returns the CRC of both together."""

_LANES: Final = 1024
_LANE_SIZE: Final = 256
_BLOCK_SIZE: Final = _LANES * _LANE_SIZE


@dataclass(frozen=True, slots=True)
class Crc:
    """One CRC, with registers that begin and end inverted."""

    size: int
    """Bytes of the value."""
    polynomial: int
    """Reflected, without the highest power."""

    @property
    def inversion(self) -> int:
        """All ones: xor turns a value into a register, and back."""
        return (1 << 8 * self.size) - 1


CRCS: Final = MappingProxyType(
    {"crc32": Crc(4, 0xEDB88320), "crc32c": Crc(4, 0x82F63B78), "crc64nvme": Crc(8, 0x9A6C9329AC4BC9B5)}
)
"""The CRCs that S3 takes, by its name for them."""


def slow_crc(crc: Crc) -> CrcFunction:
    """Return the function that computes a CRC with the standard library alone."""
    table = _byte_table(crc)

    def update(data: bytes | bytearray | memoryview, value: int = 0) -> int:
        register = value ^ crc.inversion
        with memoryview(data) as view:
            rest = len(view) - len(view) % _BLOCK_SIZE
            for start in range(0, rest, _BLOCK_SIZE):
                register = _add_block(crc, register, bytes(view[start : start + _BLOCK_SIZE]))
            for byte in view[rest:]:
                register = table[(register ^ byte) & 0xFF] ^ register >> 8
        return register ^ crc.inversion

    return update


@cache
def _byte_table(crc: Crc) -> tuple[int, ...]:
    """Return what each value of the lowest byte adds to the register when it is shifted out."""
    table = []
    for register in range(256):
        for _ in range(8):
            register = register >> 1 ^ (crc.polynomial if register & 1 else 0)  # noqa: PLW2901
        table.append(register)
    return tuple(table)


def _add_block(crc: Crc, register: int, block: bytes) -> int:
    """Return the register after a block of `_BLOCK_SIZE` bytes."""
    looked_up = _translations(crc)
    # By byte of the registers, lowest first; the first lane is the lowest byte of each of these integers.
    lanes = [register >> 8 * place & 0xFF for place in range(crc.size)]
    for position in range(_LANE_SIZE):
        column = int.from_bytes(block[position::_LANE_SIZE], "little")
        shifted_out = (lanes.pop(0) ^ column).to_bytes(_LANES, "little")
        lanes.append(0)
        lanes = [
            lane ^ int.from_bytes(shifted_out.translate(table), "little")
            for lane, table in zip(lanes, looked_up, strict=True)
        ]
    return _join_lanes(crc, lanes)


@cache
def _translations(crc: Crc) -> tuple[bytes, ...]:
    """Return `_byte_table` cut into bytes, lowest first."""
    return tuple(bytes(entry >> 8 * place & 0xFF for entry in _byte_table(crc)) for place in range(crc.size))


def _join_lanes(crc: Crc, lanes: list[int]) -> int:
    """Return the register of all lanes one after the other."""
    joined = bytearray(crc.size * _LANES)
    for place, lane in enumerate(lanes):
        joined[place :: crc.size] = lane.to_bytes(_LANES, "little")
    through_lane = _lane_tables(crc)
    register = 0
    for lane in struct.unpack(f"<{_LANES}{'Q' if crc.size == 8 else 'L'}", joined):
        register_bytes = register.to_bytes(crc.size, "little")
        register = lane
        for table, byte in zip(through_lane, register_bytes, strict=True):
            register ^= table[byte]
    return register


@cache
def _lane_tables(crc: Crc) -> tuple[tuple[int, ...], ...]:
    """Return, by byte of a register, what becomes of each value of that byte when `_LANE_SIZE` zero bytes follow."""
    table = _byte_table(crc)
    results = []
    for place in range(crc.size):
        row = []
        for byte in range(256):
            register = byte << 8 * place
            for _ in range(_LANE_SIZE):
                register = table[register & 0xFF] ^ register >> 8
            row.append(register)
        results.append(tuple(row))
    return tuple(results)
