"""miniopy-async: ``put_object`` of unknown length reads from a file whose ``read`` is awaited."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from miniopy_async import Minio

from benchmarks.clients import Client
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import AsyncReader, Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a client that is ready."""
    connector = aiohttp.TCPConnector(limit=0, ssl=job.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:
        minio = Minio(
            job.address,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            secure=job.is_secure,
            region=REGION,
            session=session,
        )
        multipart = {"part_size": job.part_size, "num_parallel_uploads": job.concurrency}

        async def stream(source: Source, key: str) -> None:
            await minio.put_object(BUCKET, key, AsyncReader(source), -1, **multipart)

        async def file(path: Path, key: str) -> None:
            await minio.fput_object(BUCKET, key, str(path), **multipart)

        async def put(body: bytes, key: str) -> None:
            await minio.put_object(BUCKET, key, io.BytesIO(body), len(body))

        yield Client(stream=stream, file=file, put=put)
