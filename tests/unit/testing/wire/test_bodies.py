"""Bodies as they arrive, and what was promised about them."""

from __future__ import annotations

import base64

import pytest

from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.bodies import (
    DIGEST_SIZES,
    Body,
    require_lock_digest,
    verify_checksum,
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
