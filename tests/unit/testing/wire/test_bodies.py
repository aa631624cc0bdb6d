"""Bodies as they arrive, and what was promised about them."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.bodies import (
    DIGEST_SIZES,
    Body,
    checksum_of,
    named_checksum,
    require_lock_digest,
    verify_checksum,
    verify_md5,
)
from aios3.testing.wire.heads import RequestHead, read_head


def head(*headers: str) -> RequestHead:
    return read_head("\r\n".join(["PUT / HTTP/1.1", "Host: h", *headers]).encode())


def body(data: bytes, *algorithms: str) -> Body:
    made = Body(len(data), algorithms=algorithms)
    made.feed(data)
    return made


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("keep", [True, False])
def test_bytes_are_hashed_as_they_come(keep: bool):
    data = bytes(range(256)) * 8
    made = Body(len(data), keep=keep, algorithms=["md5", "crc32"])
    scratch = memoryview(bytearray(100))
    made.feed(data[:300])
    while made.received < len(data):
        room = made.room(scratch, 70)
        assert 0 < len(room) <= 70
        piece = data[made.received : made.received + len(room)]
        room[: len(piece)] = piece
        made.advance(len(piece))
    assert made.digest("md5") == hashlib.md5(data).digest()
    assert made.digest("crc32") == zlib.crc32(data).to_bytes(4, "big")
    assert made.kept == (data if keep else None)


def test_a_kept_body_is_what_came_so_far():
    made = Body(10)
    made.feed(b"abc")
    assert made.kept == b"abc"


@pytest.mark.parametrize("algorithm", DIGEST_SIZES)
def test_checksums_are_compared(algorithm: str):
    right = checksum_of(algorithm, [b"da", b"ta"])
    name = f"x-amz-checksum-{algorithm}"
    assert verify_checksum(head(f"{name}: {b64(right)}"), body(b"data", algorithm)) == {name: b64(right)}
    with pytest.raises(Refusal) as caught:
        verify_checksum(head(f"{name}: {b64(right)}"), body(b"Data", algorithm))
    assert caught.value.code == "BadDigest"


@pytest.mark.parametrize(("algorithm", "size"), DIGEST_SIZES.items())
def test_a_checksum_of_another_length_cannot_be_one(algorithm: str, size: int):
    for wrong in (size - 1, size + 1):
        with pytest.raises(Refusal) as caught:
            verify_checksum(head(f"x-amz-checksum-{algorithm}: {b64(bytes(wrong))}"), body(b"data", algorithm))
        assert caught.value.code == "InvalidRequest"


def test_a_body_under_a_lock_needs_a_digest():
    """Content-MD5 or a checksum; the SHA-256 of the signature is none."""
    lock = {"x-amz-object-lock-mode", "content-type"}
    unsigned, hashed = "x-amz-content-sha256: UNSIGNED-PAYLOAD", f"x-amz-content-sha256: {'0' * 64}"
    for headers in ((), (unsigned,), (hashed,), ("x-amz-checksum-mode: ENABLED",)):
        with pytest.raises(Refusal, match="required for Put Part requests with Object Lock parameters") as caught:
            require_lock_digest(head(*headers), lock, "Put Part")
        assert (caught.value.status, caught.value.code) == (400, "InvalidRequest")
        require_lock_digest(head(*headers), {"content-type"}, "Put Part")
    for digest in ("Content-MD5: x", "x-amz-checksum-crc32: AAAAAA=="):
        require_lock_digest(head(digest), lock, "Put Part")


@pytest.mark.parametrize(
    "headers",
    [
        ["x-amz-checksum-crc32: AAAAAA==", "x-amz-checksum-sha1: AAAA"],
        ["x-amz-checksum-crc99: AAAAAA=="],
        ["x-amz-checksum-crc32: not base64"],
        ["x-amz-sdk-checksum-algorithm: CRC32"],
    ],
)
def test_checksums_that_cannot_be_one_are_refused(headers: list[str]):
    with pytest.raises(Refusal) as caught:
        verify_checksum(head(*headers), body(b"", "crc32", "sha1"))
    assert caught.value.code == "InvalidRequest"


def test_settings_are_not_checksums():
    assert named_checksum(head("x-amz-checksum-algorithm: CRC32", "x-amz-checksum-mode: ENABLED")) is None
    assert verify_checksum(head("x-amz-checksum-type: COMPOSITE"), body(b"")) == {}


def test_content_md5_is_compared():
    right = b64(hashlib.md5(b"data").digest())
    verify_md5(head(), body(b"data"))
    verify_md5(head(f"Content-MD5: {right}"), body(b"data", "md5"))
    codes = []
    for value, data in ((right, b"Data"), ("AAAA", b"data")):
        with pytest.raises(Refusal) as caught:
            verify_md5(head(f"Content-MD5: {value}"), body(data, "md5"))
        codes.append(caught.value.code)
    assert codes == ["BadDigest", "InvalidDigest"]
