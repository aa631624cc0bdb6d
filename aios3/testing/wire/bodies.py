"""Body of a request: counted, hashed and kept while it arrives, and compared with the digests in its headers."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from .answers import Refusal
from .crcs import CRC_SIZES, RunningCrc
from .documents import leaf
from .heads import RequestHead

__all__ = [
    "CHECKSUM_PREFIX",
    "DIGEST_SIZES",
    "Body",
    "checksum_elements",
    "checksum_of",
    "named_checksum",
    "require_lock_digest",
    "verify_checksum",
    "verify_md5",
]

CHECKSUM_PREFIX: Final = "x-amz-checksum-"

DIGEST_SIZES: Final = {**CRC_SIZES, "sha1": 20, "sha256": 32}
"""Size in bytes of every checksum that can be sent, by algorithm."""

_LOCK_PREFIX: Final = "x-amz-object-lock-"


class _Digest(Protocol):
    def update(self, data: memoryview | bytes, /) -> None: ...  # pragma: no cover - a protocol has no body

    def digest(self) -> bytes: ...  # pragma: no cover - a protocol has no body


def _new_digest(algorithm: str) -> _Digest:
    return RunningCrc(algorithm) if algorithm in CRC_SIZES else hashlib.new(algorithm, usedforsecurity=False)


class Body:
    """Body of one request. A kept body is held once, in a buffer of its whole length if that is known."""

    def __init__(self, length: int | None, *, keep: bool = True, algorithms: Iterable[str] = ()) -> None:
        self.length = length
        """Bytes of the whole body; ``None`` if the length is not known before the end."""
        self.received = 0
        self._data = bytearray(length or 0) if keep else None
        self._digests = {algorithm: _new_digest(algorithm) for algorithm in algorithms}
        self._room = memoryview(b"")

    def room(self, scratch: memoryview, most: int) -> memoryview:
        """Return the buffer for at most ``most`` next bytes. `advance` takes them from there."""
        in_place = self._data is not None and self.length is not None
        whole = memoryview(self._data)[self.received :] if in_place and self._data is not None else scratch
        self._room = whole[: max(most, 1)]
        return self._room

    def advance(self, count: int) -> None:
        """Take ``count`` bytes that were put into the buffer of `room`."""
        piece = self._room[:count]
        if self._data is not None and self.length is None:
            self._data += piece
        self._take(piece)

    def feed(self, data: bytes) -> None:
        """Take bytes that came with the head."""
        if self._data is not None:
            self._data[self.received : self.received + len(data)] = data
        self._take(memoryview(data))

    def _take(self, piece: memoryview) -> None:
        for digest in self._digests.values():
            digest.update(piece)
        self.received += len(piece)

    def decoded(self, pieces: Iterable[bytes], algorithms: Iterable[str]) -> Body:
        """Return a kept body of other bytes, with the same digests and those of more algorithms."""
        other = Body(None, algorithms={*self._digests, *algorithms})
        for piece in pieces:
            other.feed(piece)
        return other

    @property
    def kept(self) -> bytes | None:
        """Received bytes, or ``None`` if they are not kept."""
        return None if self._data is None else bytes(memoryview(self._data)[: self.received])

    def digest(self, algorithm: str) -> bytes:
        """Return the digest of the received bytes, for an algorithm that was named at the start."""
        return self._digests[algorithm].digest()


def checksum_of(algorithm: str, pieces: Iterable[bytes]) -> bytes:
    """Return the digest of the joined pieces."""
    digest = _new_digest(algorithm)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def checksum_elements(checksums: Mapping[str, str]) -> list[str]:
    """Return the elements of a document for checksums by header name."""
    return [leaf(f"Checksum{name.removeprefix(CHECKSUM_PREFIX).upper()}", value) for name, value in checksums.items()]


def named_checksum(head: RequestHead) -> tuple[str, str] | None:
    """Return the checksum that a request carries, as algorithm and base64 value; ``None`` without one.

    Raises:
        Refusal: there are several, the algorithm is unknown, or it is announced without a value.
    """
    names = {name.lower(): value for name, value in head.headers if name.lower().startswith(CHECKSUM_PREFIX)}
    found = {name.removeprefix(CHECKSUM_PREFIX): value for name, value in names.items()}
    for setting in ("algorithm", "type", "mode"):
        found.pop(setting, None)
    if not found:
        if head.header("x-amz-sdk-checksum-algorithm"):
            raise Refusal(400, "InvalidRequest", "x-amz-sdk-checksum-algorithm came without a checksum.")
        return None
    if len(found) > 1:
        raise Refusal(400, "InvalidRequest", "Expecting a single x-amz-checksum- header.")
    algorithm, value = next(iter(found.items()))
    if algorithm not in DIGEST_SIZES:
        raise Refusal(400, "InvalidRequest", f"The algorithm {algorithm} is not known.")
    return algorithm, value


def verify_checksum(head: RequestHead, body: Body) -> dict[str, str]:
    """Compare the body with the checksum that came with it, and return the checksum as a response header.

    Raises:
        Refusal: the checksum differs, or is malformed.
    """
    named = named_checksum(head)
    if named is None:
        return {}
    algorithm, value = named
    if len(_base64(value)) != DIGEST_SIZES[algorithm]:
        raise Refusal(400, "InvalidRequest", f"Value for {CHECKSUM_PREFIX}{algorithm} header is invalid.")
    if body.digest(algorithm) != _base64(value):
        raise Refusal(400, "BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.")
    return {CHECKSUM_PREFIX + algorithm: value}


def verify_md5(head: RequestHead, body: Body) -> None:
    """Compare the body with its Content-MD5, if it has one.

    Raises:
        Refusal: the digest differs, or is malformed.
    """
    value = head.header("Content-MD5")
    if value is None:
        return
    if len(_base64(value)) != 16:
        raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
    if body.digest("md5") != _base64(value):
        raise Refusal(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def require_lock_digest(head: RequestHead, names: Iterable[str], what: str, *, always: bool = False) -> None:
    """Require a digest for a body under an object lock. The hash in the signature does not count.

    Args:
        head: the request with the body.
        names: lower-case names of the headers that describe the object.
        what: name of the operation in the refusal.
        always: whether the bucket locks every object.

    Raises:
        Refusal: the object is to be locked, and the request has neither Content-MD5 nor a checksum.
    """
    is_locked = always or any(name.startswith(_LOCK_PREFIX) for name in names)
    if is_locked and head.header("Content-MD5") is None and named_checksum(head) is None:
        message = f"Content-MD5 OR x-amz-checksum- HTTP header is required for {what} requests with Object Lock"
        raise Refusal(400, "InvalidRequest", f"{message} parameters")


def _base64(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
