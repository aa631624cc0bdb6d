"""Scripted peer of a connection, which records every byte that it receives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return an HTTP response as bytes."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Peer:
    """Server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._reader = reader
        self._writer = writer
        self.number = number
        """Number of the connection, from 0."""
        self.heads: list[bytes] = []
        self.body = bytearray()
        self.is_at_end = False

    async def read_head(self) -> bytes:
        """Read a request head up to its empty line, and return it with the line ends."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    async def read_body(self, count: int) -> bytes:
        """Read `count` bytes of a body."""
        data = await self._reader.readexactly(count)
        self.body += data
        return data

    async def received(self, count: int) -> None:
        """Wait until `count` bytes of bodies have come, or the client has closed."""
        while len(self.body) < count and not self.is_at_end:
            await asyncio.sleep(0)

    async def read_some(self, count: int) -> bytes:
        """Read the available bytes, at most `count`. No bytes mean the end."""
        data = await self._reader.read(count)
        self.is_at_end = not data
        self.body += data
        return data

    async def read_to_end(self) -> None:
        """Read until the client has closed or reset the connection."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while await self.read_some(1 << 16):
                pass
        self.is_at_end = True

    async def read_request(self) -> bytes:
        """Read a whole request by its Content-Length, and return the head."""
        head = await self.read_head()
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)\r\n", head)
        await self.read_body(int(length[1]) if length else 0)
        return head

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    def close(self) -> None:
        """Close after everything was sent."""
        self._writer.close()

    def send_and_close(self, data: bytes) -> None:
        """Send bytes and the end of TLS or of the connection in one segment, which the client reads at once."""
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            self._writer.write(data)
            self._writer.close()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def close_unread(self) -> None:
        """Send written bytes and close at once, like a process that ends. Unread data turns the close into a reset."""
        with socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno())) as sock:
            sock.shutdown(socket.SHUT_WR)
        self._writer.transport.abort()

    def reset(self) -> None:
        """Close with RST."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the connection is closed."""
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


Script = Callable[[Peer], Awaitable[object]]


class Wire:
    """Server on localhost that runs `script` on every connection, and closes the connection when the script ends.

    Buffers are small, because a peer that does not read must be noticed after few bytes.
    """

    def __init__(self, script: Script, ssl_context: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._ssl_context = ssl_context
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.peers: list[Peer] = []
        self.port = 0
        self.scheme = "https" if ssl_context else "http"
        self.most_connections = 0

    @property
    def host(self) -> str:
        """Host name and port."""
        return f"localhost:{self.port}"

    async def __aenter__(self) -> Self:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        sock.bind(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        self._server = await asyncio.start_server(
            self._accepted, sock=sock, ssl=self._ssl_context, limit=4096, backlog=512
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if exc is None and isinstance(result, Exception):
                raise result

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, len(self.peers))
        self.peers.append(peer)
        task = asyncio.get_running_loop().create_task(self._play(peer, writer))
        self._tasks.add(task)
        self.most_connections = max(self.most_connections, sum(not task.done() for task in self._tasks))

    async def _play(self, peer: Peer, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                await self._script(peer)
        finally:
            writer.transport.abort() if self._ssl_context else writer.close()
            await peer.closed()


class Reluctant:
    """A peer that reads the head and a byte, says something or nothing, and reads the rest once it is let."""

    def __init__(self, says: bytes = b"") -> None:
        self.says = says
        self.head_came = asyncio.Event()
        self.may_read = asyncio.Event()
        self.at_end = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        await peer.read_head()
        await peer.read_some(1)
        peer.send(self.says)
        self.head_came.set()
        await self.may_read.wait()
        await peer.read_to_end()
        self.at_end.set()
