"""The page for the first five minutes: its endpoint stores, refuses and aborts as the page says."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from aios3 import ContainerNotFoundError, Credentials, S3StorageDriver
from aios3.testing import S3Server
from aios3.testing.__main__ import _variables
from tests.stores.server_processes import pick_free_ports
from tests.support.documents import page_block
from tests.support.places import ROOT
from tests.support.web_servers import uvicorn_serving

ENDPOINT = page_block("docs/start.md", "FastAPI(")
STORE = page_block("docs/start.md", "aios3.testing", "console")
SAME_STORE = page_block("docs/testing.md", "aios3.testing", "console")
SERVER = page_block("docs/start.md", "uvicorn app:app", "console")
UPLOADS = page_block("docs/start.md", "head -c", "console")
INTERRUPTED = page_block("docs/start.md", "limit-rate", "console")


@pytest.fixture
async def store(monkeypatch):
    """The store of the page, and its variables in the environment."""
    async with S3Server(buckets=["videos"]) as server:
        for name, value in re.findall(r"export (\w+)=(\S+)", _variables(server)):
            monkeypatch.setenv(name, value)
        yield server


def run_endpoint():
    return ENDPOINT.run()["app"]


async def chunks(count):
    for _ in range(count):
        yield bytes(2**20)


async def test_the_endpoint_stores_bodies_of_known_and_unknown_length(store):
    async with uvicorn_serving(run_endpoint(), lifespan="on") as url, aiohttp.ClientSession(url) as client:
        for name, body, size in (("talk.mp4", b"film", 4), ("live.mp4", chunks(7), 7 * 2**20)):
            async with client.put(f"/videos/{name}", data=body) as response:
                etag = store.objects["videos", name].etag.strip('"')
                assert (response.status, await response.json()) == (200, {"key": name, "size": size, "etag": etag})


async def test_an_interrupted_upload_leaves_nothing(store):
    async def interrupted():
        async for chunk in chunks(7):
            yield chunk
        await store.wait_for(lambda server: server.open_uploads)
        raise asyncio.CancelledError

    async with uvicorn_serving(run_endpoint(), lifespan="on") as url, aiohttp.ClientSession(url) as client:
        with pytest.raises((asyncio.CancelledError, aiohttp.ClientError)):
            await client.put("/videos/half.mp4", data=interrupted())
        await store.wait_for(lambda server: not server.open_uploads)
    assert store.objects == {}


async def test_a_missing_bucket_ends_the_start(store):
    async with S3StorageDriver() as driver:
        await driver.delete_container("videos")
    app = run_endpoint()
    with pytest.raises(ContainerNotFoundError):
        async with app.router.lifespan_context(app):
            pass


class Shell:
    """Terminal of a reader, but for the ports, which are free ones."""

    def __init__(self, folder):
        self._folder = folder
        self._ports = dict(zip(("9000", "8000"), map(str, pick_free_ports(2)), strict=True))
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
        }

    @contextlib.contextmanager
    def start(self, block):
        """Run the line of a block until the end of the context; gives the process."""
        line = block.text.splitlines()[0].removeprefix("$ ")
        line = f"{line} --port 8000" if line.startswith("uvicorn") else line
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(
            f"exec {self._with_ports(line)}", shell=True, cwd=self._folder, env=self.environment, **pipes
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def run(self, block, before=""):
        """Run each line of a block, after some words; return what it prints."""
        lines = "".join(f"{before}{line.removeprefix('$ ')}\n" for line in block.text.splitlines())
        command = ["bash", "-c", self._with_ports(lines)]
        return subprocess.run(
            command, cwd=self._folder, env=self.environment, capture_output=True, text=True, timeout=40, check=False
        ).stdout

    def _with_ports(self, line):
        return re.sub(r"\b[89]000\b", lambda found: self._ports[found[0]], line)

    def as_printed(self, text):
        """Replace the ports by those of the page."""
        return text.replace(self._ports["9000"], "9000")


@pytest.mark.timeout(120)
def test_the_lines_of_the_page_do_what_it_says(tmp_path):
    shell = Shell(tmp_path)
    (tmp_path / "app.py").write_text(ENDPOINT.text)
    shown = STORE.text.splitlines(keepends=True)[1:]
    assert dataclasses.replace(SAME_STORE, page=STORE.page, line=STORE.line) == STORE
    with shell.start(STORE) as store:
        printed = [store.stdout.readline() for _ in shown]
        assert shell.as_printed("".join(printed)) == "".join(shown)
        shell.environment |= dict(re.findall(r"^export (\w+)=(\S+)", "".join(printed), re.MULTILINE))
        with shell.start(SERVER) as server:
            while "running on" not in server.stdout.readline():
                pass
            answers = [json.loads(each + "}") for each in shell.run(UPLOADS).split("}")[:-1]]
            assert [(each["key"], each["size"]) for each in answers] == [("talk.mp4", 20000000), ("live.mp4", 50000000)]
            shell.run(INTERRUPTED, "timeout --signal=INT 1 ")  # Ctrl-C
            asyncio.run(check_what_is_left(shell.environment))
            server.terminate()
            assert "Traceback" not in server.stdout.read()


async def check_what_is_left(environment):
    keys = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    async with S3StorageDriver(
        endpoint_url=environment["AWS_ENDPOINT_URL"], region="us-east-1", credentials=keys
    ) as driver:
        assert [found.key async for found in driver.iterate_container_objects("videos")] == ["live.mp4", "talk.mp4"]
        while [found async for found in driver.iterate_multipart_uploads("videos")]:
            await asyncio.sleep(0.05)
