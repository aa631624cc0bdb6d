"""obstore (Rust): ``put_async`` takes the async iterator as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import obstore
from obstore.store import S3Store

from benchmarks.clients import Client
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Source


def _make_store(job: Job) -> S3Store:
    return S3Store(
        BUCKET,
        endpoint=job.endpoint,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        virtual_hosted_style_request=False,
        client_options={"allow_http": not job.is_secure},
    )


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a store that is ready."""
    store = _make_store(job)
    multipart = {"chunk_size": job.part_size, "max_concurrency": job.concurrency}

    async def stream(source: Source, key: str) -> None:
        await obstore.put_async(store, key, source, **multipart)

    async def file(path: Path, key: str) -> None:
        await obstore.put_async(store, key, path, **multipart)

    async def put(body: bytes, key: str) -> None:
        await obstore.put_async(store, key, body, use_multipart=False)

    yield Client(stream=stream, file=file, put=put)
