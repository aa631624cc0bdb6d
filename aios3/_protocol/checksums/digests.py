"""Additional checksums of a body, and the SHA-256 that a signature covers.

CRC32, SHA-1 and SHA-256 are in the standard library, written in C. CRC32C and
CRC64NVME are not: they need the optional extra ``checksums`` (the package
awscrt). Pure Python is some hundred times slower (16 and 25 s/GiB, measured) and
holds the GIL meanwhile, so this module does not use it.
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

from aios3._protocol.wire.messages import Body

__all__ = [
    "CHECKSUMS",
    "CRCS",
    "Crc",
    "Pieces",
    "checksum_header",
    "checksum_of",
    "digest_of",
    "is_available",
    "is_checksum",
    "md5_hex",
    "sha256_hex",
]

Pieces = Iterable[bytes | bytearray | memoryview]

_EXTRA: Final = "awscrt.checksums"
_IN_EXTRA: Final = frozenset({"crc32c", "crc64nvme"})

_CrcFunction = Callable[[bytes | bytearray | memoryview, int], int]
"""Function of bytes and the CRC of the bytes before them (0 at the beginning); returns the CRC of both together."""


@dataclass(frozen=True, slots=True)
class Crc:
    """Parameters of a CRC. Its register begins and ends inverted; its lowest bit stands for the highest power of x."""

    size: int
    """Bytes of the value."""
    polynomial: int
    """Polynomial, reflected, without the highest power."""


CRCS: Final = MappingProxyType(
    {"crc32": Crc(4, 0xEDB88320), "crc32c": Crc(4, 0x82F63B78), "crc64nvme": Crc(8, 0x9A6C9329AC4BC9B5)}
)
"""CRCs that S3 takes, by S3's names."""


class _Digest(Protocol):
    """Checksum of bytes that come piece by piece."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


@dataclass(slots=True, eq=False)
class _RunningCrc:
    function: _CrcFunction
    size: int
    value: int = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self.value = self.function(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(self.size, "big")


@cache
def _native_crc(algorithm: str) -> _CrcFunction | None:
    """Return the implementation written in C, or ``None`` where the extra is not installed or too old."""
    if algorithm == "crc32":
        return zlib.crc32
    try:
        # Imported on demand: the import takes 0.1 s, and most uploads do not need it.
        function: _CrcFunction | None = getattr(importlib.import_module(_EXTRA), algorithm, None)
    except ImportError:
        return None
    return function


def _begin_crc(algorithm: str) -> _Digest:
    function = _native_crc(algorithm)
    assert function is not None, "the caller has checked is_available"
    return _RunningCrc(function, CRCS[algorithm].size)


CHECKSUMS: Final = MappingProxyType[str, Callable[[], _Digest]](
    {
        **{algorithm: partial(_begin_crc, algorithm) for algorithm in CRCS},
        "sha1": partial(hashlib.sha1, usedforsecurity=False),
        "sha256": hashlib.sha256,
    }
)
"""Functions that begin a digest, by S3's name of the algorithm. An unavailable algorithm raises `AssertionError`."""


def is_available(algorithm: str) -> bool:
    """Return whether the algorithm can be computed here: it is built in, or the extra ``checksums`` is installed.

    The first call for an algorithm of the extra imports it, which takes 0.1 s.
    """
    return algorithm not in _IN_EXTRA or _native_crc(algorithm) is not None


def digest_of(algorithm: str, body: Pieces) -> bytes:
    """Return the big-endian digest of a whole body. The call blocks, so a large body belongs in a thread."""
    digest = CHECKSUMS[algorithm]()
    for piece in body:
        digest.update(piece)
    return digest.digest()


def checksum_of(algorithm: str, body: Pieces) -> str:
    """Return the checksum as S3 writes it: base64 of the big-endian digest."""
    return base64.b64encode(digest_of(algorithm, body)).decode("ascii")


def is_checksum(algorithm: str, text: str) -> bool:
    """Return whether `text` is a checksum of the algorithm, as S3 writes it."""
    try:
        return len(base64.b64decode(text, validate=True)) == len(digest_of(algorithm, ()))
    except ValueError:
        return False


def checksum_header(algorithm: str) -> str:
    """Return the header that carries the checksum."""
    return f"x-amz-checksum-{algorithm}"


def sha256_hex(body: Body) -> str:
    """Return the SHA-256 in lower-case hex, as a signature needs it."""
    return digest_of("sha256", body).hex()


def md5_hex(body: Pieces) -> str:
    """Return the MD5 of a body in lower-case hex, as in ETags. It blocks, so a large body belongs into a thread."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()
