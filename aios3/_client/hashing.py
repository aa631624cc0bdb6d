"""Hashing of bodies without blocking the event loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar

from aios3._concurrency.threads import in_library_thread
from aios3._protocol.checksums.digests import Pieces
from aios3._protocol.wire.messages import Body
from aios3.options import KIB

__all__ = [
    "hash_body",
    "md5_hex",
]

T = TypeVar("T")

_INLINE: Final = 128 * KIB
"""Bytes up to which hashing on the loop (0.2 ms at most) is cheaper than a thread."""


async def hash_body(function: Callable[[Body], T], body: Body) -> T:
    """Return ``function(body)``, in a thread if the body is large."""
    if sum(len(piece) for piece in body) <= _INLINE:
        return function(body)
    return await in_library_thread(function, body)


def md5_hex(body: Pieces) -> str:
    """Return the MD5 of a body in lower-case hex, as in ETags. It blocks, so a large body belongs into a thread."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()
