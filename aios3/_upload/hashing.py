"""Hashing that never holds the loop up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from aios3._protocol.checksums import Pieces, checksum_header, checksum_of
from aios3._protocol.messages import Body
from aios3.options import KIB

from .integrity import ObjectChecksum

__all__ = ["hash_body", "md5_hex", "part_checksum"]

_INLINE: Final = 128 * KIB
"""Bytes up to which hashing on the loop (0.2 ms at most) is cheaper than a thread."""


async def hash_body(function: Callable[[Body], str], body: Body) -> str:
    """Return ``function(body)``, in a thread if the body is large."""
    if sum(len(piece) for piece in body) <= _INLINE:
        return function(body)
    return await asyncio.to_thread(function, body)


def md5_hex(body: Pieces) -> str:
    """Return the MD5 of a body as ETags have it. It runs in one call, so a large body belongs into a thread."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return digest.hexdigest()


async def part_checksum(checksum: ObjectChecksum | None, body: Body) -> tuple[str, str] | None:
    """Return the header and value of the additional checksum, or ``None`` where none is sent."""
    if checksum is None:
        return None
    algorithm = checksum.algorithm
    return checksum_header(algorithm), await hash_body(lambda data: checksum_of(algorithm, data), body)
