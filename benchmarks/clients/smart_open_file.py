"""smart_open: a file that is written to, in a thread, on boto3."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import smart_open

from benchmarks.clients import Client, in_threads
from benchmarks.clients.boto3_transfer import make_s3
from benchmarks.job import BUCKET, MIB, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give files on a client that is ready."""
    s3 = make_s3(job)

    def opened(key: str, *, is_small: bool = False) -> Any:
        settings = {"client": s3, "min_part_size": job.part_size, "multipart_upload": not is_small}
        return smart_open.open(f"s3://{BUCKET}/{key}", "wb", transport_params=settings)

    def write(chunks: Iterable[bytes], key: str, *, is_small: bool = False) -> None:
        with opened(key, is_small=is_small) as file:
            for chunk in chunks:
                file.write(chunk)

    def stream(source: Source, key: str) -> None:
        write(source, key)

    def file(path: Path, key: str) -> None:
        with path.open("rb") as source, opened(key) as target:
            shutil.copyfileobj(source, target, MIB)

    def put(body: bytes, key: str) -> None:
        write([body], key, is_small=True)

    yield in_threads(job, stream, file, put)
    s3.close()
