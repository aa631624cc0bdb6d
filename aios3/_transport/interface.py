"""Interface of a transport, for the upper layers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from aios3._protocol.wire.messages import Request, Response
from aios3.errors import TransportError, TransportTimeoutError
from aios3.options import MIB

__all__ = ["MAX_RESPONSE", "BodyFeed", "StreamedResponse", "Transport"]

MAX_RESPONSE: Final = 8 * MIB
"""Bytes of a response that is read into memory. The longest honest one, a page of 10,000 parts, has about 3 MB."""


class BodyFeed(Protocol):
    """A body that is produced while it is sent."""

    length: int | None
    """Bytes of the body, or ``None`` if they are unknown before its end."""

    def pieces(self) -> AsyncIterator[bytes | bytearray | memoryview]:
        """Yield the body from its first byte.

        The request for the next piece means that the last one is no longer in use. The iteration ends only when the
        body is complete. If the body never becomes complete, the iteration waits without end.
        """

    def rewind(self) -> bool:
        """Return whether another attempt, after a failed one, can send the body from its first byte."""


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """A response whose body is read as it comes."""

    status: int
    headers: Mapping[str, str]
    """Headers by lower-case name."""
    chunks: AsyncIterator[bytes]
    """Body, to be read inside the context that gave the response. Raises `TransportError` if it breaks off."""
    patience: float | None = None
    """Seconds that `read` may take; ``None`` for as long as bytes come."""

    async def read(self) -> Response:
        """Read the rest of the body into memory (for error documents, not for objects).

        Raises:
            TransportError: the body breaks off, is longer than 8 MiB, or has no end after `patience`.
        """
        try:
            async with asyncio.timeout(self.patience):
                return Response(self.status, self.headers, await self._rest())
        except TransportError:
            raise
        except TimeoutError as error:
            subject = f"the response with status {self.status}"
            raise TransportTimeoutError(f"{subject} did not end within {self.patience:g} s") from error

    async def _rest(self) -> bytes:
        body = bytearray()
        async for chunk in self.chunks:
            body += chunk
            if len(body) > MAX_RESPONSE:
                body.clear()  # the error's traceback would keep it
                error = TransportError(f"the response with status {self.status} is longer than {MAX_RESPONSE} bytes")
                error.is_permanent = True
                raise error
        return bytes(body)


class Transport(Protocol):
    """Sends one request and reads one response. It never retries, never follows a redirect, and signs nothing."""

    async def send(
        self, request: Request, *, read_timeout: float | None = None, on_sent: Callable[[], None] | None = None
    ) -> Response:
        """Send `request`, with its content length, and return the complete response.

        When this returns or raises, also by cancellation, no slice of the body is in use.

        Args:
            request: sent exactly as it is.
            read_timeout: seconds without a byte of the response; ``None`` uses the transport's own limit.
            on_sent: called when the whole body has left this process; ``None`` for callers that do not need it.

        Raises:
            TransportError: no response came, or it was cut off.
            TransportTimeoutError: a phase had no progress for its limit.
            DriverClosedError: the transport is closed, or was closed meanwhile.
        """

    async def send_stream(
        self,
        request: Request,
        body: BodyFeed,
        *,
        read_timeout: float | None = None,
        on_sent: Callable[[], None] | None = None,
    ) -> Response:
        """Send `request` with a body that is produced meanwhile, and return the complete response.

        The body has a content length, or is sent in chunks. Time in which the connection waits for it is no stall.
        Unless this returns the response to a whole body, the connection was cut, and the store has not seen the end.
        When this returns or raises, also by cancellation, no piece is in use. The exceptions are those of `send`.
        """

    def open(self, request: Request, *, chunk_size: int) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send `request` without a body, and give the response before its body, which comes in `chunk_size` bytes."""

    async def aclose(self) -> None:
        """Close everything that the transport owns. Closing twice is harmless."""
