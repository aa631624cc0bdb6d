"""Request bodies for aiohttp that are sent once, in slices, and can be cut off for good."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, MutableSet
from typing import cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter
from aiohttp.payload import Payload

from aios3._protocol.wire.messages import Request

from .connection import Connection
from .interface import BodyFeed
from .stall_timeout import StallTimer

__all__ = ["SlicedBody", "StreamedBody", "drain"]


class SlicedBody(Payload):
    """Writes a request's slices one by one. Each write waits until the socket has taken most of the last one.

    One instance is one attempt. It prevents aiohttp's silent repetition of a PUT on a
    fresh connection, because every attempt must be signed and counted.
    aiohttp 3.14.4 asks `consumed` before it repeats. Earlier releases and the middlewares of a caller's session do not,
    so a second writing is refused.
    """

    def __init__(
        self,
        request: Request,
        timer: StallTimer,
        used_connections: MutableSet[object],
        on_sent: Callable[[], None] | None = None,
    ) -> None:
        """Take the request.

        Args:
            request: its body is sent.
            timer: timer of the attempt.
            used_connections: weak references to the connections that have carried a body.
            on_sent: called when every byte has left this process; ``None`` for callers that do not need it.
        """
        super().__init__(request.body)
        self._slices = request.body
        self._size = request.content_length
        self._timer = timer
        self._connection: Connection | None = None
        self._used_connections = used_connections
        self._on_sent = on_sent
        self._written = 0
        self.is_on_reused_connection = False
        self._has_started = False
        self._is_written = self._has_left = False

    @property
    def consumed(self) -> bool:
        """Whether an attempt has begun. If so, aiohttp does not repeat it by itself."""
        return self._has_started

    @property
    def is_gone(self) -> bool:
        """Whether every byte has left this process, so the slices are no longer read."""
        if self._has_left or not self._is_written or self._connection is None:
            return self._has_left
        return self._connection.unsent == 0  # aiohttp does not close it before `write` ends

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse, because a body is bytes. (aiohttp calls this only to log, or to sign in its own middlewares.)"""
        raise TypeError("a request body is bytes, not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all slices. If the store closes the connection meanwhile, the writing ends without an error.

        S3 sends some responses before it has read the body, and then closes the connection. The caller needs such a
        response, so the broken pipe is left to the task that waits for the response.

        Raises:
            ConnectionResetError: the connection was closed before the first byte. aiohttp's own error would be lost.
                Or the body was written before, on another connection.
        """
        self._refuse_repetition()
        stream = cast("StreamWriter", writer)
        connection = self._begin(stream)
        if connection is None or connection.is_closing:
            raise ConnectionResetError("the connection was closed before the request")
        try:
            for piece in self._slices:
                await writer.write(piece)
                self._written += len(piece)
            self._is_written = True
            if connection.unsent != 0:
                await self._leave(stream, connection)
        except OSError:
            return
        self._body_has_left()

    def _refuse_repetition(self) -> None:
        """Raise an error at the second writing, before it changes what is known of the first."""
        if self._has_started:  # a feed would go on where the lost connection ended, and leave out its beginning
            raise ConnectionResetError("the connection was lost, and a body is sent once")

    def _begin(self, writer: StreamWriter) -> Connection | None:
        """Record the connection of the body, and return it; ``None`` if it is closed already."""
        self._has_started = True
        protocol = writer.protocol
        self._connection = None if protocol.transport is None else Connection(protocol.transport)
        self.is_on_reused_connection = protocol in self._used_connections
        if not self.is_on_reused_connection:
            self._used_connections.add(protocol)
        self._timer.enter("sending the body", self._moved)
        return self._connection

    async def _leave(self, writer: StreamWriter, connection: Connection) -> None:
        """Wait until no byte of the body is left in this process.

        This is recorded now, since it may be unknown later: a response with ``Connection: close`` closes the transport.

        Raises:
            ConnectionResetError: the connection was lost first.
        """
        connection.drain_to_the_last_byte()
        try:
            await drain(writer)
        except CancelledError:  # by the response, which may come before the notice that all bytes have left
            self._has_left = self.is_gone
            raise
        finally:
            connection.drain_as_usual()

    def _body_has_left(self) -> None:
        self._has_left = True
        self._timer.enter("waiting for the response", self._moved)  # the kernel still sends some bytes
        if self._on_sent is not None:
            self._on_sent()

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write all slices; `content_length` is always their length."""
        await self.write(writer)

    def _moved(self) -> int:
        return self._written if self._connection is None else self._connection.moved(self._written)

    def cut_off(self) -> None:
        """Keep all further bytes of the slices from leaving: drop the connection and its buffered bytes."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def __repr__(self) -> str:
        return f"<SlicedBody of {self._size} bytes>"


async def drain(writer: StreamWriter) -> None:
    """Wait until the connection's buffer is within its limits.

    Raises:
        ConnectionResetError: the connection is lost; aiohttp itself does not report that.
    """
    await writer.drain()
    if writer.transport is None:
        raise ConnectionResetError("the connection was closed before the body had left")


class StreamedBody(SlicedBody):
    """Writes pieces as they come, and asks for the next one when the last one has left this process.

    With a length it is a plain body; without one it is sent in chunks. aiohttp writes
    the end of a chunked body when `write` returns, so `write` returns only after the
    feed's own end.
    """

    def __init__(
        self,
        request: Request,
        feed: BodyFeed,
        timer: StallTimer,
        used_connections: MutableSet[object],
        on_sent: Callable[[], None] | None = None,
    ) -> None:
        """Take the pieces to write; the other arguments as for `SlicedBody`."""
        super().__init__(request, timer, used_connections, on_sent)
        self._size = feed.length
        self._pieces = feed.pieces()
        self._waits = 0
        self._is_waiting = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all pieces. If the store closes the connection meanwhile, wait to be cancelled.

        The response that the store sent first is left to the task that waits for it, as in `SlicedBody`.

        Raises:
            ConnectionResetError: the body was written before, on another connection.
        """
        self._refuse_repetition()
        try:
            await self._write_all(cast("StreamWriter", writer))
        except OSError:
            await asyncio.get_running_loop().create_future()
        self._body_has_left()

    async def _write_all(self, writer: StreamWriter) -> None:
        connection = self._begin(writer)
        if connection is None:
            raise ConnectionResetError
        connection.drain_to_the_last_byte()
        while (piece := await self._next()) is not None:
            await writer.write(piece)
            await drain(writer)
            self._written += len(piece)
        connection.drain_as_usual()

    async def _next(self) -> bytes | bytearray | memoryview | None:
        self._is_waiting = True
        piece = await anext(self._pieces, None)
        self._is_waiting = False
        self._timer.moved()  # from now on a delay is the connection's
        return piece

    def _moved(self) -> int:
        """Count calls as progress while there is nothing to send: a slow source is no fault of the connection."""
        if self._is_waiting:
            self._waits += 1
        return super()._moved() + self._waits

    def __repr__(self) -> str:
        return f"<StreamedBody of {'unknown length' if self._size is None else f'{self._size} bytes'}>"
