"""The page for the first five minutes: its endpoint stores, refuses and aborts as the page says."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from aios3 import ContainerNotFoundError, S3StorageDriver
from aios3.testing import S3Server
from aios3.testing.__main__ import _variables
from tests.support.places import ROOT
from tests.support.web_servers import uvicorn_serving

PAGE = (ROOT / "docs/start.md").read_text(encoding="utf-8")
(ENDPOINT,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def store(monkeypatch):
    """The store of the page, and its variables in the environment."""
    async with S3Server(buckets=["videos"]) as server:
        for name, value in re.findall(r"export (\w+)=(\S+)", _variables(server)):
            monkeypatch.setenv(name, value)
        yield server


def run_endpoint():
    names = {"__name__": "app"}
    exec(compile(ENDPOINT, "docs/start.md", "exec"), names)
    return names["app"]


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


def test_the_page_prints_what_the_store_prints():
    """The variables, in their order."""
    shown = re.findall(r"^export (\w+)=", PAGE, re.MULTILINE)
    with S3Server() as server:
        assert shown == re.findall(r"^export (\w+)=", _variables(server), re.MULTILINE)
