"""The bytes that are streamed: as an async iterator, as an iterator, and as a file to read from."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

__all__ = ["AsyncReader", "Reader", "Source"]


class Source:
    """A stream whose length nobody is told, a new bytes object for every chunk, as a socket would hand them out.

    With ``rate`` a chunk comes when its bytes are due at that many a second,
    counted from the first; whoever asks late gets them at once. The first
    ``head`` bytes are due at once. With ``lets_others_run`` the loop turns once
    before every chunk, so that a stall is the client's and not that of a source
    which is always ready.
    """

    def __init__(
        self, size: int, chunk_size: int, *, rate: float = 0.0, head: int = 0, lets_others_run: bool = False
    ) -> None:
        self.size = size
        self.ended_at: float | None = None
        """When the last byte was handed out, on the clock of `time.perf_counter`."""
        self._chunk_size = chunk_size
        self._rate = rate
        self._head = head
        self._lets_others_run = lets_others_run
        self._template = memoryview(os.urandom(min(chunk_size, max(size, 1))))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks; waiting is asyncio's."""
        began = time.perf_counter()
        for start in range(0, self.size, self._chunk_size):
            wait = self._wait(start, began)
            if wait > 0 or self._lets_others_run:
                await asyncio.sleep(wait)
            yield self._chunk(start)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the same chunks; waiting blocks the thread."""
        began = time.perf_counter()
        for start in range(0, self.size, self._chunk_size):
            wait = self._wait(start, began)
            if wait > 0:
                time.sleep(wait)
            yield self._chunk(start)

    def _wait(self, start: int, began: float) -> float:
        if not self._rate:
            return 0.0
        due = began + (min(start + self._chunk_size, self.size) - self._head) / self._rate
        return max(0.0, due - time.perf_counter())

    def _chunk(self, start: int) -> bytes:
        if start + self._chunk_size >= self.size:
            self.ended_at = time.perf_counter()
        # Not a slice of bytes: that would be the same object again and again.
        return bytes(self._template[: self.size - start])


class Reader:
    """A source as a file to read from, for clients that take nothing else."""

    def __init__(self, source: Source) -> None:
        self._chunks = iter(source)
        self._rest = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end; all that is left for a negative size."""
        taken = [self._rest]
        length = len(self._rest)
        self._rest = memoryview(b"")
        while size < 0 or length < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            taken.append(memoryview(chunk))
            length += len(chunk)
        if size >= 0 and length > size:
            last = taken.pop()
            self._rest = last[len(last) - (length - size) :]
            taken.append(last[: len(last) - (length - size)])
        return b"".join(taken)


class AsyncReader:
    """A source as a file whose ``read`` is awaited."""

    def __init__(self, source: Source) -> None:
        self._chunks = aiter(source)
        self._held = bytearray()

    async def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end; all that is left for a negative size."""
        while size < 0 or len(self._held) < size:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                break
            self._held += chunk
        size = len(self._held) if size < 0 else size
        with memoryview(self._held) as view:
            data = bytes(view[:size])
        del self._held[:size]
        return data
