"""Checksums against published values."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from aios3._protocol.checksums import digests as checksums
from aios3._protocol.checksums.digests import (
    CHECKSUMS,
    checksum_header,
    checksum_of,
    digest_of,
    is_available,
    md5_hex,
)
from aios3.testing.wire.crcs import crc_by_table
from tests.support.checksum_vectors import ALGORITHMS, load, make_input

CHECK = (b"1234", bytearray(b"5"), memoryview(b"6789"))
"""The input of the CRC catalogue's check values, in slices of every type."""

ENTRIES = load("checksums/check_values.json")["entries"]
NAMES = [str(entry["input"]) for entry in ENTRIES]


@pytest.fixture(autouse=True)
def _looks_for_the_extra_again() -> Iterator[None]:
    checksums._native_crc.cache_clear()
    yield
    checksums._native_crc.cache_clear()


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the standard library."""
    monkeypatch.setitem(sys.modules, "awscrt", None)
    monkeypatch.setitem(sys.modules, "awscrt.checksums", None)


def install(monkeypatch: pytest.MonkeyPatch, *algorithms: str) -> list[str]:
    """Put an extra in place that has these; return the list that it notes its calls in."""
    calls: list[str] = []
    module = ModuleType("awscrt.checksums")

    def note(algorithm: str) -> Any:
        def function(data: bytes, previous: int = 0) -> int:
            calls.append(algorithm)
            return crc_by_table(algorithm)(data, previous)

        return function

    for algorithm in algorithms:
        setattr(module, algorithm, note(algorithm))
    monkeypatch.setitem(sys.modules, "awscrt", ModuleType("awscrt"))
    monkeypatch.setitem(sys.modules, "awscrt.checksums", module)
    return calls


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_checksums_are_the_published_ones(entry: dict[str, Any]) -> None:
    data = memoryview(make_input(entry["input"]))
    for algorithm in ALGORITHMS:
        assert checksum_of(algorithm, [data]) == entry[algorithm]["base64"], algorithm
        assert (
            digest_of(algorithm, [data[:3], bytearray(data[3:70_000]), data[70_000:]]).hex() == entry[algorithm]["hex"]
        )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_digest_grows_piece_by_piece(algorithm: str) -> None:
    digest, other = CHECKSUMS[algorithm](), CHECKSUMS[algorithm]()
    other.update(b"something else")
    for piece in CHECK:
        digest.update(piece)
        digest.digest()
    assert digest.digest() == digest_of(algorithm, [b"123456789"])


def test_two_algorithms_are_not_available_without_the_extra(without_extra: None) -> None:
    assert {algorithm for algorithm in CHECKSUMS if not is_available(algorithm)} == {"crc32c", "crc64nvme"}


def test_the_extra_is_used_for_what_the_standard_library_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = install(monkeypatch, "crc32", "crc32c", "crc64nvme")
    assert all(is_available(algorithm) for algorithm in CHECKSUMS)
    for algorithm in CHECKSUMS:
        checksum_of(algorithm, CHECK)
    assert set(calls) == {"crc32c", "crc64nvme"}


def test_an_old_extra_is_used_for_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "crc32", "crc32c")
    assert is_available("crc32c")
    assert not is_available("crc64nvme")


def test_every_algorithm_has_its_header() -> None:
    assert sorted(CHECKSUMS) == sorted(ALGORITHMS)
    assert {checksum_header(algorithm) for algorithm in CHECKSUMS} == {
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    }


def test_an_md5_is_as_etags_have_it() -> None:
    assert md5_hex([b"12345", bytearray(b"67"), memoryview(b"89")]) == "25f9e794323b453885f5181f1b624d0b"
    assert md5_hex([]) == "d41d8cd98f00b204e9800998ecf8427e"
