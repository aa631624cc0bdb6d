"""Objects that are stored as gzip, and unpacked for clients that do not accept gzip, as Google does."""

from __future__ import annotations

import gzip
import zlib

from aios3.testing.wire.answers import Answer
from aios3.testing.wire.received import ReceivedRequest

from .state import Store, StoredObject

__all__ = ["is_unpacked", "unpacked_response"]

_LOST: frozenset[str] = frozenset({"ETag", "Accept-Ranges", "content-encoding"})


def is_unpacked(store: Store, found: StoredObject, request: ReceivedRequest) -> bool:
    """Return whether the store unpacks this object for this request."""
    is_accepted = "gzip" in (request.header("Accept-Encoding") or "")
    return store.provider.unpacks_gzip and found.headers.get("content-encoding") == "gzip" and not is_accepted


def unpacked_response(found: StoredObject, headers: dict[str, str]) -> Answer:
    """Return the whole object unpacked, without its length and its ETag. A range is ignored."""
    try:
        plain = gzip.decompress(found.body)
    except (OSError, EOFError, zlib.error):
        plain = found.body
    kept = {name: value for name, value in headers.items() if name not in _LOST}
    stored = {
        "Transfer-Encoding": "chunked",
        "Warning": "214 aios3.testing gunzipped",
        "x-goog-stored-content-encoding": "gzip",
        "x-goog-stored-content-length": str(found.size),
    }
    return Answer(200, {**kept, **stored}, b"%x\r\n%b\r\n0\r\n\r\n" % (len(plain), plain) if plain else b"0\r\n\r\n")
