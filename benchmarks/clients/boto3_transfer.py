"""boto3's managed transfer, in threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.clients import Client, in_threads
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Reader, Source


def make_s3(job: Job) -> Any:
    """Return a client of boto3."""
    return boto3.client(
        "s3",
        endpoint_url=job.endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        verify=job.certificate,
        config=Config(
            s3={"addressing_style": "path"}, max_pool_connections=max(10, job.concurrency * job.most_at_once)
        ),
    )


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a client that is ready."""
    s3 = make_s3(job)
    transfer = TransferConfig(
        multipart_threshold=job.part_size,
        multipart_chunksize=job.part_size,
        max_concurrency=job.concurrency,
        preferred_transfer_client="classic",
    )

    def stream(source: Source, key: str) -> None:
        s3.upload_fileobj(Reader(source), BUCKET, key, Config=transfer)

    def file(path: Path, key: str) -> None:
        s3.upload_file(str(path), BUCKET, key, Config=transfer)

    def put(body: bytes, key: str) -> None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    yield in_threads(job, stream, file, put)
    s3.close()
