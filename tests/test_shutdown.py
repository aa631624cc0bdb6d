"""Web servers that are told to end while clients upload through them, as programs of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aios3 import S3StorageDriver
from aios3.options import MIB
from aios3.testing import S3Server
from tests.processes import RECOVER, ROOT, UPLOAD, child, environment_of, line_of, outcomes_of
from tests.stores.server_processes import pick_free_ports
from tests.stores.stores import is_available, rclone_store

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")

LATEST = 15.0
"""Seconds that an end may take on a busy machine; what is measured is far less than the clients would wait."""

UVICORN = """
import os
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request

from aios3 import S3StorageDriver


@asynccontextmanager
async def lifespan(app):
    async with S3StorageDriver(os.environ["PROVIDER"], journal=os.environ.get("JOURNAL")) as driver:
        app.state.driver = driver
        yield


app = FastAPI(lifespan=lifespan)


def show(progress):
    print("stored", progress.parts_stored, flush=True)


@app.put("/{name}")
async def put(name: str, request: Request):
    receipt = await app.state.driver.upload_object_via_stream(request.stream(), "bucket", name, on_progress=show)
    return {"size": receipt.size}


class Server(uvicorn.Server):
    async def shutdown(self, sockets=None):
        await app.state.driver.aclose(grace=float(os.environ["GRACE"]))
        await super().shutdown(sockets)


Server(uvicorn.Config(app, port=int(os.environ["PORT"]), log_level="error", timeout_graceful_shutdown=1)).run()
"""

AIOHTTP = """
import asyncio
import os
import signal

from aiohttp import web

from aios3 import S3StorageDriver

DRIVER = web.AppKey("driver", S3StorageDriver)


async def driver(app):
    async with S3StorageDriver(os.environ["PROVIDER"], journal=os.environ.get("JOURNAL")) as driver:
        app[DRIVER] = driver
        ending = []
        # Before aiohttp's own end begins: from then on it reads no more of any request's body.
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, lambda: ending.append(asyncio.create_task(end(driver)))
        )
        yield


async def end(driver):
    await driver.aclose(grace=float(os.environ["GRACE"]))
    asyncio.get_running_loop().call_soon(stop)


def stop():
    raise web.GracefulExit


def show(progress):
    print("stored", progress.parts_stored, flush=True)


async def put(request):
    name = request.match_info["name"]
    receipt = await request.app[DRIVER].upload_object_via_stream(request.content, "bucket", name, on_progress=show)
    return web.json_response({"size": receipt.size})


app = web.Application()
app.cleanup_ctx.append(driver)
app.router.add_put("/{name}", put)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), shutdown_timeout=1, print=None)
"""

PROGRAMS = {"uvicorn": UVICORN, "aiohttp": AIOHTTP}
CLEAN = {"uvicorn": {0, -signal.SIGTERM}, "aiohttp": {0}}
"""How a clean end looks: uvicorn ends by the signal that it was told to end by."""

README = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


class Store:
    """A store with a bucket, and how a child reaches it."""

    def __init__(self, provider: str, environment: dict[str, str], options: dict[str, Any]) -> None:
        self.provider = provider
        self.environment = environment
        self._options = options

    def driver(self, **options: Any) -> S3StorageDriver:
        return S3StorageDriver(self.provider, **self._options, **options)

    async def open_keys(self) -> list[str]:
        """Return the keys of the uploads that are open."""
        async with self.driver() as driver:
            return [upload.key async for upload in driver.iterate_multipart_uploads("bucket")]

    async def body(self, key: str) -> bytes:
        async with self.driver() as driver:
            return b"".join([chunk async for chunk in driver.download_object_as_stream("bucket", key)])


@asynccontextmanager
async def run_store(name: str) -> AsyncIterator[Store]:
    """Run our own store here, or rclone."""
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


class Client:
    """Sends a body slowly: a beginning, and the rest when it is told to."""

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
        """Return the status of the answer; ``None`` if the connection ends without one."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(LATEST):
                line = await self._reader.readline()
            return int(line.split()[1]) if line else None
        return None

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
    """Wait until the child has told so often that so many parts are stored."""
    while uploads:
        uploads -= await line_of(process) == f"stored {parts}"


