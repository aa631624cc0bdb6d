"""Additional checksums of a body, and the SHA-256 that a signature covers."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Final

from .messages import Body

__all__ = ["CHECKSUMS", "checksum_header", "checksum_of", "sha256_hex"]


def _crc32(body: Body) -> bytes:
    value = 0
    for piece in body:
        value = zlib.crc32(piece, value)
    return value.to_bytes(4, "big")


def _sha1(body: Body) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return digest.digest()


def _sha256(body: Body) -> bytes:
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    return digest.digest()


CHECKSUMS: Final[dict[str, Callable[[Body], bytes]]] = {"crc32": _crc32, "sha1": _sha1, "sha256": _sha256}
"""Algorithm by name: the big-endian digest of a whole body. Each runs in one call, so a large body belongs into a
thread."""


def checksum_header(algorithm: str) -> str:
    """Return the header that carries the checksum."""
    return f"x-amz-checksum-{algorithm}"


def checksum_of(algorithm: str, body: Body) -> str:
    """Return the checksum as S3 writes it: base64 of the big-endian digest."""
    return base64.b64encode(CHECKSUMS[algorithm](body)).decode("ascii")


def sha256_hex(body: Body) -> str:
    """Return the SHA-256 as a signature wants it: lower-case hex."""
    return _sha256(body).hex()
