"""aiohttp alone: one PUT with a declared length, unsigned. What an asyncio S3 client on aiohttp builds upon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from benchmarks.clients import Client
from benchmarks.job import BUCKET, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give PUTs on one session."""
    connector = aiohttp.TCPConnector(limit=0, ssl=job.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(data: object, key: str, size: int) -> None:
            headers = {"Content-Length": str(size)}
            async with session.put(f"{job.endpoint}/{BUCKET}/{key}", data=data, headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()

        async def stream(source: Source, key: str) -> None:
            await send(aiter(source), key, source.size)

        async def file(path: Path, key: str) -> None:
            with path.open("rb") as opened:
                await send(opened, key, path.stat().st_size)

        async def put(body: bytes, key: str) -> None:
            await send(body, key, len(body))

        yield Client(stream=stream, file=file, put=put)
