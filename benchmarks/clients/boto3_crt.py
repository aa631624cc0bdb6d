"""boto3's transfer on the AWS common runtime.

`s3transfer` is asked directly: boto3 itself picks the runtime only for Amazon's
own endpoints.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import botocore.session
from awscrt.auth import AwsCredentialsProvider
from s3transfer.crt import BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client

from benchmarks.clients import Client, in_threads
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Reader, Source


def _make_manager(job: Job) -> CRTTransferManager:
    crt = create_s3_crt_client(
        REGION,
        part_size=job.part_size,
        use_ssl=job.is_secure,
        verify=job.certificate,
        crt_credentials_provider=AwsCredentialsProvider.new_static(ACCESS_KEY, SECRET_KEY),
    )
    settings = {"region_name": REGION, "endpoint_url": job.endpoint}
    return CRTTransferManager(crt, BotocoreCRTRequestSerializer(botocore.session.Session(), settings))


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a manager that is ready."""
    manager = _make_manager(job)

    def send(data: Any, key: str) -> None:
        manager.upload(data, BUCKET, key).result()

    def stream(source: Source, key: str) -> None:
        send(Reader(source), key)

    def file(path: Path, key: str) -> None:
        send(str(path), key)

    def put(body: bytes, key: str) -> None:
        send(io.BytesIO(body), key)

    with manager:
        yield in_threads(job, stream, file, put)
