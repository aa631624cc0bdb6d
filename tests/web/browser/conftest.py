"""Chromium, the packages that `make test-web` installs, and a site whose pages use them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from .devtools import Page, run_chromium

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


@pytest.fixture
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


@pytest.fixture
async def page(packages: Path, tmp_path: Path) -> AsyncIterator[Page]:
    """Tab of a new browser, which knows nothing of earlier tests."""
    async with run_chromium(tmp_path) as browser:
        yield await browser.new_page()


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
