"""Client of an ASGI application that counts no sockets: one call is one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from .web_servers import aiohttp_serving


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def offset(self) -> int | None:
        found = self.headers.get("upload-offset")
        return None if found is None else int(found)


class Vanish:
    """Marks, among the chunks of a body, the point where the client vanishes."""


class WebClient:
    """Calls an application as a server does, with the headers of tus."""

    def __init__(self, app: Any, *, root: str = "/files", headers: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.root = root
        self.headers = {"Tus-Resumable": "1.0.0"} if headers is None else dict(headers)

    async def call(
        self,
        method: str,
        path: str = "/files/",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[Any] | AsyncIterator[Any] = b"",
        **scope: Any,
    ) -> Answer:
        """Send one request. A body of bytes has a Content-Length, chunks have none."""
        sent = {**self.headers, **(headers or {})}
        if isinstance(body, bytes):
            sent = {"Content-Length": str(len(body)), **sent}
        answer = Answer()
        messages = _messages(body)

        async def receive() -> dict[str, Any]:
            found = await anext(messages, None)
            if found is None:
                await asyncio.get_running_loop().create_future()  # a client that only waits
            assert found is not None
            return found

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert not answer.status
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        raw = [(name.lower().encode(), value.encode()) for name, value in sent.items() if value is not None]
        await self.app(
            {
                "type": "http",
                "method": method,
                "path": path,
                "root_path": self.root,
                "headers": raw,
                "query_string": b"",
                **scope,
            },
            receive,
            send,
        )
        await messages.aclose()
        assert answer.status
        return answer

    async def create(self, length: int | None, body: bytes | Iterable[Any] | None = None, **headers: str) -> Answer:
        """Create an upload by tus; names of headers have underscores."""
        sent = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = "application/offset+octet-stream"
        return await self.call("POST", headers=sent, body=b"" if body is None else body)

    async def patch(
        self, url: str, offset: int, body: bytes | Iterable[Any] | AsyncIterator[Any], **headers: str
    ) -> Answer:
        sent = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call("PATCH", url, sent, body)

    async def head(self, url: str) -> Answer:
        return await self.call("HEAD", url)


class AiohttpClient(WebClient):
    """Calls an application that ``aiohttp.web`` serves, over sockets."""

    def __init__(self, app: Any, stack: AsyncExitStack, *, headers: Mapping[str, str] | None = None) -> None:
        """Take the stack whose end stops the server."""
        super().__init__(app, headers=headers)
        self._stack = stack
        self._url: str | None = None

    async def url(self) -> str:
        """Return the URL of the server, which the first call starts."""
        if self._url is None:
            app = web.Application()
            app.add_routes(self.app.aiohttp_routes(self.root))
            # a server that goes on to discard a body would leave a task
            self._url = await self._stack.enter_async_context(aiohttp_serving(app, lingering_time=0))
            connector = aiohttp.TCPConnector(force_close=True)
            self._session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return self._url

    async def call(
        self,
        method: str,
        path: str = "/files/",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[Any] | AsyncIterator[Any] = b"",
        **scope: Any,
    ) -> Answer:
        """Send one request. After a client that vanishes there is no status."""
        url = URL(await self.url() + path, encoded=True)
        sent = {**self.headers, **(headers or {})}
        data = body if isinstance(body, bytes) else _chunks(body)
        try:
            async with self._session.request(
                method, url, headers=sent, data=data, skip_auto_headers=["Content-Type", "Accept"]
            ) as response:
                found = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, found, await response.read())
        except aiohttp.ClientError:
            return Answer()


async def _chunks(body: Any) -> AsyncIterator[bytes]:
    async for message in _messages(body):
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        yield message["body"]


async def _messages(body: Any) -> Any:
    if isinstance(body, bytes):
        yield {"type": "http.request", "body": body, "more_body": False}
        return
    chunks = body if hasattr(body, "__aiter__") else _each(body)
    async for chunk in chunks:
        if isinstance(chunk, Vanish):
            yield {"type": "http.disconnect"}
            return
        yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


async def _each(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk
