"""aiohttp-s3-client: its multipart upload writes the whole source to a temporary file, then sends that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp_s3_client import S3Client

from benchmarks.clients import Client
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a client that is ready."""
    # A thread for each upload that reads its source, or all would wait for a few.
    threads = ThreadPoolExecutor(max_workers=max(8, job.most_at_once))
    asyncio.get_running_loop().set_default_executor(threads)
    connector = aiohttp.TCPConnector(limit=0, ssl=job.ssl_context() or True)
    async with aiohttp.ClientSession(connector=connector) as session:
        s3 = S3Client(
            session, f"{job.endpoint}/{BUCKET}", access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region=REGION
        )
        multipart = {"part_size": job.part_size, "workers_count": job.concurrency}

        async def stream(source: Source, key: str) -> None:
            await s3.put_multipart(key, iter(source), **multipart)

        async def file(path: Path, key: str) -> None:
            await s3.put_file_multipart(key, path, **multipart)

        async def put(body: bytes, key: str) -> None:
            async with s3.put(key, body) as answer:
                answer.raise_for_status()

        yield Client(stream=stream, file=file, put=put)
