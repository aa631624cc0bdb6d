"""Uploads in processes of their own, to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from aios3 import Credentials

ROOT = Path(__file__).parents[1]

UPLOAD = """
import asyncio, sys
from aios3 import S3StorageDriver

async def main(provider, journal, path, bucket, *keys):
    async def stop(progress):
        if progress.parts_stored >= 2:
            print("stored", flush=True)
            await asyncio.Event().wait()

    async with S3StorageDriver(provider, journal=journal) as driver:
        await asyncio.gather(*(driver.upload_object(path, bucket, key, on_progress=stop) for key in keys))

asyncio.run(main(*sys.argv[1:]))
"""
"""Uploads a file to each of the keys, and stops when two parts of one are stored."""

RECOVER = """
import asyncio, json, sys
from aios3 import S3StorageDriver

async def main(provider, journal, resume):
    async with S3StorageDriver(provider, journal=journal) as driver:
        recovered = await driver.recover(resume=bool(resume))
    print(json.dumps([[one.key, one.outcome] for one in recovered]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
"""Prints what became of what was left."""


def environment_of(endpoint_url: str, region: str, credentials: Credentials) -> dict[str, str]:
    """Return the variables by which a child finds the store."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV"))}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }


@asynccontextmanager
async def child(
    environment: Mapping[str, str], *arguments: object, cwd: Path | None = None, stderr: IO[Any] | None = None
) -> AsyncIterator[Process]:
    """Run this Python with `arguments`; killed at the end of the block if it has not ended."""
    words = [str(argument) for argument in arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdout=PIPE, stderr=stderr, cwd=cwd
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: Process) -> str:
    """Return the next line that the child prints."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()


async def outcomes_of(process: Process) -> list[tuple[str, str]]:
    """Wait for the end of a child that recovers, and return what it did."""
    return [(key, outcome) for key, outcome in json.loads(await line_of(process))]
