"""Additional checksums of a body, and the SHA-256 that a signature covers.

CRC32, SHA-1 and SHA-256 are in the standard library, written in C. CRC32C and
CRC64NVME are not: the optional extra ``checksums`` (the package awscrt) computes
them at several GiB/s, and without it `aios3._protocol.crc_tables` does, at 40 to
65 MiB/s.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Final, Protocol

from .crc_tables import CRCS, CrcFunction, slow_crc
from .messages import Body

__all__ = ["CHECKSUMS", "Digest", "Pieces", "checksum_header", "checksum_of", "digest_of", "is_fast", "sha256_hex"]

Pieces = Iterable[bytes | bytearray | memoryview]

_EXTRA: Final = "awscrt.checksums"
_IN_EXTRA: Final = frozenset({"crc32c", "crc64nvme"})


class Digest(Protocol):
    """A checksum of bytes that come piece by piece."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far, big-endian."""


@dataclass(slots=True, eq=False)
class _RunningCrc:
    function: CrcFunction
    size: int
    value: int = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self.value = self.function(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self.size, "big")


@cache
def _native_crc(algorithm: str) -> CrcFunction | None:
    """Return the implementation written in C, or ``None`` where the extra is not installed or too old."""
    if algorithm == "crc32":
        return zlib.crc32
    try:
        # Only here: it takes 0.1 s, and most uploads need none of it.
        function: CrcFunction | None = getattr(importlib.import_module(_EXTRA), algorithm, None)
    except ImportError:
        return None
    return function


def _begin_crc(algorithm: str) -> Digest:
    crc = CRCS[algorithm]
    return _RunningCrc(_native_crc(algorithm) or slow_crc(crc), crc.size)


CHECKSUMS: Final = MappingProxyType[str, Callable[[], Digest]](
    {
        **{algorithm: partial(_begin_crc, algorithm) for algorithm in CRCS},
        "sha1": partial(hashlib.sha1, usedforsecurity=False),
        "sha256": hashlib.sha256,
    }
)
"""Algorithm by S3's name for it: begins a digest."""


def is_fast(algorithm: str) -> bool:
    """Return whether the algorithm runs in C, and so without holding other threads up.

    The first call for an algorithm of the extra imports it, which takes 0.1 s; so does the first digest.
    """
    return algorithm not in _IN_EXTRA or _native_crc(algorithm) is not None


def digest_of(algorithm: str, body: Pieces) -> bytes:
    """Return the big-endian digest of a whole body. It runs in one call, so a large body belongs into a thread."""
    digest = CHECKSUMS[algorithm]()
    for piece in body:
        digest.update(piece)
    return digest.digest()


def checksum_of(algorithm: str, body: Pieces) -> str:
    """Return the checksum as S3 writes it: base64 of the big-endian digest."""
    return base64.b64encode(digest_of(algorithm, body)).decode("ascii")


def checksum_header(algorithm: str) -> str:
    """Return the header that carries the checksum."""
    return f"x-amz-checksum-{algorithm}"


def sha256_hex(body: Body) -> str:
    """Return the SHA-256 as a signature wants it: lower-case hex."""
    return digest_of("sha256", body).hex()
