"""Simulated sources: uneven, slow, failing or endless, with a record of their bytes and their closing."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

__all__ = ["SHAPES", "Shape", "SimulatedSource", "SourceError"]

Kind = Literal["iterator", "generator", "reader", "sync_reader", "sync_iterator", "list", "bytes"]
SHAPES: Final[tuple[Kind, ...]] = (
    "iterator", "iterator", "generator", "generator", "reader", "sync_reader", "sync_iterator", "list", "bytes",
)  # fmt: skip
ENDLESS: Final = 1200
"""Bytes of an endless source, more than any simulation reads."""


class SourceError(Exception):
    """The source fails."""


@dataclass(frozen=True)
class FrozenSourceError(SourceError):
    """The source fails, with an error that takes no attributes and no notes."""

    text: str


class StoppedSourceError(SourceError, GeneratorExit):
    """The source fails, with an error that coroutines take for their end."""


class LateSourceError(SourceError, TimeoutError):
    """The source fails, with the error of a timeout."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Behaviour of a source, drawn beforehand."""

    kind: Kind
    size: int
    """Length in bytes."""
    chunks: tuple[int, ...]
    """Sizes of chunks in bytes, repeated."""
    pauses: tuple[float, ...]
    """Seconds before each chunk, repeated. 0 gives the loop a turn, a negative value does not."""
    fails_at: int | None
    """Position of the byte at which the source fails; ``None`` for never."""
    closing: float
    """Seconds that closing takes."""
    stalls_at: int | None = None
    """Position of the byte that never comes; ``None`` for never. Only for async sources."""

    @property
    def can_fail(self) -> bool:
        return self.kind not in ("list", "bytes")


class SimulatedSource:
    """Source that is read once."""

    def __init__(self, shape: Shape, random: Random) -> None:
        self.shape = shape
        self.content = random.randbytes(shape.size)
        self.error = None if shape.fails_at is None else random.choice(ERRORS)(f"at byte {shape.fails_at}")
        self._is_inside = random.random() < 0.5
        """Whether ``__iter__`` or ``__aiter__`` makes the iterator. A list is one buffer instead."""
        self.given = 0
        """Number of given bytes."""
        self.was_asked = False
        self.was_made = False
        self.is_closed = False
        self.held: list[int] = []
        """Number of given bytes at each read."""
        self._buffer = bytearray()
        self._step = 0

    def make(self) -> Any:
        """Return the object to upload."""
        self.was_made = True
        kind = self.shape.kind
        if kind == "iterator":
            return _Iterator(self)
        if kind == "generator":
            return _Iterable(self) if self._is_inside else self._generate()
        if kind in ("reader", "sync_reader"):
            return _Reader(self) if kind == "reader" else _SyncReader(self)
        if kind == "sync_iterator":
            return _SyncIterable(self) if self._is_inside else self._iterate()
        self.given = len(self.content)
        if kind == "list" and self._is_inside:
            return array("B", self.content)
        return self.content if kind == "bytes" else list(self._split())

    @property
    def is_closable(self) -> bool:
        """Whether the source has started and needs closing."""
        is_begun = self.was_asked or self.shape.kind == "iterator"
        return self.was_made and is_begun and self.shape.kind in ("iterator", "generator", "sync_iterator")

    def next_chunk(self, most: int | None = None) -> bytes | bytearray:
        """Return the next chunk, which is empty at the end. Without a limit it may be empty earlier."""
        self.was_asked = True
        self.held.append(self.given)
        count = self.shape.chunks[self._step % len(self.shape.chunks)]
        self._step += 1
        count = count if most is None else max(1, min(count, most))
        last = len(self.content) if self.shape.stalls_at is None else self.shape.stalls_at
        end = min(self.given + count, last)
        if self.error is not None and self.shape.fails_at is not None and end >= self.shape.fails_at:
            raise self.error
        self._buffer[:] = b"\xff" * len(self._buffer)  # a producer may use its buffer again
        self._buffer = bytearray(self.content[self.given : end])
        self.given = end
        return self._buffer

    @property
    def has_ended(self) -> bool:
        return self.error is None and self.given >= len(self.content)

    async def pause(self) -> None:
        if self.given == self.shape.stalls_at:
            await asyncio.Event().wait()
        seconds = self.shape.pauses[self._step % len(self.shape.pauses)]
        if seconds >= 0:
            await asyncio.sleep(seconds)

    async def close(self) -> None:
        self.is_closed = True
        await asyncio.sleep(self.shape.closing)

    async def _generate(self) -> AsyncIterator[bytes | bytearray]:
        self.was_asked = True
        try:
            while not self.has_ended:
                await self.pause()
                yield self.next_chunk()
        finally:
            self.is_closed = True
            if self.shape.closing:
                await asyncio.sleep(self.shape.closing)

    def _iterate(self) -> Iterator[bytes | bytearray]:
        try:
            while not self.has_ended:
                yield self.next_chunk()
        finally:
            self.is_closed = True

    def _split(self) -> Iterator[bytes]:
        start = step = 0
        while start < len(self.content):
            count = self.shape.chunks[step % len(self.shape.chunks)]
            yield self.content[start : start + count]
            start, step = start + count, step + 1


ERRORS: Final = (SourceError, SourceError, SourceError, FrozenSourceError, StoppedSourceError, LateSourceError)


class _Iterator:
    def __init__(self, source: SimulatedSource) -> None:
        self._source = source

    def __aiter__(self) -> _Iterator:
        return self

    async def __anext__(self) -> bytes | bytearray:
        await self._source.pause()
        if self._source.has_ended:
            raise StopAsyncIteration
        return self._source.next_chunk()

    async def aclose(self) -> None:
        await self._source.close()


class _Iterable:
    """Async iterable without `aclose`."""

    def __init__(self, source: SimulatedSource) -> None:
        self._source = source

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        return self._source._generate()


class _SyncIterable:
    def __init__(self, source: SimulatedSource) -> None:
        self._source = source

    def __iter__(self) -> Iterator[bytes | bytearray]:
        return self._source._iterate()


class _Reader:
    def __init__(self, source: SimulatedSource) -> None:
        self._source = source

    async def read(self, count: int) -> bytes | bytearray:
        await self._source.pause()
        return self._source.next_chunk(count)


class _SyncReader:
    def __init__(self, source: SimulatedSource) -> None:
        self._source = source

    def read(self, count: int) -> bytes | bytearray:
        return self._source.next_chunk(count)
