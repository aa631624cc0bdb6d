"""HTTP proxy on the loopback interface, which records what passes, and leads every host to this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
from collections.abc import Coroutine
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

LOGIN = "me:s3cret"
"""User and password that a proxy with ``wants_login`` takes."""


class LoopbackProxy:
    """Tunnels CONNECT, and forwards requests in absolute form to the port that they name, whatever the host."""

    def __init__(self, *, wants_login: bool = False, ssl_context: ssl.SSLContext | None = None) -> None:
        self.wants_login = wants_login
        self.refuses_with: int | None = None
        """Status of the response to every request; ``None`` lets them pass."""
        self.heads: list[str] = []
        """Heads of the requests that reached the proxy itself: CONNECT, or in absolute form."""
        self._ssl_context = ssl_context
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """URL of the proxy, with the login if it wants one."""
        scheme, login = "https" if self._ssl_context else "http", f"{LOGIN}@" if self.wants_login else ""
        return f"{scheme}://{login}localhost:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Method and target of each request, in order."""
        return [" ".join(head.split(" ")[:2]) for head in self.heads]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._ssl_context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        refusal = self.refuses_with or (407 if self.wants_login and not _has_login(head) else None)
        if refusal is not None:
            writer.write(f"HTTP/1.1 {refusal} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        method, target, _ = head.split(" ", 2)
        place = urlsplit(target if method != "CONNECT" else f"//{target}")
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", place.port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                upstream.write(_to_origin_form(head, place.netloc))
            await _run_both(_copy(reader, upstream), _copy(upstream_reader, writer))
        finally:
            upstream.close()


def _has_login(head: str) -> bool:
    expected = base64.b64encode(LOGIN.encode()).decode()
    return f"\r\nproxy-authorization: basic {expected}\r\n".lower() in head.lower()


def _to_origin_form(head: str, netloc: str) -> bytes:
    """Return a head as the server gets it: without the host in the target, and without the proxy's headers."""
    head = re.sub(r"(?im)^proxy-[^\r]*\r\n", "", head)
    # One request for each connection, so that the next head reaches the proxy again.
    return (
        head.replace(f"http://{netloc}", "", 1).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode("latin-1")
    )


async def _run_both(*copies: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for copy in copies:
            group.create_task(copy)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
