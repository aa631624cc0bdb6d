"""aios3 as the README shows it, for a store of which nothing is known. Variants: ``aws`` takes the store for Amazon S3,
whose Complete needs no HEAD after it, but sends no checksum; ``crc32`` does so and sends a CRC-32 with every part;
``unsigned`` signs no payload; ``auto`` finds its concurrency by trying, and signs none; ``spill`` may put part bytes
into the folder for temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from aios3 import Credentials, S3StorageDriver, TransferConfig, UploadReceipt
from benchmarks.clients import Client
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Source

_DEFAULTS: Final = TransferConfig()
_AS_AWS: Final[dict[str | None, Literal["crc32"] | None]] = {"aws": None, "crc32": "crc32"}
"""The checksums of the variants that take the store for Amazon S3."""


def _transfer(job: Job) -> TransferConfig:
    return TransferConfig(
        part_size=job.part_size,
        concurrency="auto" if job.variant == "auto" else job.concurrency,
        memory_limit=job.memory_limit or _DEFAULTS.memory_limit,
        checksum=_AS_AWS.get(job.variant, "auto"),
        spill_directory=tempfile.gettempdir() if job.variant == "spill" else None,
        payload_signing="unsigned" if job.variant in ("unsigned", "auto") else "auto",
    )


def _check(receipt: UploadReceipt, size: int) -> None:
    if receipt.size != size:
        raise RuntimeError(f"{receipt.size} bytes were stored, not {size}")


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give a driver that is ready."""
    driver = S3StorageDriver(
        "aws" if job.variant in _AS_AWS else "generic",
        endpoint_url=job.endpoint,
        region=REGION,
        credentials=Credentials(ACCESS_KEY, SECRET_KEY),
        ssl_context=job.ssl_context(),
        transfer=_transfer(job),
    )

    async def stream(source: Source, key: str) -> None:
        _check(await driver.upload_object_via_stream(source, BUCKET, key), source.size)

    async def file(path: Path, key: str) -> None:
        _check(await driver.upload_object(path, BUCKET, key), job.size)

    async def put(body: bytes, key: str) -> None:
        _check(await driver.upload_object_via_stream(body, BUCKET, key), len(body))

    async with driver:
        yield Client(stream=stream, file=file, put=put)
