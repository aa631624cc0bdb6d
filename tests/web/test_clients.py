"""Clients that others wrote, against three processes: no request is bound to one of them."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import random
import sys
from contextlib import suppress
from pathlib import Path

import aiotus
import pytest

HERE = Path(__file__).parent

CONTENT = random.Random(1).randbytes(13_000_000)


async def run(*command):
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(50):
            output, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.mp4"
    path.write_bytes(CONTENT)
    return path


def whole_objects(cluster):
    objects = [stored.body for (_, key), stored in cluster.store.objects.items() if ".uploads/" not in key]
    return [len(body) for body in objects if body == CONTENT], len(objects)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_aiotus_uploads_one_file_joins_several_and_reads_metadata(cluster):
    """It takes whole URLs only, so the application has a ``public_url``."""
    endpoint, metadata = f"{cluster.origin}/named/", {"filename": "ж.mp4".encode(), "empty": None}
    whole = await aiotus.upload(endpoint, io.BytesIO(CONTENT), metadata)
    pieces = [io.BytesIO(CONTENT[start : start + 5_000_000]) for start in range(0, len(CONTENT), 5_000_000)]
    joined = await aiotus.upload_multiple(endpoint, pieces, metadata)
    for url in (whole, joined):
        assert await aiotus.metadata(url) == metadata
    assert whole_objects(cluster) == ([len(CONTENT)] * 2, 2)
    assert cluster.store.open_uploads == []


@pytest.mark.skipif(importlib.util.find_spec("tusclient") is None, reason="needs tuspy")
async def test_tuspy_uploads_resumes_and_sends_checksums(cluster, file):
    output = await run(sys.executable, HERE / "tus_client.py", cluster.url, file)
    assert output.count("ok ") == 3
    assert whole_objects(cluster) == ([len(CONTENT)] * 3, 3)
    assert cluster.store.store.uploads == {}
