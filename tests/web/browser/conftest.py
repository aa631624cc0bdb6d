"""Chromium, the packages that `make test-web` installs, and a site whose pages use them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from aios3.testing import CorsRule, S3Server
from tests.web.application import PROVIDER
from tests.web.conftest import Cluster, run_cluster

from .devtools import Browser, Page, run_chromium

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def packages() -> Path:
    """Folder in which the packages of ``package.json`` are installed."""
    if folder := os.environ.get("AIOS3_WEB_PACKAGES"):
        return Path(folder)
    pytest.skip("needs Chromium and packages of npm: run make test-web")


@dataclass
class Site:
    url: str
    files: dict[str, bytes | Path] = field(default_factory=dict)
    """Content by name; a page has a name that ends with ``.html``."""

    def add_page(self, name: str, *scripts: str) -> str:
        """Add an empty page with these scripts, and return its URL."""
        tags = "".join(f'<script src="{script}"></script>' for script in scripts)
        self.files[name] = f'<!doctype html><meta charset="utf-8"><body>{tags}'.encode()
        return self.url + name


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """Server of the pages, whose origin is neither the store's nor that of the server processes."""
    made = Site("")

    async def respond(request: web.Request) -> web.Response:
        found = made.files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        kind = {"html": "text/html", "js": "text/javascript"}.get(request.path.rpartition(".")[2])
        return web.Response(
            body=found.read_bytes() if isinstance(found, Path) else found,
            content_type=kind or "application/octet-stream",
        )

    app = web.Application()
    app.router.add_get("/{name}", respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


# The processes and the browser take longer to start than a test to run, so the tests of a file share them and a loop.


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def processes(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Cluster, int]]:
    """Processes whose store has ended, and its port."""
    async with AsyncExitStack() as stack:
        async with S3Server() as store:
            port = int(store.endpoint_url.rpartition(":")[2])
            log = tmp_path_factory.mktemp("cluster") / "servers.log"
            running = await stack.enter_async_context(run_cluster(store, log))
        yield running, port


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(processes: tuple[Cluster, int]) -> AsyncIterator[Cluster]:
    """The processes with an empty store, which takes requests of browsers."""
    running, port = processes
    running.log.write_bytes(b"")
    async with S3Server(PROVIDER, cors=CorsRule(), port=port) as running.store:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with run_chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Tab for the pages of a site, whose origin is new. So they know nothing of earlier tests."""
    tab = await browser.new_page()
    yield tab
    await tab.send("Page.close")


@pytest.fixture(scope="session")
def bundle(packages: Path, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that packs a script, and the packages of one workspace that it imports, for a page."""

    async def pack(script: str, workspace: str) -> Path:
        packed = tmp_path_factory.getbasetemp() / f"{workspace}-{script}"
        if not packed.exists():
            places = [packages / workspace / "node_modules", packages / "node_modules"]
            process = await asyncio.create_subprocess_exec(
                packages / "node_modules" / ".bin" / "esbuild",
                *(HERE / script, "--bundle", "--format=iife", "--log-level=warning", f"--outfile={packed}"),
                env={**os.environ, "NODE_PATH": os.pathsep.join(map(str, places))},
            )
            assert await process.wait() == 0
        return packed

    return pack
