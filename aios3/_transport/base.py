"""What the upper layers ask of a transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from aios3._protocol.wire.messages import Request, Response
from aios3.errors import TransportError, TransportTimeoutError
from aios3.options import MIB

__all__ = ["MAX_ANSWER", "BodyFeed", "StreamedResponse", "Transport"]

MAX_ANSWER: Final = 8 * MIB
"""Bytes of an answer that is read into memory; the longest that S3 sends, a listing, is about 1 MiB."""


class BodyFeed(Protocol):
    """A body that is made while it is sent."""

    length: int | None
    """Bytes, or ``None`` if that is not known before the end."""

    def pieces(self) -> AsyncIterator[bytes | bytearray | memoryview]:
        """Give the body from its first byte.

        Asking for the next piece says that the last one is in nobody's use any more. The iteration ends only when the
        body is whole; it waits for ever where that will never be.
        """
        ...  # pragma: no cover - a protocol has no body

    def rewind(self) -> bool:
        """After a failed attempt, return whether another one can send the body from its first byte."""
        ...  # pragma: no cover - a protocol has no body


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """An answer whose body is read as it comes."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    chunks: AsyncIterator[bytes]
    """The body; to be read inside the context that gave the answer. Raises `TransportError` if it breaks off."""
    patience: float | None = None
    """Seconds that `read` may take; ``None`` for as long as bytes come."""

    async def read(self) -> Response:
        """Read the rest of the body into memory (an error document; not for objects).

        Raises:
            TransportError: it breaks off, is longer than 8 MiB, or has no end after `patience`.
        """
        try:
            async with asyncio.timeout(self.patience):
                return Response(self.status, self.headers, await self._rest())
        except TransportError:
            raise
        except TimeoutError as error:
            subject = f"the answer with status {self.status}"
            raise TransportTimeoutError(f"{subject} had no end after {self.patience:g} s") from error

    async def _rest(self) -> bytes:
        body = bytearray()
        async for chunk in self.chunks:
            body += chunk
            if len(body) > MAX_ANSWER:
                body.clear()  # the error's traceback would keep it
                error = TransportError(f"the answer with status {self.status} is longer than {MAX_ANSWER} bytes")
                error.is_permanent = True
                raise error
        return bytes(body)


class Transport(Protocol):
    """Sends one request and reads one answer. It never retries, never follows a redirect, and signs nothing."""

    async def send(self, request: Request, *, read_timeout: float | None = None) -> Response:
        """Send `request`, with its content length, and return the complete answer.

        When this returns or raises, also by cancellation, no slice of the body is in use any more.

        Args:
            request: goes out exactly as it is.
            read_timeout: seconds without a byte of the answer; ``None`` uses the transport's own.

        Raises:
            TransportError: no answer came, or it was cut off.
            TransportTimeoutError: a phase stood still for too long.
            DriverClosedError: the transport is closed, or was closed meanwhile.
        """
        ...  # pragma: no cover - a protocol has no body

    async def send_stream(self, request: Request, body: BodyFeed, *, read_timeout: float | None = None) -> Response:
        """Send `request` with a body that is made meanwhile, and return the complete answer.

        The body has a content length, or goes out in chunks. The time that it makes the connection wait is no stall.
        Unless this returns the answer to a whole body, the connection was cut, and the store has not seen the end.
        When this returns or raises, also by cancellation, no piece is in use any more. It raises what `send` raises.
        """
        ...  # pragma: no cover - a protocol has no body

    def open(self, request: Request, *, chunk_size: int) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send `request` without a body and give the answer with its body still to come, in `chunk_size` bytes."""
        ...  # pragma: no cover - a protocol has no body

    async def aclose(self) -> None:
        """Close all that the transport owns. Closing twice is harmless."""
        ...  # pragma: no cover - a protocol has no body
