"""opendal (Rust), its async writer. The variant ``joined`` writes 1 MiB at a time, which it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import opendal

from benchmarks.clients import Client, in_parts
from benchmarks.job import ACCESS_KEY, BUCKET, MIB, REGION, SECRET_KEY, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give an operator that is ready."""
    operator = opendal.AsyncOperator(
        "s3",
        bucket=BUCKET,
        endpoint=job.endpoint,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    settings = {"chunk": job.part_size, "concurrent": job.concurrency}

    async def write(chunks: AsyncIterator[bytes] | Source, key: str) -> None:
        async with await operator.open(key, "wb", **settings) as writer:
            async for chunk in chunks:
                await writer.write(chunk)

    async def stream(source: Source, key: str) -> None:
        await write(in_parts(source, MIB) if job.variant == "joined" else source, key)

    async def file(path: Path, key: str) -> None:
        await write(_slices(path), key)

    async def put(body: bytes, key: str) -> None:
        await operator.write(key, body)

    yield Client(stream=stream, file=file, put=put)


async def _slices(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as opened:
        while data := await asyncio.to_thread(opened.read, MIB):
            yield data
