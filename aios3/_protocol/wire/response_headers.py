"""Readers of response headers. A value that makes no sense counts as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from typing import Final

from aios3.models import FrozenDict

__all__ = [
    "ContentRange",
    "etag_of",
    "host_id",
    "printable",
    "read_checksum",
    "read_content_range",
    "read_http_date",
    "read_metadata",
    "request_id",
    "retry_after",
    "unquote_etag",
]


_METADATA_PREFIX: Final = "x-amz-meta-"
_CHECKSUM_PREFIX: Final = "x-amz-checksum-"
_NOT_CHECKSUMS: Final = frozenset({"x-amz-checksum-type", "x-amz-checksum-algorithm"})
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_ENCODED_WORD: Final = re.compile(r"=\?([^?]*)\?[BbQq]\?")
_CHARSET: Final = re.compile(r"utf-8|us-ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]", re.ASCII | re.IGNORECASE)
"""Charsets that are in real use. Python knows others that cause warnings, or are slow on hostile input."""

# Text that looks like a part of a signature, a token or a key, in a URL, a header or JSON that the store quotes.
_SECRETS: Final = re.compile(
    r"((?:signature|credential|token|authorization|secret|access[_-]?key|customer-key)[a-z_-]{0,20}"
    r"[\"']?\s{0,9}(?:[=:]|%3[ad])\s{0,9})\S+"
    r"|AWS4-HMAC-SHA256\b.*"
    r"|\bA[KS]IA[A-Z0-9]{12,}",
    re.IGNORECASE,
)


def unquote_etag(etag: str) -> str:
    """Return an ETag without its quotes and without the ``W/`` that some proxies put before them."""
    return etag.strip().removeprefix("W/").strip('"')


def etag_of(headers: Mapping[str, str]) -> str | None:
    """Return the ETag as sent, or ``None`` if there is none or it cannot be an ETag."""
    etag = headers.get("etag", "").strip()
    return etag if unquote_etag(etag) and etag.isprintable() else None


def request_id(headers: Mapping[str, str], in_body: str | None = None) -> str | None:
    """Return the store's request id, or ``None``; `in_body` is that of an error document."""
    return printable(headers.get("x-amz-request-id") or in_body or headers.get("x-guploader-uploadid"), 128) or None


def host_id(headers: Mapping[str, str], in_body: str | None = None) -> str | None:
    """Return the store's host id, or ``None``; `in_body` is that of an error document."""
    return printable(headers.get("x-amz-id-2") or in_body, 128) or None


def printable(text: str | None, limit: int) -> str:
    """Return the text as one printable line of at most `limit` characters, without anything that looks secret."""
    if not text:
        return ""
    # Cut roughly first, because the patterns are slow on megabytes.
    cut = text[: 4 * limit]
    spaced = cut if cut.isprintable() else "".join([char if char.isprintable() else " " for char in cut])
    words = " ".join(_SECRETS.sub(_hide, spaced).split())
    return words if len(words) <= limit else f"{words[: limit - 3]}..."


def _hide(found: re.Match[str]) -> str:
    return f"{found[1] or ''}(hidden)"


def read_checksum(headers: Mapping[str, str]) -> str | None:
    """Return the value of the first ``x-amz-checksum-*`` header, or ``None``."""
    for name, value in headers.items():
        if name.startswith(_CHECKSUM_PREFIX) and name not in _NOT_CHECKSUMS and value:
            return value
    return None


def read_metadata(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return user metadata by lower-case name, with RFC 2047 encoded words decoded."""
    found = {
        name.removeprefix(_METADATA_PREFIX): _decode_words(value)
        for name, value in headers.items()
        if name.startswith(_METADATA_PREFIX)
    }
    return FrozenDict(found)


def read_http_date(text: str | None) -> datetime | None:
    """Return an HTTP date in UTC, or ``None`` if there is none or it makes no sense."""
    try:
        time = parsedate_to_datetime(text or "")
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the store asks to wait, or ``None`` if it does not ask.

    Reads Retry-After (seconds or a date) and x-amz-retry-after (milliseconds); the longer
    one counts. A date is compared with the response's own Date, which needs no clock of ours.
    """
    asked = [_retry_after_header(headers), _amz_retry_after(headers)]
    waits = [wait for wait in asked if wait is not None]
    return max(waits) if waits else None


def _retry_after_header(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    then, now = read_http_date(text), read_http_date(headers.get("date"))
    return None if then is None or now is None else max(0.0, (then - now).total_seconds())


def _amz_retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("x-amz-retry-after", "").strip()
    return float(text) / 1000 if _NUMBER.fullmatch(text) else None


def _decode_words(value: str) -> str:
    charsets = _ENCODED_WORD.findall(value)
    if not charsets or not all(_CHARSET.fullmatch(charset) for charset in charsets):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


# Eighteen digits exceed every object size, and int() is fast and never fails on them.
_CONTENT_RANGE: Final = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """A section of an object."""

    start: int
    """Offset of the first byte."""
    end: int
    """Offset after the last byte."""
    total: int | None
    """Bytes of the whole object, or ``None`` where the store does not say."""


def read_content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return the section that a response holds, or ``None`` if the header is absent or makes no sense."""
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None
    section = ContentRange(int(found[1]), int(found[2]) + 1, None if found[3] == "*" else int(found[3]))
    is_inside = section.total is None or section.end <= section.total
    return section if section.start < section.end and is_inside else None
