"""Encoding of one upload attribute as headers. An unusable value is refused before anything is sent."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import md5
from typing import Final
from urllib.parse import quote, urlencode

from aios3.errors import ConfigurationError

__all__ = [
    "read_context",
    "read_customer_key",
    "read_etag",
    "read_expires",
    "read_flag",
    "read_legal_hold",
    "read_metadata",
    "read_name",
    "read_retain_until",
    "read_tags",
    "read_text",
]

Reader = Callable[[str, object], Mapping[str, str]]

CUSTOMER_KEY_BYTES: Final = 32
"""Bytes of a key of AES-256, the only algorithm of SSE-C."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# RFC 2047 limits an encoded word to 75 characters, 12 of which are "=?UTF-8?B?" and "?="; 45 bytes become 60.
_WORD_BYTES: Final = 45


def read_text(header: str) -> Reader:
    """Return a reader of plain text for `header`."""

    def read(name: str, value: object) -> Mapping[str, str]:
        text = _text(name, value)
        if not text.isascii():
            raise ConfigurationError(f"{name} must be ASCII, since HTTP headers are; percent-encode the rest")
        return {header: text}

    return read


def read_name(name: str, value: object) -> str:
    """Return a name that a store has given, which is not empty."""
    text = _text(name, value)
    if not text:
        raise ConfigurationError(f"{name} must not be empty")
    _utf8(name, text)
    return text


def read_flag(header: str) -> Reader:
    """Return a reader of a bool for `header`."""

    def read(name: str, value: object) -> Mapping[str, str]:
        return {header: "true" if _flag(name, value) else "false"}

    return read


def read_etag(header: str) -> Reader:
    """Return a reader of ``*`` or an ETag, with or without its quotes, for `header`."""

    def read(name: str, value: object) -> Mapping[str, str]:
        text = read_text(header)(name, value)[header].strip()
        is_ready = text == "*" or text.startswith(('"', 'W/"'))
        return {header: text if is_ready else f'"{text}"'}

    return read


def read_expires(name: str, value: object) -> Mapping[str, str]:
    """Return Expires from an aware datetime, or from unchanged text."""
    if isinstance(value, datetime):
        return {"expires": format_datetime(_aware(name, value), usegmt=True)}
    return read_text("expires")(name, value)


def read_metadata(name: str, value: object) -> Mapping[str, str]:
    """Return one ``x-amz-meta-`` header for each item. Text that a plain header would change becomes encoded words."""
    headers: dict[str, str] = {}
    for item, text in _items(name, value):
        header = f"x-amz-meta-{item.lower()}"
        if not _TOKEN.fullmatch(item):
            raise ConfigurationError(f"the {name} name {item!r:.80} cannot be part of a header name")
        if header in headers:
            raise ConfigurationError(f"the {name} name {item!r:.80} occurs twice; case is ignored")
        headers[header] = _encode_words(name, text)
    return headers


def read_tags(name: str, value: object) -> Mapping[str, str]:
    """Return the form-encoded tags."""
    return {
        "x-amz-tagging": urlencode(
            [(_utf8(name, tag), _utf8(name, text)) for tag, text in _items(name, value)], quote_via=quote, safe=""
        )
    }


def read_context(name: str, value: object) -> Mapping[str, str]:
    """Return the KMS encryption context as base64 of JSON."""
    document = json.dumps(dict(_items(name, value)), separators=(",", ":"))
    return {"x-amz-server-side-encryption-context": b64encode(document.encode()).decode()}


def read_customer_key(name: str, value: object) -> Mapping[str, str]:
    """Return the three headers of SSE-C; no message ever shows the key."""
    if not isinstance(value, bytes) or len(value) != CUSTOMER_KEY_BYTES:
        raise ConfigurationError(f"{name} must be {CUSTOMER_KEY_BYTES} bytes")
    prefix = "x-amz-server-side-encryption-customer-"
    digest = md5(value, usedforsecurity=False).digest()
    return {
        f"{prefix}algorithm": "AES256",
        f"{prefix}key": b64encode(value).decode(),
        f"{prefix}key-md5": b64encode(digest).decode(),
    }


def read_retain_until(name: str, value: object) -> Mapping[str, str]:
    """Return the end of the retention in RFC 3339, whole seconds, UTC."""
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{name} must be a datetime, not {type(value).__name__}")
    return {"x-amz-object-lock-retain-until-date": f"{_aware(name, value).replace(tzinfo=None):%Y-%m-%dT%H:%M:%S}Z"}


def read_legal_hold(name: str, value: object) -> Mapping[str, str]:
    """Return ON or OFF."""
    return {"x-amz-object-lock-legal-hold": "ON" if _flag(name, value) else "OFF"}


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a string, not {type(value).__name__}")
    if _CONTROL.search(value):
        raise ConfigurationError(f"{name} holds a line break or another control character")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def _aware(name: str, value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ConfigurationError(f"{name} needs a time zone")
    return value.astimezone(UTC)


def _items(name: str, value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must map names to strings, not {type(value).__name__}")
    for item, text in value.items():
        yield _text(f"a name in {name}", item), _text(f"a value in {name}", text)


def _utf8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} holds lone surrogates, which UTF-8 cannot express") from None


def _encode_words(name: str, text: str) -> str:
    # HTTP trims space at the ends, and a reader would decode text that looks like an encoded word.
    if text.isascii() and text == text.strip() and "=?" not in text:
        return text
    return " ".join(f"=?UTF-8?B?{b64encode(piece).decode()}?=" for piece in _pieces(_utf8(name, text)))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut the bytes between characters, because every encoded word must be complete UTF-8."""
    start = 0
    while start < len(data):
        end = min(start + _WORD_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end]
        start = end
