"""Hashing: right, and off the loop where it takes long."""

from __future__ import annotations

import base64
import hashlib
import threading

import pytest

from aios3._client.hashing import hash_body, md5_hex
from aios3._protocol.checksums.digests import sha256_hex
from aios3._protocol.wire.messages import Body
from aios3._upload.shared.integrity import ObjectChecksum, part_checksum
from aios3.options import KIB


@pytest.mark.parametrize(
    ("sizes", "in_thread"),
    [((), False), ((128 * KIB,), False), ((64 * KIB, 64 * KIB), False), ((128 * KIB, 1), True), ((1024 * KIB,), True)],
)
async def test_large_bodies_are_hashed_in_a_thread(sizes: tuple[int, ...], in_thread: bool) -> None:
    """By the size of all slices together; small ones would pay more for the thread than for the hash."""
    threads: list[int] = []

    def function(body: Body) -> str:
        threads.append(threading.get_ident())
        return sha256_hex(body)

    body = [bytes(size) for size in sizes]
    assert await hash_body(function, body) == sha256_hex(body)
    assert (threads[0] != threading.get_ident()) == in_thread


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


def test_an_md5_is_as_etags_have_it() -> None:
    assert md5_hex([b"12345", bytearray(b"67"), memoryview(b"89")]) == "25f9e794323b453885f5181f1b624d0b"
    assert md5_hex([]) == "d41d8cd98f00b204e9800998ecf8427e"
