"""obstore's two ways to upload what an async iterator gives: ``put_async`` and ``open_writer_async``."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import obstore
from obstore.store import S3Store

from benchmarks.leaks.clients.target import CONCURRENCY, PART_SIZE, OpenClient, Target

__all__ = ["put", "writer"]


def _store(target: Target) -> S3Store:
    return S3Store(
        target.bucket,
        endpoint=target.endpoint_url,
        region=target.region,
        access_key_id=target.access_key_id,
        secret_access_key=target.secret_access_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


@asynccontextmanager
async def put(target: Target) -> AsyncGenerator[OpenClient]:
    """Give ``put_async``. A store has no close: it is let go of at the end."""
    store = [_store(target)]

    async def upload(source: AsyncIterator[bytes], key: str) -> None:
        await obstore.put_async(store[0], key, source, chunk_size=PART_SIZE, max_concurrency=CONCURRENCY)

    try:
        yield OpenClient(upload)
    finally:
        store.clear()
        gc.collect()


@asynccontextmanager
async def writer(target: Target) -> AsyncGenerator[OpenClient]:
    """Give ``open_writer_async``: the source's chunks are written in the block."""
    store = [_store(target)]

    async def upload(source: AsyncIterator[bytes], key: str) -> None:
        async with obstore.open_writer_async(
            store[0], key, buffer_size=PART_SIZE, max_concurrency=CONCURRENCY
        ) as writing:
            async for chunk in source:
                await writing.write(chunk)

    try:
        yield OpenClient(upload)
    finally:
        store.clear()
        gc.collect()
