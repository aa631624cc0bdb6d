"""The floor: asyncio sends the same bytes, one connection for each upload at a time, without any S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.clients import Client
from benchmarks.job import BUCKET, KIB, Job
from benchmarks.source import Source

_SLICE: Final = 256 * KIB


class _Sender:
    """Writes requests to connections that it keeps."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._context = job.ssl_context()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def stream(self, source: Source, key: str) -> None:
        """Write the chunks as they come. The length has to be declared, or there would be a framing to pay for."""
        await self._send(key, source.size, source)

    async def file(self, path: Path, key: str) -> None:
        """Read a slice and write it, as long as there are any."""
        with path.open("rb") as file:
            await self._send(key, path.stat().st_size, _from(lambda: file.read(_SLICE)))

    async def put(self, body: bytes, key: str) -> None:
        """Write head and body."""
        await self._send(key, len(body), _from(iter([body, b""]).__next__))

    async def _send(self, key: str, size: int, chunks: AsyncIterator[bytes] | Source) -> None:
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        head = f"PUT /{BUCKET}/{key} HTTP/1.1\r\nHost: {self._job.address}\r\nContent-Length: {size}\r\n\r\n"
        writer.write(head.encode())
        async for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the sink answered {answer!r}")
        self._idle.append((reader, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self._job.address.partition(":")
        return await asyncio.open_connection(host, int(port), ssl=self._context)

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()


async def _from(read: Callable[[], bytes]) -> AsyncIterator[bytes]:
    while chunk := read():
        yield chunk


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a sender without connections; it opens what it needs."""
    sender = _Sender(job)
    yield Client(stream=sender.stream, file=sender.file, put=sender.put)
    sender.close()
