"""The floor: asyncio sends the same bytes over one connection, without any S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from measured import BUCKET, Job, Stream, run


@asynccontextmanager
async def floor(job: Job) -> AsyncIterator[Stream]:
    """Give a stream that writes the chunks as they come and waits for the buffer to drain."""
    context = job.ssl_context()

    async def stream(source: AsyncIterator[bytes]) -> None:
        url = urlsplit(job.endpoint)
        reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
        head = f"PUT /{BUCKET}/{job.key} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {job.size}\r\n\r\n"
        writer.write(head.encode())
        async for chunk in source:
            writer.write(chunk)
            await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the sink answered {answer!r}")
        writer.close()

    yield stream


if __name__ == "__main__":
    run(floor)
