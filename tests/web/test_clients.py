"""Clients that others wrote, against three processes: no request is bound to one of them."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE_HOME = os.environ.get("AIOS3_NODE_HOME", "")
"""Folder in which ``npm install tus-js-client`` was run."""

CONTENT = random.Random(1).randbytes(13_000_000)


async def run(*command, **environment):
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **environment}
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


@pytest.mark.skipif(
    not (shutil.which("node") and Path(NODE_HOME, "node_modules", "tus-js-client").is_dir()),
    reason="needs node, and AIOS3_NODE_HOME, a folder with tus-js-client",
)
async def test_tus_js_client_uploads_in_every_way_it_has(cluster, file):
    output = await run("node", HERE / "tus_client.mjs", cluster.url, file, NODE_HOME=NODE_HOME)
    assert output.count("ok ") == 7
    assert whole_objects(cluster) == ([len(CONTENT)] * 6, 6)
    assert cluster.store.store.uploads == {}


@pytest.mark.skipif(importlib.util.find_spec("tusclient") is None, reason="needs tuspy")
async def test_tuspy_uploads_resumes_and_sends_checksums(cluster, file):
    output = await run(sys.executable, HERE / "tus_client.py", cluster.url, file)
    assert output.count("ok ") == 3
    assert whole_objects(cluster) == ([len(CONTENT)] * 3, 3)
    assert cluster.store.store.uploads == {}
