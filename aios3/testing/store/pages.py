"""Pages of a listing: its parameters, its encoding, its groups by delimiter, and its tokens."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.documents import leaf
from aios3.testing.wire.received import ReceivedRequest

from .state import Store

__all__ = [
    "Encoder",
    "after_markers",
    "encoding_field",
    "group",
    "make_token",
    "prefix_entry",
    "read_common",
    "read_count",
    "read_token",
    "take",
    "truncated_field",
]

_Item = TypeVar("_Item")


class Encoder:
    """Writes keys in the encoding that the request asked for."""

    def __init__(self, *, url: bool) -> None:
        self._url = url

    def __call__(self, key: str) -> str:
        return quote(key, safe="/-_.~") if self._url else key


def read_common(store: Store, request: ReceivedRequest) -> tuple[str, Encoder]:
    """Return the prefix that a listing asks for, and the encoder of its keys.

    Raises:
        Refusal: the encoding is unknown, or the store does not list by such a prefix.
    """
    encoding = request.head.parameter("encoding-type")
    if encoding not in {None, "url"}:
        raise Refusal(400, "InvalidArgument", "Invalid Encoding Method specified in Request")
    prefix = request.head.parameter("prefix") or ""
    if store.provider.lists_by_folder and prefix and not prefix.endswith("/"):
        raise Refusal(400, "InvalidRequest", "A prefix has to end in a delimiter here.")
    return prefix, Encoder(url=encoding == "url")


def read_count(value: str | None, name: str, most: int | None, absent: int | None = None) -> int:
    """Return a number that a request gives as text.

    Args:
        value: the text, or ``None`` if the request has none.
        name: its name in the refusal.
        most: the largest number, which takes the place of larger ones; ``None`` is no limit.
        absent: the number without a text; ``None`` stands for ``most``.

    Raises:
        Refusal: the text is no number.
    """
    if value is None:
        return (most if absent is None else absent) or 0
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Refusal(400, "InvalidArgument", f"Provided {name} not an integer or within integer range")
    return int(value) if most is None else min(int(value), most)


def group(items: Iterable[tuple[str, _Item]], prefix: str, delimiter: str | None) -> list[tuple[str, _Item | None]]:
    """Return items with their keys, and each common prefix once with ``None``. The items are in the order of keys."""
    entries: list[tuple[str, _Item | None]] = []
    for key, item in items:
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, item) if end < 0 or delimiter is None else (key[: end + len(delimiter)], None)
        if entry[1] is not None or entries[-1:] != [entry]:
            entries.append(entry)
    return entries


def after_markers(
    entries: Iterable[tuple[str, _Item | None]], key_marker: str, follows: Callable[[_Item], bool]
) -> list[tuple[str, _Item | None]]:
    """Return the entries of later keys, and those of the same key for which ``follows`` is true."""
    return [
        (key, item)
        for key, item in entries
        if key.encode() > key_marker.encode() or (key == key_marker and item is not None and follows(item))
    ]


def take(items: Iterable[_Item], most: int) -> tuple[list[_Item], bool]:
    """Return the first items, and whether there are more. S3 calls a page of zero entries "not truncated"."""
    rest = iter(items)
    page = list(islice(rest, most))
    return page, most > 0 and next(rest, None) is not None


def make_token(name: str) -> str:
    """Return the token that continues a listing after a name."""
    return base64.b64encode(name.encode()).decode()


def read_token(token: str) -> str:
    """Return the name of a token.

    Raises:
        Refusal: the server did not make this token.
    """
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refusal(400, "InvalidArgument", "The continuation token provided is incorrect") from None


def encoding_field(request: ReceivedRequest, encode: Encoder) -> list[str]:
    """Return the elements that repeat the delimiter and the encoding of a request."""
    delimiter = request.head.parameter("delimiter")
    fields = [leaf("Delimiter", encode(delimiter))] if delimiter else []
    return [*fields, leaf("EncodingType", "url")] if request.head.parameter("encoding-type") else fields


def prefix_entry(prefix: str) -> str:
    """Return the entry of a common prefix, which is already encoded."""
    return f"<CommonPrefixes>{leaf('Prefix', prefix)}</CommonPrefixes>"


def truncated_field(*, is_truncated: bool) -> str:
    """Return the element that says whether there are more pages."""
    return leaf("IsTruncated", str(is_truncated).lower())
