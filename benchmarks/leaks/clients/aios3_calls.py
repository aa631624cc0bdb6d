"""aios3 as its README shows it: one call that takes the source, and a block to write in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from aios3 import Credentials, S3StorageDriver, TransferConfig
from benchmarks.leaks.clients.target import CONCURRENCY, PART_SIZE, OpenClient, Target

__all__ = ["stream", "writer"]


def _driver(target: Target) -> S3StorageDriver:
    return S3StorageDriver(
        target.provider,
        endpoint_url=target.endpoint_url,
        region=target.region,
        credentials=Credentials(target.access_key_id, target.secret_access_key),
        transfer=TransferConfig(part_size=PART_SIZE, concurrency=CONCURRENCY),
    )


@asynccontextmanager
async def stream(target: Target) -> AsyncGenerator[OpenClient]:
    """Give ``upload_object_via_stream``."""
    async with _driver(target) as driver:

        async def upload(source: AsyncIterator[bytes], key: str) -> None:
            await driver.upload_object_via_stream(source, target.bucket, key)

        yield OpenClient(upload, driver.aclose)


@asynccontextmanager
async def writer(target: Target) -> AsyncGenerator[OpenClient]:
    """Give ``open_upload``: the source's chunks are written in the block."""
    async with _driver(target) as driver:

        async def upload(source: AsyncIterator[bytes], key: str) -> None:
            async with driver.open_upload(target.bucket, key) as writing:
                async for chunk in source:
                    await writing.write(chunk)

        yield OpenClient(upload, driver.aclose)
