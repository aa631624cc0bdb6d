"""Three server processes behind a proxy that gives each request to the next one, and a store."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aios3.testing import S3Server
from tests.support.places import ROOT

from .application import PROVIDER


@dataclass
class Cluster:
    url: str
    store: S3Server
    processes: list[asyncio.subprocess.Process]
    ports: list[int]
    log: Path
    """File with all that the processes write."""
    clients: set[asyncio.StreamWriter] = field(default_factory=set)
    """Connections of clients to the proxy."""

    def cut_connections(self) -> None:
        """End the connections of all clients at once, as a network does that is lost."""
        for client in self.clients:
            client.transport.abort()

    @property
    def origin(self) -> str:
        """URL of the proxy, without a slash at its end."""
        return self.url.removesuffix("/files/")


def free_port() -> int:
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@asynccontextmanager
async def serving(port: int, store: S3Server, log: Path, origin: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PUBLIC_URL": f"{origin}/named",
        "STORE_URL": store.endpoint_url,
        "STORE_ID": store.credentials.access_key_id,
        "STORE_SECRET": store.credentials.secret_access_key,
    }
    command = [sys.executable, "-m", "uvicorn", "tests.web.application:app", "--port", str(port), "--log-level=warning"]
    # Each connection carries one request, so the proxy can give the next request to another process.
    command += ["--header", "connection:close"]
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=ROOT, stdout=output, stderr=asyncio.subprocess.STDOUT
        )
    try:
        while True:
            with suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            await asyncio.sleep(0.1)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def run_cluster(store: S3Server, log: Path) -> AsyncIterator[Cluster]:
    """Run the processes and the proxy for the length of a block. No request is bound to a process."""
    async with AsyncExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        turn = itertools.cycle(ports)
        clients: set[asyncio.StreamWriter] = set()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", next(turn))
            clients.add(writer)
            try:
                async with asyncio.TaskGroup() as group:
                    upward = group.create_task(pump(reader, other_writer))
                    await pump(other_reader, writer)
                    upward.cancel()
            finally:
                clients.discard(writer)
                other_writer.close()
                writer.close()

        proxy = await stack.enter_async_context(await asyncio.start_server(forward, "127.0.0.1", 0))
        origin = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        starting = (stack.enter_async_context(serving(port, store, log, origin)) for port in ports)
        processes = await asyncio.gather(*starting)
        yield Cluster(f"{origin}/files/", store, processes, ports, log, clients)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with S3Server(PROVIDER) as store, run_cluster(store, tmp_path / "servers.log") as running:
        yield running
