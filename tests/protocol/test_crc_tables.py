"""CRCs by the standard library alone."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.crc_tables import CRCS, Crc, slow_crc

BLOCK = 256 * 1024
DATA = bytes(range(251)) * 3200
"""More than three blocks, and no block like another."""


def by_bit(crc: Crc, data: bytes) -> int:
    """Return the CRC by the book: one bit at a time."""
    register = crc.inversion
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (crc.polynomial * (register & 1))
    return register ^ crc.inversion


@pytest.mark.parametrize(
    ("name", "value"), [("crc32", 0xCBF43926), ("crc32c", 0xE3069283), ("crc64nvme", 0xAE8B14860A799888)]
)
def test_the_catalogues_check_values(name: str, value: int) -> None:
    """Of the input that every catalogue of CRCs uses."""
    assert slow_crc(CRCS[name])(b"123456789", 0) == by_bit(CRCS[name], b"123456789") == value


@pytest.mark.parametrize("size", [0, 1, 7, 8, 255, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 17])
def test_every_size_is_computed_like_zlib_does(size: int) -> None:
    """Around the border of the blocks that are computed in lanes too."""
    assert slow_crc(CRCS["crc32"])(DATA[:size], 0) == zlib.crc32(DATA[:size])


@pytest.mark.parametrize("name", CRCS)
@pytest.mark.parametrize("cut", [0, 1, 1000, BLOCK, BLOCK + 5])
def test_a_crc_goes_on_from_what_went_before(name: str, cut: int) -> None:
    """Wherever the bytes are cut, also with lanes on both sides."""
    update = slow_crc(CRCS[name])
    data = DATA[: 2 * BLOCK + 5]
    assert update(data[cut:], update(data[:cut], 0)) == update(data, 0)


@pytest.mark.parametrize("name", CRCS)
def test_a_block_of_lanes_is_the_crc_by_the_book(name: str) -> None:
    """Not only zlib's."""
    assert slow_crc(CRCS[name])(DATA[:BLOCK], 0) == by_bit(CRCS[name], DATA[:BLOCK])


def test_the_buffer_is_free_again() -> None:
    """A caller's bytearray can be resized afterwards."""
    data = bytearray(BLOCK)
    slow_crc(CRCS["crc32c"])(data, 0)
    data.clear()
    assert not data


@given(st.binary(max_size=300), st.sampled_from(sorted(CRCS)))
def test_any_bytes_give_the_crc_by_the_book(data: bytes, name: str) -> None:
    """For every CRC that S3 takes."""
    assert slow_crc(CRCS[name])(data, 0) == by_bit(CRCS[name], data)
