"""aios3 as the README shows it. The variant ``crc32`` sends a CRC-32 with every part, as aiobotocore does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from measured import BUCKET, CONCURRENCY, PART_SIZE, REGION, Job, Stream, run

from aios3 import Credentials, S3StorageDriver, TransferConfig


@asynccontextmanager
async def aios3(job: Job) -> AsyncIterator[Stream]:
    """Give a stream on a driver that is ready."""
    with_checksum = job.variant == "crc32"
    driver = S3StorageDriver(
        "aws" if with_checksum else "generic",
        endpoint_url=job.endpoint,
        region=REGION,
        credentials=Credentials("bench", "bench-secret"),
        ssl_context=job.ssl_context(),
        transfer=TransferConfig(
            part_size=PART_SIZE, concurrency=CONCURRENCY, checksum="crc32" if with_checksum else "auto"
        ),
    )
    async with driver:

        async def stream(source: AsyncIterator[bytes]) -> None:
            receipt = await driver.upload_object_via_stream(source, BUCKET, job.key)
            if receipt.size != job.size:
                raise RuntimeError(f"{receipt.size} bytes were stored, not {job.size}")

        yield stream


if __name__ == "__main__":
    run(aios3)
