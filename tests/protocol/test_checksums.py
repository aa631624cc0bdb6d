"""Checksums against published values."""

from __future__ import annotations

import pytest

from aios3._protocol.checksums import CHECKSUMS, checksum_header, checksum_of, sha256_hex

CHECK = (b"1234", bytearray(b"5"), memoryview(b"6789"))
"""The input of the CRC catalogue's check values, in slices."""


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("crc32", "y/Q5Jg=="),  # 0xcbf43926
        ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ],
)
def test_a_checksum_is_base64_of_the_big_endian_digest(algorithm: str, value: str) -> None:
    """Of the slices together."""
    assert checksum_of(algorithm, CHECK) == value


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("crc32", "AAAAAA=="),
        ("sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        ("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_an_empty_body_has_a_checksum(algorithm: str, value: str) -> None:
    """The well-known ones of no bytes."""
    assert checksum_of(algorithm, ()) == value


def test_the_signature_wants_hex() -> None:
    """Lower-case, of the slices together; the empty one is known by heart."""
    assert sha256_hex(()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_hex(CHECK) == "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"


def test_every_algorithm_has_its_header() -> None:
    """Named after it."""
    assert sorted(CHECKSUMS) == ["crc32", "sha1", "sha256"]
    assert {checksum_header(algorithm) for algorithm in CHECKSUMS} == {
        "x-amz-checksum-crc32",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    }
