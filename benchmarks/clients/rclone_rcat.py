"""rclone as a program: ``rcat`` for streams, ``copyto`` for files."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.clients import Client
from benchmarks.clients.program import Program
from benchmarks.job import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Job
from benchmarks.source import Source


def _settings(job: Job) -> dict[str, str]:
    remote = {
        "type": "s3",
        "provider": "Other",
        "endpoint": job.endpoint,
        "region": REGION,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "no_check_bucket": "true",
        "chunk_size": f"{job.part_size}B",
        "upload_concurrency": str(job.concurrency),
    }
    named = {f"RCLONE_CONFIG_SINK_{name.upper()}": value for name, value in remote.items()}
    return named | {"RCLONE_CONFIG": os.devnull, "RCLONE_CA_CERT": job.certificate or "", "RCLONE_RETRIES": "1"}


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give the program that lies beside the interpreter."""
    rclone = str(Path(sys.executable).with_name("rclone"))
    program = Program({name: value for name, value in _settings(job).items() if value}, job.most_at_once)
    await program.run_idle(rclone, "version")

    async def stream(source: Source, key: str) -> None:
        await program.run(rclone, "rcat", f"sink:{BUCKET}/{key}", source=source)

    async def file(path: Path, key: str) -> None:
        await program.run(rclone, "copyto", str(path), f"sink:{BUCKET}/{key}")

    yield Client(stream=stream, file=file, figures=program.figures)
