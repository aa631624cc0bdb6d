"""aioboto3's ``upload_fileobj`` and ``upload_file``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aioboto3
from aiobotocore.config import AioConfig
from boto3.s3.transfer import TransferConfig

from benchmarks.clients import Client
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import AsyncReader, Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a client that is ready."""
    making = aioboto3.Session().client(
        "s3",
        endpoint_url=job.endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        verify=job.certificate,
        config=AioConfig(
            s3={"addressing_style": "path"}, max_pool_connections=max(10, job.concurrency * job.most_at_once)
        ),
    )
    transfer = TransferConfig(
        multipart_threshold=job.part_size, multipart_chunksize=job.part_size, max_concurrency=job.concurrency
    )
    async with making as s3:

        async def stream(source: Source, key: str) -> None:
            await s3.upload_fileobj(AsyncReader(source), BUCKET, key, Config=transfer)

        async def file(path: Path, key: str) -> None:
            await s3.upload_file(str(path), BUCKET, key, Config=transfer)

        async def put(body: bytes, key: str) -> None:
            await s3.put_object(Bucket=BUCKET, Key=key, Body=body)

        yield Client(stream=stream, file=file, put=put)
