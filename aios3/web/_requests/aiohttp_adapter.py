"""Adapter that lets ``aiohttp.web`` serve an application of this package: requests as ASGI has them, and responses.

It adds what ASGI has not: interim responses (`INTERIM`), which the application sends before its response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import HttpVersion11, web

from .bodies import INTERIM, Receive, Scope, Send

__all__ = ["REQUEST", "aiohttp_routes"]

REQUEST: Final = "aiohttp.request"
"""Key of the scope that holds the request of ``aiohttp.web``."""

_TAIL: Final = "aios3_tail"
_GLANCE: Final = 1.0
"""Seconds between two looks at a connection whose request has been read."""
_PHRASES: Final = {104: "Upload Resumption Supported"}

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def aiohttp_routes(application: Application, path: str) -> list[web.RouteDef]:
    """Return the routes of `application` at `path`, and at all paths below it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _Exchange(request).serve(application)

    path = path.rstrip("/")
    return [
        web.route("*", each, handle, expect_handler=_expect_later) for each in (path, f"{path}/{{{_TAIL}:.*}}") if each
    ]


async def _expect_later(request: web.Request) -> None:
    """Send no ``100 Continue`` yet: the application may refuse the request by its headers."""


class _Exchange:
    """One request and its response."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response: web.StreamResponse | None = None
        self._is_read = False
        self._is_body_expected = request.headers.get("Expect", "").lower() == "100-continue"

    async def serve(self, application: Application) -> web.StreamResponse:
        """Let the application serve the request, and return what it has sent. A client that vanishes is no error."""
        if self._request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            # aiohttp has decoded the body already, so neither its length nor its bytes are those of the client
            return web.Response(status=415, text="send the body without Content-Encoding\n")
        with suppress(ConnectionError):  # of writing to the client; the errors of the store are no ConnectionError
            await application(self._scope(), self._receive, self._send)
        return self._response or web.Response(status=499)

    def _scope(self) -> Scope:
        request = self._request
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": f"{request.version.major}.{request.version.minor}",
            "method": request.method,
            "scheme": request.scheme,
            "path": request.path,
            "raw_path": request.rel_url.raw_path.encode("ascii"),
            "query_string": request.rel_url.raw_query_string.encode("ascii"),
            "root_path": _root_of(request),
            "headers": [(name.lower(), value) for name, value in request.raw_headers],
            "extensions": {INTERIM: {}} if request.version >= HttpVersion11 else {},
            REQUEST: request,
        }

    async def _receive(self) -> MutableMapping[str, Any]:
        content = self._request.content
        if self._is_read:
            return await self._wait_until_gone()
        if self._is_body_expected:
            self._is_body_expected = False
            await self._write_interim(100, ())
        try:
            chunk = await content.readany()
        except Exception:  # noqa: BLE001 - whatever its type, the body has broken off
            return {"type": "http.disconnect"}
        self._is_read = content.at_eof()
        return {"type": "http.request", "body": chunk, "more_body": not self._is_read}

    async def _wait_until_gone(self) -> MutableMapping[str, Any]:
        """Return when the client has gone. aiohttp does not say it to a handler that neither reads nor writes."""
        while (transport := self._request.transport) is not None and not transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(_GLANCE)
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == INTERIM:
            await self._write_interim(message["status"], message["headers"])
        elif message["type"] == "http.response.start":
            # aiohttp writes headers as UTF-8
            headers = [(name.decode(), value.decode(errors="replace")) for name, value in message["headers"]]
            self._response = web.StreamResponse(status=message["status"], headers=headers)
            if self._is_body_expected:
                self._response.force_close()  # the client may send the body or not, so what follows is ambiguous
            await self._response.prepare(self._request)
        elif self._response is not None:
            if body := message.get("body"):
                await self._response.write(body)
            if not message.get("more_body"):
                await self._response.write_eof()

    async def _write_interim(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Write an interim response, unless the client reads none, so that it never holds its own upload up.

        aiohttp has no function for it, but documents this one for ``100 Continue``.
        """
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            return
        phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
        lines = [f"HTTP/1.1 {status} {phrase}".encode(), *(name + b": " + value for name, value in headers)]
        await self._request.writer.write(b"\r\n".join([*lines, b"", b""]))
        self._request.writer.output_size = 0  # the response has not begun


def _root_of(request: web.Request) -> str:
    """Return the path at which the application is mounted, also below a sub-application."""
    resource = request.match_info.route.resource
    if resource is None or _TAIL not in request.match_info:
        return request.path.rstrip("/")
    return resource.url_for(**{**request.match_info, _TAIL: ""}).path.rstrip("/")
