"""Bounded channel for a streamed body, from the task that pulls the source to the transport."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from aios3._upload.memory.held_part import HeldPart
from aios3.errors import StorageError

__all__ = ["BodyChannel"]

_MOST_WAITING: Final = 2
"""Pieces handed over and not yet taken by the socket: one that goes out and one that follows it at once."""


class BodyChannel:
    """Body of one request: a beginning that can be sent again, then pieces that can be sent only once.

    Two sides use it, in one event loop. The feeding side gives up the beginning when it has been sent, then puts
    pieces, then ends. The transport's side iterates over `pieces`. When it asks for the next piece it has finished with
    the last one, whose memory is then released. The iteration ends only after `end`, so a body that was cut off never
    looks complete.
    """

    def __init__(self, beginning: HeldPart, *, length: int | None) -> None:
        """Take over the beginning.

        Args:
            beginning: sent first, and again by every further attempt, until `give_up_beginning`.
            length: bytes of the whole body, or ``None`` if unknown.
        """
        self.length = length
        self._beginning: HeldPart | None = beginning
        self._waiting: deque[HeldPart] = deque()
        self._going_out: HeldPart | None = None
        self._bytes_passed = beginning.size
        self._has_beginning_left = False
        self._has_ended = False
        self._was_end_passed = False
        self._is_closed = False
        self._given = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Nothing waits for the socket: what comes now could go out at once."""
        return self._beginning is None and not self._waiting and self._going_out is None

    @property
    def may_be_whole(self) -> bool:
        """The body may have left to its very end, so that the store may act on it."""
        return self._was_end_passed or self._bytes_passed == self.length

    # the feeding side

    async def give_up_beginning(self) -> None:
        """Return when the beginning has left this process, and give its memory back: it cannot be sent again.

        Raises:
            StorageError: the request has failed meanwhile.
        """
        await self._until(self._taken, lambda: self._has_beginning_left)
        self._drop_beginning()

    async def put(self, part: HeldPart) -> None:
        """Hand over a piece, as soon as there are not too many that wait; if this raises the piece is the caller's.

        Raises:
            StorageError: the request has failed.
        """
        await self._until(self._taken, lambda: len(self._waiting) + (self._going_out is not None) < _MOST_WAITING)
        self._waiting.append(part)
        self._given.set()

    def end(self) -> None:
        """Say that the source has ended cleanly and everything was put."""
        self._has_ended = True
        self._given.set()

    def close(self) -> None:
        """Release all memory; no piece may be in use. Waiting calls of the feeding side raise `StorageError`."""
        self._is_closed = True
        self._piece_left()
        while self._waiting:
            self._waiting.popleft().close()
        self._drop_beginning()
        self._taken.set()

    def _drop_beginning(self) -> None:
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            beginning.close()

    async def _until(self, event: asyncio.Event, condition: Callable[[], object]) -> None:
        while not self._is_closed and not condition():
            event.clear()
            await event.wait()
        if self._is_closed:
            raise StorageError("the upload has failed, and takes no further bytes")

    # the transport's side

    def rewind(self) -> bool:
        """After an attempt that failed, say whether another one can send the body from its first byte."""
        self._has_beginning_left = False
        return self._beginning is not None

    def pieces(self) -> AsyncIterator[bytes | bytearray | memoryview]:
        """Give the body from its first byte, for one attempt."""
        assert self._beginning is not None
        return _Pieces(self, self._beginning)

    def beginning_left(self) -> None:
        """Note that the transport has finished with the whole beginning."""
        self._has_beginning_left = True
        self._taken.set()

    @property
    def bytes_passed(self) -> int:
        """Bytes that the transport was given, the beginning counted once."""
        return self._bytes_passed

    async def next_piece(self) -> bytes | bytearray | memoryview | None:
        """Return what comes after the beginning, piece by piece; ``None`` when the source has ended."""
        self._piece_left()
        while not self._waiting and not self._has_ended:
            self._given.clear()
            await self._given.wait()
        if not self._waiting:
            self._was_end_passed = True
            return None
        self._going_out = self._waiting.popleft()
        self._bytes_passed += self._going_out.size
        return self._going_out.body[0]

    def _piece_left(self) -> None:
        gone, self._going_out = self._going_out, None
        if gone is not None:
            gone.close()
            self._taken.set()


class _Pieces:
    """One attempt's way through the body."""

    def __init__(self, channel: BodyChannel, beginning: HeldPart) -> None:
        self._channel = channel
        self._beginning = beginning.body
        self._passed = 0
        """Slices of the beginning."""

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes | bytearray | memoryview:
        if self._passed < len(self._beginning):
            self._passed += 1
            return self._beginning[self._passed - 1]
        self._channel.beginning_left()
        piece = await self._channel.next_piece()
        if piece is None:
            raise StopAsyncIteration
        return piece
