"""Strict reader of the head of an HTTP/1.1 request, which refuses errors that a lenient server forgives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["MAX_HEAD_SIZE", "MalformedHeadError", "RequestHead", "read_head", "take_head"]

MAX_HEAD_SIZE: Final = 64 * 1024
"""Bytes. S3 takes 8 KiB of headers. The rest is room for long keys and presigned queries."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(r"/[!-~]*")
_TLS_HANDSHAKE: Final = 0x16
"""First byte of every TLS connection."""
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class MalformedHeadError(Exception):
    """The bytes are not the head of an HTTP/1.1 request."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Request line and headers as received."""

    method: str
    target: str
    """Request target as received."""
    path: str
    """Target up to the question mark, percent-encoded as received."""
    query: tuple[tuple[str, str], ...]
    """Decoded parameters in order. A parameter without a value has the value ``""``."""
    headers: tuple[tuple[str, str], ...]
    """Headers in order, with names in their original case and values decoded as Latin-1."""

    def header(self, name: str) -> str | None:
        """Return the values of a header joined by a comma, or ``None`` without one."""
        values = [value for other, value in self.headers if other.lower() == name.lower()]
        return ",".join(values) if values else None

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, or ``None`` without one."""
        return next((value for other, value in self.query if other == name), None)

    @property
    def content_length(self) -> int | None:
        """Bytes of the body, or ``None`` if the head does not say."""
        value = self.header("Content-Length")
        return None if value is None else int(value)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks, without a known length."""
        return self.header("Transfer-Encoding") == "chunked"


def take_head(received: bytearray) -> RequestHead | None:
    """Remove a head from the front of received bytes, and return it; ``None`` while it is incomplete.

    Raises:
        MalformedHeadError: the head breaks a rule of HTTP/1.1, or is too long.
    """
    end = received.find(b"\r\n\r\n")
    if (len(received) if end < 0 else end) > MAX_HEAD_SIZE:
        raise MalformedHeadError(f"more than {MAX_HEAD_SIZE} bytes")
    if received and not _TOKEN.fullmatch(chr(received[0])):  # no head will ever come, so waiting for one would hang
        is_tls = received[0] == _TLS_HANDSHAKE
        raise MalformedHeadError(
            "a TLS greeting on a port for http" if is_tls else "not the beginning of a request line"
        )
    if end < 0 and b"\n\n" in received:
        raise MalformedHeadError("a line does not end with CR LF")
    if end < 0:
        return None
    head = read_head(bytes(received[:end]))
    del received[: end + 4]
    return head


def read_head(raw: bytes) -> RequestHead:
    """Read a head, which is given without the blank line at its end.

    Raises:
        MalformedHeadError: the head breaks a rule of HTTP/1.1.
    """
    first, *rest = raw.decode("latin-1").split("\r\n")
    if any("\r" in line or "\n" in line for line in (first, *rest)):
        raise MalformedHeadError("a line does not end with CR LF")
    words = first.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or words[2] != "HTTP/1.1":
        raise MalformedHeadError(f"not an HTTP/1.1 request line: {first[:80]!r}")
    method, target, _ = words
    if not _TARGET.fullmatch(target) or "#" in target or _BROKEN_ESCAPE.search(target):
        raise MalformedHeadError(f"not a request target: {target[:80]!r}")
    path, _, query = target.partition("?")
    head = RequestHead(method, target, path, _read_query(query), tuple(_read_header(line) for line in rest))
    _check_framing(head)
    return head


def _read_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise MalformedHeadError(f"not a header: {line[:80]!r}")
    return name, value.strip(" \t")


def _read_query(query: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for piece in query.split("&") if query else ():
        name, _, value = piece.partition("=")
        pairs.append((_decode_parameter(name), _decode_parameter(value)))
    return tuple(pairs)


def _decode_parameter(text: str) -> str:
    # S3 reads "+" as a space in a query, but not in a path. So a "+" that a client did not encode is noticed.
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise MalformedHeadError(f"a query parameter is not UTF-8: {text[:80]!r}") from None


def _check_framing(head: RequestHead) -> None:
    names = [name.lower() for name, _ in head.headers]
    if names.count("host") != 1:
        raise MalformedHeadError("a request has exactly one Host header")
    length = head.header("Content-Length")
    if length is not None and not re.fullmatch(r"[0-9]{1,18}", length):
        raise MalformedHeadError(f"not a Content-Length: {length[:80]!r}")
    if length is not None and "transfer-encoding" in names:
        raise MalformedHeadError("Content-Length and Transfer-Encoding in one request")
