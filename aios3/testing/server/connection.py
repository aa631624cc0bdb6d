"""Connection of one client: reads requests, writes responses, and ends in every way that a fault asks for.

A connection is a buffered protocol, not a pair of streams, because a fault has to hit an exact byte. The buffer for the
event loop is never larger than the bytes that may still be read. A connection has no tasks, so closing it leaves none.
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
"""Ways to end a connection: as TLS wants it, without ``close_notify``, in the server's direction only, or by RST."""

_BUFFER_SIZE: Final = 64 * 1024
_HEAD_PIECE: Final = 16 * 1024
_NO_LIMIT: Final = 1 << 62
_TURNS_UNTIL_SENT: Final = 2
"""Turns of the loop after which the kernel has all written bytes: uvloop writes at the end of a turn."""


class RequestReader(Protocol):
    """Receiver of one request."""

    def begin(self) -> None:
        """Act on the head."""

    def progress(self) -> None:
        """Act on received bytes of the body."""

    def body_arrived(self) -> None:
        """Act on the body, once all bytes that `Connection.read_body` wants have come."""

    def lost(self) -> None:
        """Act on the end of the connection, before or after the response."""


class ConnectionOwner(Protocol):
    """Server that accepts connections."""

    peer_watch: PeerWatch

    def disconnected(self, connection: Connection) -> None:
        """Forget a closed connection."""

    def read_request(self, connection: Connection, head: RequestHead) -> RequestReader:
        """Return a reader for the request with this head."""

    def refuse_head(self, connection: Connection, error: MalformedHeadError) -> None:
        """Refuse bytes that are not a request."""


class _Reading(Enum):
    HEAD = auto()
    BODY = auto()
    LATER = auto()  # a response is due; bytes that come meanwhile belong to the next head
    DISCARD = auto()  # the response was early; bytes that come are thrown away


class Connection(asyncio.BufferedProtocol):
    """Connection that is kept alive between requests."""

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
        """Number of received heads."""

    @property
    def is_open(self) -> bool:
        """Whether a response could still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The cast is needed because not every event loop derives its transports from this class.
        self._transport = cast("asyncio.Transport", transport)
        # Read now, because a transport that both sides have closed may not give its socket.
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
            # Framing is read byte by byte, because a larger read could go beyond the limit.
            return self._scratch[:1] if self._is_framing else self._body.room(self._scratch, self._most)
        # Bytes that come with a head are copied once more, so few are read.
        return self._scratch if self._reading is _Reading.DISCARD else self._scratch[:_HEAD_PIECE]

    def buffer_updated(self, nbytes: int) -> None:
        if self._reading is _Reading.BODY:
            self._take_body(nbytes)
        elif self._reading is _Reading.DISCARD:
            self._discard(nbytes)
        else:
            self._pending += self._scratch[:nbytes]
            self._find_head()

    # For the side that sends responses.

    def read_body(self, body: Body, *, limit: int | None = None, piece: int | None = None) -> None:
        """Read a body.

        Args:
            body: receives the bytes. A body without a length comes in chunks, whose framing is not counted.
            limit: bytes after which reading stops; ``None`` reads the whole body.
            piece: the most bytes per turn of the loop; ``None`` is no limit.
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
        """Send each piece in a write of its own."""
        for piece in pieces:
            if self.is_open and piece:
                assert self._transport
                self._transport.write(piece)

    def send_last(self, data: bytes, ending: Ending, then: Callable[[], None] | None = None) -> None:
        """Send bytes, call ``then``, and end the connection.

        A ``"close"`` without ``then`` is in one segment with the bytes, if the platform can do that.
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
                real.shutdown(socket.SHUT_WR)  # below TLS, so no close_notify is sent
            self.abort() if ending == "ragged" else self._throw_away(_NO_LIMIT)

    def _after_turns(self, turns: int, act: Callable[[], None]) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._after_turns, turns - 1, act)
        else:
            act()

    def next_request(self) -> None:
        """Read the next request."""
        if self.is_open:
            self._reading = _Reading.HEAD
            self._reader = None
            self._find_head()

    def close(self) -> None:
        """Close after everything was sent."""
        if self._transport:
            self._transport.close()

    def linger(self, length: int | None) -> None:
        """Close the server's direction, throw away ``length`` bytes (``None``: until the client closes), and close."""
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
        """Close at once, with a reset if the platform can do that."""
        if not self._transport:
            return
        with contextlib.suppress(OSError), self._real_socket() as real:
            # Closing a socket that does not linger discards unsent bytes, and sends RST instead of FIN.
            real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stall(self) -> None:
        """Read nothing until the client closes. Read and throw away bytes on a platform that cannot watch for that."""
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
        """Yield a real socket, because the one of uvloop lacks some methods."""
        with socket.socket(fileno=os.dup(self._socket.fileno())) as real:
            yield real

    @contextlib.contextmanager
    def _corked(self) -> Iterator[None]:
        """Let the kernel keep sent bytes until the block ends, and send them as one segment."""
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
        """Number of data bytes that may be read now."""
        most = min(self._limit - self._body.received, self._piece)
        return most if self._chunks is None else min(most, self._chunks.data_left)

    @property
    def _is_body_whole(self) -> bool:
        """Whether all wanted bytes of the body have come."""
        return self._body.received >= self._limit or (self._chunks is not None and self._chunks.is_at_end)

    def _take_pending(self) -> None:
        """Take bytes of the body that came together with the head."""
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
        """Take bytes that the loop put into the buffer."""
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
