"""Sources of several kinds, whose bytes are computed from the upload's number and need not be kept."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from .plan import Plan

__all__ = ["OLD", "Source", "SourceError", "digest_of", "slice_of", "source_file"]

OLD: Final = b"what the key held before"
_BLOCK: Final = 1_000_003
"""Prime number of bytes, so no two parts and no two segments are equal."""


class SourceError(Exception):
    """The source fails."""


@cache
def _block() -> bytes:
    return Random("soak").randbytes(_BLOCK)


def slice_of(plan: Plan, start: int, end: int) -> bytes:
    """Return bytes of an upload's content: its number, then a block with another offset for every upload."""
    name = b"%012d" % plan.number
    pieces = [name[start:end]]
    at, left = max(start, len(name)), min(end, plan.size) - max(start, len(name))
    while left > 0:
        offset = (at + plan.number * 7919) % _BLOCK
        piece = _block()[offset : offset + left]
        pieces.append(piece)
        at, left = at + len(piece), left - len(piece)
    return b"".join(pieces)[: max(0, plan.size - start)]


def digest_of(plan: Plan) -> str:
    """Return the SHA-256 of the whole content."""
    digest = hashlib.sha256()
    for start in range(0, plan.size, _BLOCK):
        digest.update(slice_of(plan, start, min(start + _BLOCK, plan.size)))
    return digest.hexdigest()


@contextmanager
def source_file(plan: Plan) -> Iterator[Path]:
    """Write the content into a file that exists during the block."""
    with tempfile.NamedTemporaryFile(prefix="aios3-soak-") as file:
        file.write(slice_of(plan, 0, plan.size))
        file.flush()
        yield Path(file.name)


class Source:
    """Source of one upload, which records its closing."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._given = 0
        self._buffer = bytearray()
        self.was_asked = False
        self.is_closed = False
        self._fails_at = int(plan.moment * plan.size) if plan.ending == "source_error" else None

    @property
    def must_be_closed(self) -> bool:
        """Whether the source has started, needs closing, and is not closed."""
        return self._plan.kind == "generator" and self.was_asked and not self.is_closed

    def make(self) -> Any:
        """Return the object to upload."""
        match self._plan.kind:
            case "reader":
                return self
            case "sync_iterator":
                return self._iterate()
            case "bytes":
                return slice_of(self._plan, 0, self._plan.size)
            case _:
                return self.generate()

    async def generate(self) -> AsyncGenerator[bytearray]:
        """Yield chunks in one buffer that is reused."""
        self.was_asked = True
        try:
            while chunk := self._next(self._plan.chunk):
                await asyncio.sleep(self._plan.pause)
                self._buffer[:] = chunk
                yield self._buffer
        finally:
            self.is_closed = True

    async def read(self, count: int) -> bytes:
        """Read up to `count` bytes, as an async reader."""
        await asyncio.sleep(self._plan.pause)
        return self._next(min(count, self._plan.chunk))

    def _iterate(self) -> Iterator[bytes]:
        while chunk := self._next(self._plan.chunk):
            yield chunk

    def _next(self, count: int) -> bytes:
        end = min(self._given + count, self._plan.size)
        if self._fails_at is not None and end >= self._fails_at:
            raise SourceError(f"at byte {self._fails_at}")
        chunk = slice_of(self._plan, self._given, end)
        self._given = end
        return chunk
