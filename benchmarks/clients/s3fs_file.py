"""s3fs: a file that is written to, in a thread; its own loop sends the parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import s3fs

from benchmarks.clients import Client, in_threads
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a file system that is ready."""
    system = s3fs.S3FileSystem(
        key=ACCESS_KEY,
        secret=SECRET_KEY,
        endpoint_url=job.endpoint,
        client_kwargs={"region_name": REGION, "verify": job.certificate},
        config_kwargs={"s3": {"addressing_style": "path"}, "max_pool_connections": max(10, job.most_at_once)},
        skip_instance_cache=True,
    )
    system.connect()

    def stream(source: Source, key: str) -> None:
        with system.open(f"{BUCKET}/{key}", "wb", block_size=job.part_size) as file:
            for chunk in source:
                file.write(chunk)

    def file(path: Path, key: str) -> None:
        system.put_file(str(path), f"{BUCKET}/{key}", chunksize=job.part_size)

    def put(body: bytes, key: str) -> None:
        system.pipe_file(f"{BUCKET}/{key}", body)

    yield in_threads(job, stream, file, put)
