"""Shutdown of web servers, in processes of their own, while clients upload through them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aios3 import S3StorageDriver
from aios3.options import MIB
from aios3.testing import S3Server
from tests.stores.server_processes import pick_free_ports
from tests.stores.stores import is_available, rclone_store
from tests.support.documents import page_block
from tests.support.processes import ROOT, child, environment_of, line_of

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")

LATEST = 15.0
"""Seconds that an end may take on a busy machine; what is measured is far less than the clients would wait."""

EXAMPLES = ROOT / "examples" / "web"

RUN = """
import functools, os, runpy, sys

import aios3


def show(progress):
    print("stored", progress.parts_stored, flush=True)


driver = aios3.S3StorageDriver
driver.default_provider = os.environ["PROVIDER"]
driver.upload_object_via_stream = functools.partialmethod(driver.upload_object_via_stream, on_progress=show)
sys.argv.pop(0)
if sys.argv[0].endswith(".py"):
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs an example as it stands, alone or under a server, and tells what it has stored."""

COMMANDS = {
    "uvicorn": ["uvicorn", "--app-dir", EXAMPLES, "fastapi_app:app", "--port"],
    "aiohttp": [EXAMPLES / "aiohttp_app.py", "--port"],
}
PROGRAMS = tuple(COMMANDS)
CLEAN = {"uvicorn": {0, -signal.SIGTERM}, "aiohttp": {0}}
"""Exit statuses of a clean end. uvicorn ends by the signal that it got."""

HANDLER = page_block("README.md", "FastAPI(")


class Store:
    """Store with a bucket, and the environment in which a child finds it."""

    def __init__(self, provider: str, environment: dict[str, str], options: dict[str, Any]) -> None:
        self.provider = provider
        self.environment = environment
        self._options = options

    def driver(self, **options: Any) -> S3StorageDriver:
        return S3StorageDriver(self.provider, **self._options, **options)

    async def open_keys(self) -> list[str]:
        """Return the keys of the open uploads."""
        async with self.driver() as driver:
            return [upload.key async for upload in driver.iterate_multipart_uploads("bucket")]

    async def body(self, key: str) -> bytes:
        async with self.driver() as driver:
            return b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", key)])


@asynccontextmanager
async def run_store(name: str) -> AsyncIterator[Store]:
    """Run the loopback server or rclone."""
    async with AsyncExitStack() as stack:
        if name == "rclone":
            if not is_available("rclone"):
                message = "rclone is not installed"
                pytest.fail(message) if os.environ.get("AIOS3_REQUIRE_STORES") == "1" else pytest.skip(message)
            running: Any = stack.enter_context(rclone_store())
            provider = "rclone"
        else:
            running = await stack.enter_async_context(S3Server(buckets=[]))
            provider = "generic"
        known = {
            "endpoint_url": running.endpoint_url,
            "region": running.region,
            "credentials": running.credentials,
        }
        store = Store(provider, environment_of(running.endpoint_url, running.region, running.credentials), known)
        async with store.driver() as driver:
            await driver.create_container("bucket")
        yield store


@pytest.fixture(params=["ours", pytest.param("rclone", marks=pytest.mark.store)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Each of the stores in turn."""
    async with run_store(request.param) as running:
        yield running


@pytest.fixture
async def ours() -> AsyncIterator[Store]:
    """Loopback server."""
    async with run_store("ours") as running:
        yield running


class Client:
    """Client that sends a body slowly: the beginning, and later the rest."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, port: int, path: str, beginning: bytes) -> Client:
        client = cls(*await _connect(port))
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        client._writer.write(head.encode())
        await client.send(beginning)
        return client

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), MIB):
            piece = data[start : start + MIB]
            self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await self._writer.drain()

    async def finish(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def status(self) -> int | None:
        """Return the status of the response, or ``None`` if the connection ends without one."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(LATEST):
                line = await self._reader.readline()
            return int(line.split()[1]) if line else None
        return None

    async def put_again(self, path: str) -> int | None:
        """Read the response to its end, send a small request on the same connection, and return the status."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await self._reader.readuntil(b"\r\n\r\n")
            await self._reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))  # type: ignore[index]
            self._writer.write(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx".encode())
            await self._writer.drain()
            return await self.status()
        return None

    def abort(self) -> None:
        self._writer.transport.abort()

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


Start = Callable[[int, str], Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start slow clients, whose connections are closed after the test."""
    clients: list[Client] = []

    async def start_one(port: int, path: str) -> Client:
        clients.append(await Client.start(port, path, BODY))
        return clients[-1]

    yield start_one
    for client in clients:
        await client.aclose()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(ConnectionError):
                return await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.02)  # until the program listens


