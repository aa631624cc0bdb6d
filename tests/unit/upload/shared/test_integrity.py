"""The checksum of the whole object, from Create to the receipt."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from aios3 import IntegrityError
from aios3._protocol.operations import Committed
from aios3._upload.shared.integrity import ObjectChecksum, part_checksum
from aios3.options import KIB

CONTENT = bytes(range(256)) * 78 + b"odd"


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_another_checksum_in_the_response_is_an_error():
    wrong = ObjectChecksum("crc32", is_full_object=True)
    with pytest.raises(IntegrityError, match=r"bucket/key was committed with crc32 AAAAAA==, but the bytes sent have"):
        wrong.compare(crc32(b"small"), Committed('"e"', None, "AAAAAA==", None), bucket="bucket", key="key")


def test_a_checksum_of_another_algorithm_is_no_contradiction():
    checksum = ObjectChecksum("crc32", is_full_object=True)

    for theirs in (None, "AAAAAA==", "rosUhgp5mIg="):
        checksum.compare("AAAAAA==", Committed('"e"', None, theirs, None), bucket="b", key="k")


PIECES = [CONTENT[start : start + 100] for start in range(0, len(CONTENT), 100)]


@pytest.mark.parametrize("count", [2, 200])
async def test_a_full_object_checksum_is_made_of_those_of_the_parts(count):
    """More than 64 in a thread: 10,000 of them take 0.1 s."""
    checksum = ObjectChecksum("crc32", is_full_object=True)
    parts = [(crc32(piece), len(piece)) for piece in PIECES[:count]]
    assert await checksum.of_parts(parts) == crc32(b"".join(PIECES[:count]))


async def test_a_composite_checksum_is_the_hash_of_the_hashes_of_the_parts():
    digests = [hashlib.sha256(piece).digest() for piece in PIECES]
    expected = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    parts = [(base64.b64encode(digest).decode(), 100) for digest in digests]
    assert await ObjectChecksum("sha256", is_full_object=False).of_parts(parts) == f"{expected}-{len(digests)}"


def test_only_a_full_object_checksum_is_named_and_sent_with_the_commit():
    whole, composite = (ObjectChecksum("crc32", is_full_object=is_full) for is_full in (True, False))

    assert whole.creation_headers() == {
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert composite.creation_headers() == {"x-amz-checksum-algorithm": "CRC32"}
    assert whole.commit_headers("AAAAAA==") == {
        "x-amz-checksum-crc32": "AAAAAA==",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert composite.commit_headers("AAAAAA==") == {}


async def test_a_part_without_a_checksum_hashes_nothing():
    assert await part_checksum(None, [b"abc"]) is None


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@pytest.mark.parametrize(
    ("checksum", "body", "expected"),
    [
        (ObjectChecksum("crc32", is_full_object=True), [b"12345", b"6789"], "y/Q5Jg=="),
        (ObjectChecksum("sha256", is_full_object=False), [b"a", memoryview(b"bc")], sha256(b"abc")),
        (ObjectChecksum("sha256", is_full_object=False), [bytes(200 * KIB)], sha256(bytes(200 * KIB))),
    ],
)
async def test_a_part_checksum_has_its_header_in_base64(checksum, body, expected):
    assert await part_checksum(checksum, body) == (f"x-amz-checksum-{checksum.algorithm}", expected)
