"""Bodies of requests as sources of an upload, which end cleanly when the client vanishes or a newer request waits."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aios3.web._requests.bodies import Receive

from .messages import BeyondLengthError, Checksum, RefusedError

__all__ = ["Body", "ClientGoneError"]


class ClientGoneError(Exception):
    """The client has vanished before the end of its body, so no response can reach it."""


class Body:
    """Body of one request."""

    def __init__(self, receive: Receive, declared: int | None) -> None:
        """Take the request; nothing is received before the first chunk is asked for.

        Args:
            receive: the ASGI function.
            declared: bytes by ``Content-Length``; ``None`` if the request does not declare them.
        """
        self._receive = receive
        self.declared = declared
        self.received = 0
        """Bytes that have arrived."""
        self.is_whole = declared == 0
        """The client has sent all of the body."""
        self._waiting: asyncio.Timeout | None = None
        """Limit of the wait for the next chunk, without a time; ``None`` while nothing is awaited."""

    async def read(self, *, most: int | None, stop: asyncio.Event) -> AsyncGenerator[bytes]:
        """Yield the chunks, until the end, until the client vanishes, or until `stop` is set.

        Raises:
            BeyondLengthError: the body has more than `most` bytes.
        """
        stopping = asyncio.create_task(stop.wait(), name="aios3: watch for a newer request")
        stopping.add_done_callback(self._interrupt)
        try:
            while not (self.is_whole or stop.is_set()) and (chunk := await self._next()) is not None:
                self.received += len(chunk)
                if most is not None and self.received > most:
                    raise BeyondLengthError(413, "the body exceeds the length of the upload")
                if chunk:
                    yield chunk
        finally:
            stopping.cancel()

    def _interrupt(self, _: asyncio.Task[Any]) -> None:
        """End the wait for the next chunk, if there is one."""
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _next(self) -> bytes | None:
        """Return the next chunk, perhaps an empty one; ``None`` if no chunk follows."""
        limit = asyncio.timeout(None)  # a task for each chunk would cost more than the chunk
        try:
            async with limit:
                self._waiting = limit
                try:
                    message = await self._receive()
                finally:
                    self._waiting = None
        except TimeoutError:
            if not limit.expired():
                raise
            return None
        if message["type"] != "http.request":
            return None
        self.is_whole = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def checked(self, checksum: Checksum, *, most: int | None, stop: asyncio.Event) -> AsyncGenerator[bytes]:
        """Yield the chunks as `read` does, and raise instead of a clean end if they are not what the client meant.

        Raises:
            RefusedError: the digest differs, or there are too many bytes.
            ClientGoneError: the body is not whole.
        """
        digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
        async with aclosing(self.read(most=most, stop=stop)) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
                yield chunk
        if not self.is_whole:
            raise RefusedError(423, "a newer request has ended this one") if stop.is_set() else ClientGoneError
        if digest.digest() != checksum.digest:
            raise RefusedError(checksum.status, "the body has another checksum")