async def stored(process: Process, parts: int, uploads: int = 1) -> None:
    """Wait until the child has reported `uploads` times that `parts` parts are stored."""
    while uploads:
        uploads -= await line_of(process) == f"stored {parts}"


async def end(process: Process, number: int = signal.SIGTERM) -> float:
    """Send a signal to the process, wait for its end, and return the seconds that it took."""
    began = time.monotonic()
    process.send_signal(number)
    async with asyncio.timeout(LATEST):
        await process.wait()
    return time.monotonic() - began


class Served:
    """Running example."""

    def __init__(self, program: str, process: Process, port: int, log: Path) -> None:
        self.program = program
        self.process = process
        self.port = port
        self.log = log

    def assert_clean(self) -> None:
        """Check that the process has ended as expected, without an error in its log."""
        assert self.process.returncode in CLEAN[self.program]
        log = self.log.read_text()
        assert "Traceback" not in log
        assert "rror" not in log

    async def accepts(self) -> bool:
        with contextlib.suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            return True
        return False


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Run an example against a store."""

    @asynccontextmanager
    async def run(
        store: Store, program: str, *, grace: float = 0.0, journal: Path | None = None, code: str = RUN, **more: str
    ) -> AsyncIterator[Served]:
        (port,) = pick_free_ports(1)
        environment = {**store.environment, "PROVIDER": store.provider, "BUCKET": "bucket", "GRACE": str(grace), **more}
        if journal is not None:
            environment["JOURNAL"] = str(journal)
        words = ["-c", code, *COMMANDS[program], port]
        with (tmp_path / "log").open("wb") as log:
            async with child(environment, *words, stderr=log) as process:
                yield Served(program, process, port, tmp_path / "log")

    return run


BODY = bytes(range(256)) * (11 * MIB // 256)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_shutdown_aborts_running_uploads(store: Store, program: str, start: Start, serve: Serve) -> None:
    """Three slow clients get 503, nothing is open or stored, and the log is clean."""
    async with serve(store, program) as served:
        clients = [await start(served.port, f"/raw/{number}") for number in range(3)]
        await stored(served.process, 2, uploads=3)
        assert len(await store.open_keys()) == 3
        await end(served.process)
        assert [await client.status() for client in clients] == [503] * 3
        served.assert_clean()
    assert await store.open_keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_upload_that_ends_within_the_grace_succeeds(
    store: Store, program: str, start: Start, serve: Serve
) -> None:
    async with serve(store, program, grace=10 * LATEST) as served:
        client = await start(served.port, "/raw/key")
        await stored(served.process, 2)
        served.process.terminate()
        await client.send(b"the end")
        await client.finish()
        assert await client.status() == 200
        async with asyncio.timeout(LATEST):
            await served.process.wait()
        served.assert_clean()
    assert await store.body("key") == BODY + b"the end"
    assert await store.open_keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_new_connections_and_uploads_are_refused_during_the_grace(
    ours: Store, program: str, start: Start, serve: Serve
) -> None:
    """At the socket. A short upload ends with 200, a long one with 503 after the grace, a new request with 503."""
    async with serve(ours, program, grace=4) as served:
        short, long, idle = [await start(served.port, f"/raw/{name}") for name in ("short", "long", "idle")]
        await stored(served.process, 2, uploads=3)
        await idle.finish()
        assert await idle.status() == 200
        assert await served.accepts()
        served.process.terminate()
        async with asyncio.timeout(LATEST):
            while await served.accepts():
                await asyncio.sleep(0.02)
        assert await idle.put_again("/raw/new") in (503, None)
        await short.finish()
        assert await short.status() == 200
        assert await long.status() == 503
        async with asyncio.timeout(LATEST):
            await served.process.wait()
        served.assert_clean()
    assert await ours.open_keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_second_interrupt_ends_the_grace(ours: Store, program: str, start: Start, serve: Serve) -> None:
    async with serve(ours, program, grace=10 * LATEST) as served:
        await start(served.port, "/raw/key")
        await stored(served.process, 2)
        served.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LATEST):
            while await served.accepts():
                await asyncio.sleep(0.02)
        assert await ours.open_keys() == ["key"]
        await end(served.process, signal.SIGINT)
        assert await ours.open_keys() == []
        served.assert_clean()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_client_that_disconnects_leaves_no_upload_and_no_logged_error(
    ours: Store, program: str, start: Start, serve: Serve
) -> None:
    """A client that sends too much gets 413."""
    async with serve(ours, program, MAX_SIZE=str(12 * MIB)) as served:
        client = await start(served.port, "/raw/gone")
        await stored(served.process, 2)
        client.abort()
        async with asyncio.timeout(LATEST):
            while await ours.open_keys():
                await asyncio.sleep(0.02)
        client = await start(served.port, "/raw/large")
        with contextlib.suppress(ConnectionError):
            await client.send(bytes(2 * MIB))
        assert await client.status() == 413
        await end(served.process)
        served.assert_clean()
    assert await ours.open_keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_files_of_a_form_are_stored(ours: Store, program: str, serve: Serve) -> None:
    """A form that is none gets its own status."""
    form = aiohttp.FormData({"title": "cats"})
    form.add_field("file", io.BytesIO(BODY), filename="cat.mp4")
    async with serve(ours, program, MAX_SIZE=str(12 * MIB)) as served, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{served.port}/form"
        while not await served.accepts():
            await asyncio.sleep(0.02)
        async with session.post(url, data=form) as response:
            keys = await response.json()
        assert await ours.body(keys["cat.mp4"]) == BODY
        async with session.post(url, data=b"none") as response:
            assert response.status == 415
        await end(served.process)
        served.assert_clean()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_server_with_a_journal_leaves_nothing_open(
    store: Store, program: str, tmp_path: Path, start: Start, serve: Serve
) -> None:
    journal = tmp_path / "journal"
    async with serve(store, program, journal=journal) as served:
        await start(served.port, "/raw/key")
        await stored(served.process, 2)
        await end(served.process)
        served.assert_clean()
    assert await store.open_keys() == []
    async with serve(store, program, journal=journal) as served:
        await start(served.port, "/raw/key")
        await stored(served.process, 2)
        served.process.kill()
        await served.process.wait()
        assert await store.open_keys() == ["key"]
    async with serve(store, program, journal=journal) as served:
        while not await served.accepts():
            await asyncio.sleep(0.02)
        assert await store.open_keys() == []
        await end(served.process)
        served.assert_clean()
    assert list(journal.iterdir()) == []


async def test_the_handler_of_the_readme_ends_cleanly(tmp_path: Path, start: Start) -> None:
    """It is started by uvicorn's own command, with a limit for requests that do not end."""
    (tmp_path / "app.py").write_text(HANDLER.text)
    (port,) = pick_free_ports(1)
    async with S3Server(buckets=["videos"], region="eu-west-1") as server:
        environment = environment_of(server.endpoint_url, server.region, server.credentials)
        environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
        command = ["-m", "uvicorn", "app:app", "--port", port, "--timeout-graceful-shutdown", 1, "--log-level", "error"]
        async with child(environment, *command) as process:
            clients = [await start(port, f"/videos/{number}") for number in range(2)]
            await server.wait_for(lambda s: [len(left.parts) for left in s.open_uploads] == [2, 2])
            await end(process)
            assert process.returncode in CLEAN["uvicorn"]
            for client in clients:
                assert await client.status() in (500, None)
        assert (server.open_uploads, server.objects) == ([], {})
