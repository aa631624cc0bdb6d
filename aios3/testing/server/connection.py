"""One client's connection: bytes to requests, answers to bytes, and every way of breaking off.

It is a buffered protocol, not a pair of streams, because a fault has to hit an exact byte: the buffer that is
offered to the event loop is never larger than what may still be read. There are no tasks, so nothing is left
when the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Final, Literal, Protocol, cast

from aios3.testing.wire.bodies import Body
from aios3.testing.wire.chunked import ChunkReader
from aios3.testing.wire.heads import MalformedHeadError, RequestHead, take_head

from .peer_watch import PeerWatch

__all__ = ["Connection", "ConnectionOwner", "Ending", "RequestReader"]

Ending = Literal["close", "ragged", "half", "reset"]
"""How a connection ends: as TLS wants it, without ``close_notify``, in the server's direction only, or by RST."""

_BUFFER_SIZE: Final = 64 * 1024
_HEAD_PIECE: Final = 16 * 1024
_NO_LIMIT: Final = 1 << 62
_TURNS_UNTIL_SENT: Final = 2
"""Turns of the loop after which the kernel has what was written: uvloop writes at the end of a turn."""


class RequestReader(Protocol):
    """Whoever answers one request."""

    def begin(self) -> None:
        """Act on the head."""
        ...  # pragma: no cover - a protocol has no body

    def progress(self) -> None:
        """Note that bytes of the body came."""
        ...  # pragma: no cover - a protocol has no body

    def body_arrived(self) -> None:
        """Act on as much of the body as was asked for."""
        ...  # pragma: no cover - a protocol has no body

    def lost(self) -> None:
        """Note that the connection is gone, answered or not."""
        ...  # pragma: no cover - a protocol has no body


class ConnectionOwner(Protocol):
    """Whoever accepts connections."""

    peer_watch: PeerWatch

    def disconnected(self, connection: Connection) -> None:
        """Note a connection that is gone."""
        ...  # pragma: no cover - a protocol has no body

    def read_request(self, connection: Connection, head: RequestHead) -> RequestReader:
        """Return who will answer the request of this head."""
        ...  # pragma: no cover - a protocol has no body

    def refuse_head(self, connection: Connection, error: MalformedHeadError) -> None:
        """Answer what is not a request."""
        ...  # pragma: no cover - a protocol has no body


class _Reading(Enum):
    HEAD = auto()
    BODY = auto()
    LATER = auto()  # an answer is due; what comes meanwhile is the next head
    DISCARD = auto()  # the answer was early; what comes is thrown away


