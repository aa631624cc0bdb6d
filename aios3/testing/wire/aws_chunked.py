"""Bodies that SDKs send in signed or unsigned chunks, with headers behind the last chunk.

Sources: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
Chunks", and the same with trailing headers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .answers import Refusal
from .bodies import CHECKSUM_PREFIX, DIGEST_SIZES
from .heads import RequestHead
from .signatures import Authorization, signature

__all__ = ["ChunkedBody", "check_chunks", "is_aws_chunked", "read_chunks"]

_PREFIX: Final = "STREAMING-"
_FORMS: Final = frozenset({
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
})  # fmt: skip
_SIGNED: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class ChunkedBody:
    """Body without its framing."""

    chunks: tuple[tuple[bytes, str | None], ...]
    """Data and signature of every chunk; the last one is empty. ``None`` without a signature."""
    trailers: tuple[tuple[str, str], ...]
    """Headers behind the last chunk, names in lower case, without their signature."""
    trailer_signature: str | None

    @property
    def algorithms(self) -> set[str]:
        """Algorithms of the checksums among the trailers."""
        return {name.removeprefix(CHECKSUM_PREFIX) for name, _ in self.trailers} & set(DIGEST_SIZES)


def is_aws_chunked(head: RequestHead) -> bool:
    """Return whether the body of a request is in the chunks of SDKs."""
    return (head.header("x-amz-content-sha256") or "").startswith(_PREFIX)


def read_chunks(head: RequestHead, raw: bytes) -> ChunkedBody:
    """Take the framing away.

    Raises:
        Refusal: the form is unknown, the framing is broken, the size is not the declared one, or a trailer is missing.
    """
    form, size = head.header("x-amz-content-sha256"), head.header("x-amz-decoded-content-length")
    if form not in _FORMS:
        raise Refusal(400, "InvalidArgument", f"x-amz-content-sha256 has an unknown form: {form}")
    if size is None or not re.fullmatch(r"[0-9]{1,18}", size):
        raise Refusal(411, "MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.")
    rest = memoryview(raw)
    chunks: list[tuple[bytes, str | None]] = []
    while not chunks or chunks[-1][0]:
        data, signed, rest = _take_chunk(rest)
        if (signed is not None) != form.startswith(_SIGNED):
            raise _broken("a chunk has no signature, or one that the form does not have")
        chunks.append((data, signed))
    if sum(len(data) for data, _ in chunks) != int(size):
        raise Refusal(400, "IncompleteBody", "The body does not have the number of bytes that was declared.")
    trailers = dict(_read_trailers(bytes(rest)))
    trailer_signature = trailers.pop(_TRAILER_SIGNATURE, None)
    promised = {name.strip().lower() for name in (head.header("x-amz-trailer") or "").split(",") if name.strip()}
    if promised != set(trailers):
        raise Refusal(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed.")
    return ChunkedBody(tuple(chunks), tuple(trailers.items()), trailer_signature)


def _take_chunk(rest: memoryview) -> tuple[bytes, str | None, memoryview]:
    end = bytes(rest[:128]).find(b"\r\n")
    found = _SIZE_LINE.fullmatch(rest[:end]) if end >= 0 else None
    if found is None:
        raise _broken("no size of a chunk")
    size, start = int(found[1], 16), end + 2
    data, rest = bytes(rest[start : start + size]), rest[start + size :]
    if len(data) < size or (size and bytes(rest[:2]) != b"\r\n"):
        raise _broken("a chunk ends early")
    return data, found[2].decode() if found[2] else None, rest[2:] if size else rest


def _read_trailers(raw: bytes) -> Iterator[tuple[str, str]]:
    if not raw.endswith(b"\r\n"):
        raise _broken("no end after the last chunk")
    for line in raw.decode("latin-1").split("\r\n"):
        name, colon, value = line.strip("\n").partition(":")
        if line and not colon:
            raise _broken("a trailer has no colon")
        if line:
            yield name.lower(), value.strip()


def _broken(why: str) -> Refusal:
    return Refusal(400, "InvalidChunk", f"The chunks of the body are not well-formed: {why}.")


def check_chunks(body: ChunkedBody, claim: Authorization, secret_access_key: str) -> None:
    """Compare the signatures of the chunks and of the trailers, each made with the one before it.

    Raises:
        Refusal: a signature is wrong.
    """
    if not claim.payload_hash.startswith(_SIGNED):
        return
    before = claim.signature
    for data, signed in body.chunks:
        hashes = (before, _EMPTY, hashlib.sha256(data).hexdigest())
        before = _compare(signed, "AWS4-HMAC-SHA256-PAYLOAD", hashes, claim, secret_access_key)
    if claim.payload_hash.endswith("-TRAILER"):
        lines = "".join(f"{name}:{value}\n" for name, value in body.trailers)
        digest = hashlib.sha256(lines.encode("latin-1")).hexdigest()
        _compare(body.trailer_signature, "AWS4-HMAC-SHA256-TRAILER", (before, digest), claim, secret_access_key)


def _compare(signed: str | None, algorithm: str, hashes: tuple[str, ...], claim: Authorization, secret: str) -> str:
    to_sign = "\n".join((algorithm, claim.amz_date, "/".join(claim.scope), *hashes))
    expected = signature(secret, claim.scope, to_sign)
    if signed != expected:
        message = "The chunk signature we calculated does not match the signature you provided."
        raise Refusal(403, "SignatureDoesNotMatch", message, StringToSign=to_sign)
    return expected
