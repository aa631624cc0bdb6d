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
"""Pieces put and not yet sent: one that the transport is sending, and one that follows it at once."""


class BodyChannel:
    """Body of one request: a beginning that can be sent again, then pieces that can be sent only once.

    Two sides use it, in one event loop. The feeding side gives up the beginning when it has been sent, then puts
    pieces, then ends. The transport's side iterates over `pieces`. When it asks for the next piece it has finished with
    the last one, whose memory is then released. The iteration ends only after `end`, so a body that was cut off never
    looks complete.
    """

    def __init__(self, beginning: HeldPart, *, length: int | None) -> None:
        """Take `beginning` over; the channel closes it.

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
        """No bytes wait for the socket, so a new piece could be sent at once."""
        return self._beginning is None and not self._waiting and self._going_out is None

    @property
    def may_be_whole(self) -> bool:
        """The body may have been sent completely, so the store may act on it."""
        return self._was_end_passed or self._bytes_passed == self.length

    # the feeding side

    async def give_up_beginning(self) -> None:
        """Wait until the beginning has been sent, then release its memory; it can no longer be sent again.

        Raises:
            StorageError: the request has failed meanwhile.
        """
        await self._until(self._taken, lambda: self._has_beginning_left)
        self._drop_beginning()

    async def put(self, part: HeldPart) -> None:
        """Pass a piece on, when fewer than two wait. If this raises, or is cancelled, the caller closes the piece.

        Raises:
            StorageError: the request has failed.
        """
        await self._until(self._taken, lambda: len(self._waiting) + (self._going_out is not None) < _MOST_WAITING)
        self._waiting.append(part)
        self._given.set()

    def end(self) -> None:
        """End the body, after the source has ended cleanly and every piece was put."""
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
        """Prepare for another attempt; return whether it can send the body from its first byte."""
        self._has_beginning_left = False
        return self._beginning is not None

    def pieces(self) -> AsyncIterator[bytes | bytearray | memoryview]:
        """Return an iterator over the body from its first byte, for one attempt."""
        assert self._beginning is not None
        return _Pieces(self, self._beginning)

    def beginning_left(self) -> None:
        """Note that the transport has finished with the whole beginning."""
        self._has_beginning_left = True
        self._taken.set()

    @property
    def bytes_passed(self) -> int:
        """Bytes passed to the transport; the beginning counts once."""
        return self._bytes_passed

    async def next_piece(self) -> bytes | bytearray | memoryview | None:
        """Wait for the next piece after the beginning; return its bytes, or ``None`` when the source has ended."""
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
    """Iterator over the body, for one attempt."""

    def __init__(self, channel: BodyChannel, beginning: HeldPart) -> None:
        self._channel = channel
        self._beginning = beginning.body
        self._passed = 0
        """Slices of the beginning that were passed to the transport."""

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
