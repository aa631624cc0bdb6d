"""Checksums of objects from those of their parts, against published values."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.checksums.crc_combine import combine_crcs, composite_checksum, full_object_checksum
from aios3._protocol.checksums.digests import CRCS
from aios3._upload.shared.ownership import multipart_etag
from tests.support.checksum_vectors import ALGORITHMS, as_integer, load

VECTORS = load("checksums/combine.json")
CASES = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])


@CASES
def test_full_object_checksums_are_the_published_ones(case: dict[str, Any]) -> None:
    assert case["full_object"].keys() == CRCS.keys()
    for algorithm, expected in case["full_object"].items():
        parts = [(part[algorithm], part["length"]) for part in case["parts"]]
        assert full_object_checksum(algorithm, parts) == expected


@CASES
def test_composite_checksums_are_the_published_ones(case: dict[str, Any]) -> None:
    assert set(case["composite"]) == set(ALGORITHMS) - {"crc64nvme"}
    for algorithm, expected in case["composite"].items():
        assert composite_checksum(algorithm, [part[algorithm] for part in case["parts"]]) == expected


@pytest.mark.parametrize("case", VECTORS["big_length"], ids=lambda case: f"{case['algorithm']}-{case['length2']}")
def test_sizes_up_to_a_tebibyte_are_combined(case: dict[str, Any]) -> None:
    first, second = as_integer(case["crc1"]), as_integer(case["crc2"])
    assert combine_crcs(case["algorithm"], first, second, case["length2"]) == as_integer(case["combined"])


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_combining_is_like_joining(first: bytes, second: bytes) -> None:
    assert combine_crcs("crc32", zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_an_empty_part_changes_nothing() -> None:
    part, empty = ("y/Q5Jg==", 9), ("AAAAAA==", 0)
    assert full_object_checksum("crc32", [empty, part, empty]) == full_object_checksum("crc32", [part]) == "y/Q5Jg=="
    assert full_object_checksum("crc32", []) == "AAAAAA=="


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_hash_cannot_be_combined(algorithm: str) -> None:
    with pytest.raises(KeyError):
        full_object_checksum(algorithm, [])


@pytest.mark.parametrize("example", load("etag/multipart_etag.json")["examples"], ids=lambda example: example["name"])
def test_etags_are_the_published_ones(example: dict[str, Any]) -> None:
    """Also of one part, of an empty one, and of 10,000; with or without quotes."""
    repeat = example.get("part_md5_repeat", {"md5": "", "count": 0})
    parts = example.get("part_md5") or [repeat["md5"]] * repeat["count"]
    assert multipart_etag(parts) == multipart_etag([f'"{part}"' for part in parts]) == example["etag"]


@pytest.mark.parametrize("case", load("etag/multipart_etag.json")["classify"], ids=lambda case: case["etag"] or "empty")
def test_only_an_md5_makes_an_etag(case: dict[str, Any]) -> None:
    assert (multipart_etag([case["etag"]]) is not None) == (case["kind"] == "md5" and "&" not in case["etag"])