async def end(process: Process) -> float:
    """Tell the process to end, wait until it has, and return how many seconds that took."""
    began = time.monotonic()
    process.terminate()
    async with asyncio.timeout(LATEST):
        await process.wait()
    return time.monotonic() - began


def settings(store: Store, port: int, *, grace: float = 0.0, journal: Path | None = None) -> dict[str, str]:
    kept = {} if journal is None else {"JOURNAL": str(journal)}
    return {**store.environment, "PROVIDER": store.provider, "PORT": str(port), "GRACE": str(grace), **kept}


BODY = bytes(range(256)) * (11 * MIB // 256)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_running_uploads_are_aborted(store: Store, program: str, start: Start) -> None:
    """Of three slow clients; they see an error, and nothing is open or there."""
    (port,) = pick_free_ports(1)
    async with child(settings(store, port), "-c", PROGRAMS[program]) as process:
        clients = [await start(port, f"/{number}") for number in range(3)]
        await stored(process, 2, uploads=3)
        assert len(await store.open_keys()) == 3
        await end(process)
        assert process.returncode in CLEAN[program]
        assert [status for client in clients if (status := await client.status()) not in (500, None)] == []
    assert await store.open_keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_upload_that_can_end_within_the_grace_does(store: Store, program: str, start: Start) -> None:
    """Its client gets its answer, and then nothing is waited for any more."""
    (port,) = pick_free_ports(1)
    async with child(settings(store, port, grace=10 * LATEST), "-c", PROGRAMS[program]) as process:
        client = await start(port, "/key")
        await stored(process, 2)
        process.terminate()
        await client.send(b"the end")
        await client.finish()
        assert await client.status() == 200
        async with asyncio.timeout(LATEST):
            await process.wait()
        assert process.returncode in CLEAN[program]
    assert await store.body("key") == BODY + b"the end"
    assert await store.open_keys() == []


@pytest.mark.parametrize("program", PROGRAMS)
async def test_with_a_journal_another_process_goes_on(store: Store, program: str, tmp_path: Path, start: Start) -> None:
    """From the checkpoint, with the rest of the source."""
    (port,) = pick_free_ports(1)
    async with child(settings(store, port, journal=tmp_path / "journal"), "-c", PROGRAMS[program]) as process:
        await start(port, "/key")
        await stored(process, 2)
        await end(process)
        assert process.returncode in CLEAN[program]
    assert await store.open_keys() == ["key"]
    async with store.driver(journal=tmp_path / "journal") as driver:
        (checkpoint,) = await driver.find_checkpoints()
        assert checkpoint.offset == 10 * MIB
        await driver.upload_object_via_stream(BODY[checkpoint.offset :], "bucket", "key", resume=checkpoint)
    assert await store.body("key") == BODY
    assert await store.open_keys() == []
    assert list((tmp_path / "journal").iterdir()) == []


async def test_the_handler_of_the_readme_ends_cleanly(tmp_path: Path, start: Start) -> None:
    """As uvicorn's users start it, with a limit for requests that do not end."""
    (handler,) = [block for block in README if "FastAPI(" in block]
    (tmp_path / "app.py").write_text(handler)
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


@pytest.mark.store
@pytest.mark.parametrize("resume", [True, False])
async def test_a_real_store_after_a_kill(tmp_path: Path, resume: bool) -> None:
    """With a journal whose last line is torn; what was there is completed, or ended."""
    content = BODY + BODY[: 5 * MIB + 3]
    path, journal = tmp_path / "file", tmp_path / "journal"
    path.write_bytes(content)
    async with run_store("rclone") as store:
        async with child(store.environment, "-c", UPLOAD, store.provider, journal, path, "bucket", "key") as process:
            assert await line_of(process) == "stored"
            process.kill()
        (file,) = journal.iterdir()
        with file.open("ab") as torn:
            torn.write(b'{"event":"end\0\0\0')
        assert await store.open_keys() == ["key"]
        flag = "resume" if resume else ""
        async with child(store.environment, "-c", RECOVER, store.provider, journal, flag) as process:
            assert await outcomes_of(process) == [("key", "completed" if resume else "aborted")]
        assert await store.open_keys() == []
        if resume:
            assert await store.body("key") == content
    assert list(journal.iterdir()) == []
