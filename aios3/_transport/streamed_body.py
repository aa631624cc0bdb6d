"""A request body for aiohttp that is made while it is sent: without an end until its maker says so."""

from __future__ import annotations

import asyncio
from collections.abc import MutableSet
from typing import cast

from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter

from aios3._protocol.wire.messages import Request

from .base import BodyFeed
from .body import SlicedBody, drain
from .watchdog import Watchdog

__all__ = ["StreamedBody"]


class StreamedBody(SlicedBody):
    """Writes pieces as they come, and asks for the next one when the last has left this process.

    With a length it is a plain body, without one it goes out in chunks. The end
    of a chunked body is written by aiohttp when `write` returns, so it returns
    only after the feed's own end.
    """

    def __init__(
        self, request: Request, feed: BodyFeed, watchdog: Watchdog, used_connections: MutableSet[object]
    ) -> None:
        """Take what to write; `used_connections` as for `SlicedBody`."""
        super().__init__(request, watchdog, used_connections)
        self._size = feed.length
        self._pieces = feed.pieces()
        self._waits = 0
        self._is_waiting = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all pieces; on a connection that the store closes meanwhile, wait to be cancelled.

        What the store answered before it closed is left to whoever waits for the answer, as in `SlicedBody`.
        """
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
        self._watchdog.moved()  # from now on it is the connection's turn
        return piece

    def _moved(self) -> int:
        """Count the looks themselves while there is nothing to send: a slow source is no fault of the connection."""
        if self._is_waiting:
            self._waits += 1
        return super()._moved() + self._waits

    def __repr__(self) -> str:
        return f"<StreamedBody of {'unknown length' if self._size is None else f'{self._size} bytes'}>"
