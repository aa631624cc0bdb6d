"""Types of ASGI, and bodies of requests as one function that reads the next chunk: ASGI, Starlette, aiohttp.web."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from .errors import ClientDisconnectedError

__all__ = ["INTERIM", "Receive", "RequestBody", "Scope", "Send", "body_of", "header_of"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

INTERIM: Final = "aios3.response.interim"
"""Extension of ASGI for servers that can send interim responses: its name in a scope, and the type of its message,
which has ``status`` and ``headers``."""


@dataclass(frozen=True, slots=True)
class RequestBody:
    """Body of a request that has not been read yet. It iterates over its chunks, so it is a source for an upload."""

    content_type: str | None
    """``Content-Type`` of the request; ``None`` without one."""
    length: int | None
    """``Content-Length`` of the request in bytes; ``None`` without a valid one."""
    next_chunk: Callable[[], Awaitable[bytes]]
    """Returns the next chunk, and empty bytes at the end. Raises `ClientDisconnectedError` if the client has gone."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk.

        Raises:
            ClientDisconnectedError: the client has gone.
        """
        if chunk := await self.next_chunk():
            return chunk
        raise StopAsyncIteration


def body_of(request: Any) -> RequestBody:
    """Return the body of a request as a source, with its declared length.

    Whatever the framework, a client that vanishes makes the body raise `ClientDisconnectedError`. Frameworks themselves
    raise errors of their own, and some log a traceback for each of these clients.

    Args:
        request: a request of Starlette, FastAPI or Litestar, a request of ``aiohttp.web``, or an ASGI pair ``(scope,
            receive)``.

    Raises:
        TypeError: `request` is something else.
        RuntimeError: the body of the request has been read already.
    """
    if isinstance(request, tuple) and len(request) == 2:
        return _asgi_body(*request)
    if callable(getattr(request, "receive", None)) and isinstance(getattr(request, "scope", None), Mapping):
        if _is_read(request):
            raise RuntimeError("the body of this request has been read already")
        return _asgi_body(request.scope, request.receive)
    read = getattr(getattr(request, "content", None), "readany", None)
    if callable(read) and hasattr(request, "headers"):
        headers = request.headers
        return RequestBody(headers.get("Content-Type"), _length(headers.get("Content-Length")), _raising(read))
    raise TypeError(f"{type(request).__name__} is not a request: pass a request, or an ASGI pair (scope, receive)")


def _is_read(request: Any) -> bool:
    """Return whether Starlette, or Litestar, has read the body: by iteration, or at once."""
    is_iterated = getattr(request, "_stream_consumed", False) or getattr(request, "is_connected", True) is False
    return is_iterated or isinstance(getattr(request, "_body", None), bytes)


def header_of(scope: Scope, name: bytes) -> str | None:
    """Return a header of an ASGI request, by its lower-case name; ``None`` without one."""
    for found, value in scope.get("headers", ()):
        if found.lower() == name:
            return bytes(value).decode("latin-1")
    return None


def _asgi_body(scope: Scope, receive: Receive) -> RequestBody:
    is_ended = False

    async def read() -> bytes:
        nonlocal is_ended
        while not is_ended:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError("the client disconnected before the end of its body")
            is_ended = not message.get("more_body", False)
            if chunk := message.get("body"):
                return bytes(chunk)
        return b""

    return RequestBody(header_of(scope, b"content-type"), _length(header_of(scope, b"content-length")), read)


def _raising(read: Callable[[], Awaitable[bytes]]) -> Callable[[], Awaitable[bytes]]:
    async def read_or_raise() -> bytes:
        try:
            return await read()
        except Exception as error:
            if not isinstance(error, ConnectionError) and type(error).__name__ != "RequestPayloadError":
                raise  # the second is aiohttp's error for a body that breaks off
            raise ClientDisconnectedError("the client disconnected before the end of its body") from error

    return read_or_raise


def _length(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None