class Connection(asyncio.BufferedProtocol):
    """One connection, kept alive between requests."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket
        self._reading = _Reading.HEAD
        self._pending = bytearray()
        self._scratch = memoryview(bytearray(_BUFFER_SIZE))
        self._reader: RequestReader | None = None
        self._body = Body(0)
        self._chunks: ChunkReader | None = None
        self._limit = 0
        self._piece = _NO_LIMIT
        self._discarding = 0
        self._watched = -1
        self.requests = 0
        """Heads that came."""

    @property
    def is_open(self) -> bool:
        """Whether an answer could still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every event loop derives its transports from this class.
        self._transport = cast("asyncio.Transport", transport)
        # Asked now, because a transport that both sides have closed may not tell.
        self._socket = transport.get_extra_info("socket")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watched >= 0:
            self._owner.peer_watch.forget(self._watched)
        if self._reader:
            self._reader.lost()
        self._transport = None
        self._owner.disconnected(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._reading is _Reading.BODY:
            # Framing is read byte by byte, so that not one byte more is read than was asked for.
            return self._scratch[:1] if self._is_framing else self._body.room(self._scratch, self._most)
        # What comes with a head is copied once more, so that is kept short.
        return self._scratch if self._reading is _Reading.DISCARD else self._scratch[:_HEAD_PIECE]

    def buffer_updated(self, nbytes: int) -> None:
        if self._reading is _Reading.BODY:
            self._take_body(nbytes)
        elif self._reading is _Reading.DISCARD:
            self._discard(nbytes)
        else:
            self._pending += self._scratch[:nbytes]
            self._find_head()

    # What the answering side calls.

    def read_body(self, body: Body, *, limit: int | None = None, piece: int | None = None) -> None:
        """Read that body, or only ``limit`` bytes of it, at most ``piece`` bytes per turn of the loop.

        A body without a length comes in chunks; its framing counts as nothing.
        """
        self._body = body
        self._chunks = ChunkReader() if body.length is None else None
        length = _NO_LIMIT if body.length is None else body.length
        self._limit = length if limit is None else min(limit, length)
        self._piece = _NO_LIMIT
        self._reading = _Reading.BODY
        try:
            self._take_pending()
        except MalformedHeadError as error:
            self._refuse(error)
            return
        self._piece = piece or _NO_LIMIT
        self._check_body()

    def send(self, *pieces: bytes) -> None:
        """Send bytes, in one write each."""
        for piece in pieces:
            if self.is_open and piece:
                assert self._transport
                self._transport.write(piece)

    def send_last(self, data: bytes, ending: Ending, then: Callable[[], None] | None = None) -> None:
        """Send bytes, then end the connection; ``then`` is called between the two.

        A ``"close"`` without ``then`` is one segment with the bytes, where the platform can.
        """
        if ending == "close" and then is None:
            with self._corked():
                self.send(data)
                self.close()
        else:
            self.send(data)
            self._after_turns(_TURNS_UNTIL_SENT, lambda: self._end(ending, then))

    def _end(self, ending: Ending, then: Callable[[], None] | None) -> None:
        if not self.is_open:
            return
        if then is not None:
            then()
        if ending == "close":
            self.close()
        elif ending == "reset":
            self.reset()
        else:
            with contextlib.suppress(OSError), self._real_socket() as real:
                real.shutdown(socket.SHUT_WR)  # below TLS, which therefore says nothing
            self.abort() if ending == "ragged" else self._throw_away(_NO_LIMIT)

    def _after_turns(self, turns: int, act: Callable[[], None]) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._after_turns, turns - 1, act)
        else:
            act()

    def next_request(self) -> None:
        """Go on with the next request."""
        if self.is_open:
            self._reading = _Reading.HEAD
            self._reader = None
            self._find_head()

    def close(self) -> None:
        """Close when everything was sent."""
        if self._transport:
            self._transport.close()

    def linger(self, length: int | None) -> None:
        """Close our side, and throw away ``length`` more bytes (``None``: whatever comes) before closing all."""
        if self._transport and self._transport.can_write_eof():
            self._transport.write_eof()
        self._throw_away(_NO_LIMIT if length is None else length)

    def _throw_away(self, length: int) -> None:
        self._reading = _Reading.DISCARD
        self._discarding = length
        came = len(self._pending)
        self._pending.clear()
        self._discard(came)

    def reset(self) -> None:
        """Close at once, with a reset where the platform can."""
        if not self._transport:
            return
        with contextlib.suppress(OSError), self._real_socket() as real:
            # Closing a socket that does not linger discards what is unsent and sends RST in place of FIN.
            real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stall(self) -> None:
        """Read nothing more until the client closes; where that cannot be noticed, read and throw away."""
        if not self._owner.peer_watch.is_possible:
            self._reading = _Reading.DISCARD
            self._discarding = _NO_LIMIT
        else:
            assert self._transport
            self._transport.pause_reading()
            self._watched = self._socket.fileno()
            self._owner.peer_watch.watch(self._watched, self.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()

    @contextlib.contextmanager
    def _real_socket(self) -> Iterator[socket.socket]:
        """Give a socket that can be asked everything: uvloop's own stand-in cannot."""
        with socket.socket(fileno=os.dup(self._socket.fileno())) as real:
            yield real

    @contextlib.contextmanager
    def _corked(self) -> Iterator[None]:
        """Let the kernel keep what is sent until the block ends, so that it leaves as one segment."""
        cork = getattr(socket, "TCP_CORK", None)
        if cork is None or not self.is_open:  # pragma: no cover - decided by the platform
            yield
            return
        with self._real_socket() as real:
            real.setsockopt(socket.IPPROTO_TCP, cork, 1)
            yield
            real.setsockopt(socket.IPPROTO_TCP, cork, 0)

    def _find_head(self) -> None:
        if self._reading is not _Reading.HEAD:
            return
        try:
            head = take_head(self._pending)
        except MalformedHeadError as error:
            self._refuse(error)
            return
        if head:
            self._reading = _Reading.LATER
            self.requests += 1
            self._reader = self._owner.read_request(self, head)
            self._reader.begin()

    def _refuse(self, error: MalformedHeadError) -> None:
        self._reading = _Reading.LATER
        self._owner.refuse_head(self, error)

    @property
    def _is_framing(self) -> bool:
        return self._chunks is not None and self._chunks.data_left == 0

    @property
    def _most(self) -> int:
        """Bytes of data that may be read now."""
        most = min(self._limit - self._body.received, self._piece)
        return most if self._chunks is None else min(most, self._chunks.data_left)

    @property
    def _is_body_whole(self) -> bool:
        """All that is to be read of the body has come."""
        return self._body.received >= self._limit or (self._chunks is not None and self._chunks.is_at_end)

    def _take_pending(self) -> None:
        """Take what came of the body together with the head."""
        while self._pending and not self._is_body_whole:
            count = 1 if self._is_framing else self._most
            came = bytes(self._pending[:count])
            del self._pending[:count]
            if self._chunks is not None and self._is_framing:
                self._chunks.take_framing(came)
                continue
            self._body.feed(came)
            if self._chunks is not None:
                self._chunks.take_data(len(came))

    def _take_body(self, count: int) -> None:
        """Take what was put into the buffer."""
        try:
            if self._chunks is not None and self._is_framing:
                self._chunks.take_framing(bytes(self._scratch[:count]))
            else:
                self._body.advance(count)
                if self._chunks is not None:
                    self._chunks.take_data(count)
        except MalformedHeadError as error:
            self._refuse(error)
        else:
            self._check_body()

    def _check_body(self) -> None:
        assert self._reader
        if self._is_body_whole:
            self._reading = _Reading.LATER
        self._reader.progress()
        if self._reading is _Reading.LATER:
            self._reader.body_arrived()

    def _discard(self, count: int) -> None:
        self._discarding -= count
        if self._discarding <= 0:
            self.close()
