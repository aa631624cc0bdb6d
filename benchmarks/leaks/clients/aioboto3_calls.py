"""aioboto3's managed upload: ``upload_fileobj`` with an object that has an async ``read``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aioboto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.leaks.clients.target import CONCURRENCY, PART_SIZE, OpenClient, Target

__all__ = ["upload_fileobj"]


class _Reader:
    """What the library wants instead of an iterator."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._held = b""

    async def read(self, size: int) -> bytes:
        if not self._held:
            self._held = await anext(self._source, b"")
        piece, self._held = self._held[:size], self._held[size:]
        return piece


@asynccontextmanager
async def upload_fileobj(target: Target) -> AsyncGenerator[OpenClient]:
    """Give ``upload_fileobj``. It tells nobody its upload id, so its caller has nothing to abort with."""
    transfer = TransferConfig(multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE, max_concurrency=CONCURRENCY)
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=target.endpoint_url,
        region_name=target.region,
        aws_access_key_id=target.access_key_id,
        aws_secret_access_key=target.secret_access_key,
        config=Config(s3={"addressing_style": "path"}),
    ) as client:

        async def upload(source: AsyncIterator[bytes], key: str) -> None:
            await client.upload_fileobj(_Reader(source), target.bucket, key, Config=transfer)

        yield OpenClient(upload, client.close)
