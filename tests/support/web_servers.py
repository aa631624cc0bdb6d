"""Real web servers for applications under test, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn
from aiohttp import web
from yarl import URL


@contextlib.asynccontextmanager
async def uvicorn_serving(app, lifespan="off"):
    """Run the application under uvicorn; gives its URL once it has started."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan=lifespan, log_config=None, timeout_graceful_shutdown=1))
        server.install_signal_handlers = lambda: None
        task = asyncio.create_task(server._serve([listening]))
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@contextlib.asynccontextmanager
async def aiohttp_serving(app, **options):
    """Run the application under aiohttp.web; gives its URL."""
    runner = web.AppRunner(app, **options)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_connection(url):
    """Open a connection to a server; gives its reader and writer. At the end the client vanishes.

    A block that waits for a response that never comes ends after 30 s. Otherwise the server would wait for the client,
    and the end of the test for the server.
    """
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        try:
            yield reader, writer
        finally:
            writer.close()
