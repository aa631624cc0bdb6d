"""Client of the web server that costs little: HTTP by hand over a socket."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterable, Mapping

__all__ = ["RefusedError", "create", "request"]


class RefusedError(Exception):
    """The server refuses a request."""


async def create(port: int, key: str, length: int) -> str:
    """Create a resumable upload; returns its path."""
    metadata = f"key {base64.b64encode(key.encode()).decode()}"
    sent = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": metadata}
    headers = await request(port, "POST", "/files/", sent, 0, _nothing())
    return headers["location"]


async def request(
    port: int, method: str, path: str, headers: Mapping[str, str], size: int, body: AsyncIterable[bytes]
) -> dict[str, str]:
    """Send one request on a connection of its own; returns the headers of the response.

    Raises:
        RefusedError: the server refuses.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = {"Host": "127.0.0.1", "Content-Length": str(size), "Connection": "close", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        async for chunk in body:
            writer.write(chunk)
            await writer.drain()
        status, *lines_back = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    finally:
        writer.close()
    if not status.split()[1].startswith("2"):
        raise RefusedError(f"{method} {path}: {status}")
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines_back)}


async def _nothing() -> AsyncIterable[bytes]:
    return
    yield b""
