"""Measurement of real servers: clients that vanish, clients that upload on after a 413, and SIGTERM during uploads.

python -m tests.web.servers [SERVER ...]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import re
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aios3.options import MIB
from aios3.testing import S3Server
from tests.support.processes import child, environment_of

from .conftest import free_port

GRACE = 2
MAX_SIZE = 16 * MIB
LATEST = 20.0
"""Seconds after which a server is taken to wait without a limit; also on a busy machine it ends far sooner."""

PAUSE = 0.5
"""Seconds in which a server may log what it has to say."""

KILL_AFTER = 8
"""Seconds after SIGTERM at which those servers that have such a setting kill a worker."""

COMMANDS = {
    "uvicorn": ["-m", "uvicorn", "{app}", "--port", "{port}", "--no-access-log"],
    "hypercorn": [
        "-m",
        "hypercorn",
        "{app}",
        "--bind",
        "127.0.0.1:{port}",
        "--graceful-timeout",
        KILL_AFTER,
        "--workers",
        0,
    ],
    "granian": [
        "-m",
        "granian",
        "--interface",
        "asgi",
        "{app}",
        "--port",
        "{port}",
        "--workers-kill-timeout",
        KILL_AFTER,
    ],
    "gunicorn": [
        *("-m", "gunicorn", "{app}", "--bind", "127.0.0.1:{port}", "--worker-class", "uvicorn_worker.UvicornWorker"),
        *("--graceful-timeout", KILL_AFTER),
    ],
}
DISTRIBUTIONS = {"gunicorn": ("gunicorn", "uvicorn-worker", "uvicorn")}
TUS = {"Tus-Resumable": "1.0.0"}


class Client:
    """Client that sends a request piece by piece, and reads the response only when it is asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def start(cls, port: int, method: str, path: str, length: int, **headers: str) -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        client.writer.write("\r\n".join([*lines, "", ""]).encode())
        return client

    async def send(self, size: int) -> bool:
        """Send that many bytes; return whether the server took them."""
        try:
            for _ in range(size // MIB):
                self.writer.write(bytes(MIB))
                async with asyncio.timeout(LATEST):
                    await self.writer.drain()
        except (ConnectionError, TimeoutError):
            return False
        return True

    async def response(self) -> tuple[int | None, str]:
        """Return status and head; no status if the connection ends, or nothing comes."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(LATEST):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            return int(head.split()[1]), head
        return None, ""

    async def is_closed(self) -> bool:
        """Return whether the server ends the connection within some seconds."""
        try:
            async with asyncio.timeout(2):
                while await self.reader.read(65536):
                    pass  # until the end
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def abort(self) -> None:
        self.writer.transport.abort()


@dataclass
class Served:
    """Server that runs, with its log."""

    process: asyncio.subprocess.Process
    port: int
    store: S3Server
    log: Path
    seen: int = 0
    clients: list[Client] = field(default_factory=list)

    async def client(self, method: str, path: str, length: int, **headers: str) -> Client:
        """Send the head of a request."""
        self.clients.append(await Client.start(self.port, method, path, length, **headers))
        return self.clients[-1]

    def new_lines(self) -> list[str]:
        """Return the lines of the log since the last call."""
        lines = self.log.read_text().splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        return new

    async def plain(self, name: str, length: int = 14 * MIB) -> Client:
        """Start a PUT, and wait until a part is stored."""
        client = await self.client("PUT", f"/raw/{name}", length)
        await client.send(11 * MIB)
        await self.store.wait_for(lambda s: any(left.key == name and left.parts for left in s.open_uploads))
        return client

    async def resumable(self) -> Client:
        """Create an upload, start its PATCH, and wait until a part is stored."""
        create = await self.client("POST", "/resumable/", 0, Upload_Length=str(14 * MIB), Tus_Resumable="1.0.0")
        _, head = await create.response()
        create.abort()
        location = re.search(r"(?im)^location: \S*?(/resumable/\S+)", head)
        assert location, head
        kind = "application/offset+octet-stream"
        client = await self.client(
            "PATCH", location[1], 14 * MIB, Upload_Offset="0", Content_Type=kind, Tus_Resumable="1.0.0"
        )
        await client.send(11 * MIB)
        await self.store.wait_for(
            lambda s: any(left.key.startswith("resumable/") and left.parts for left in s.open_uploads)
        )
        return client

    def open_keys(self) -> list[str]:
        """Return the first segment of the key of each open upload."""
        return sorted(left.key.split("/")[0] for left in self.store.open_uploads)


@asynccontextmanager
async def serving(server: str, application: str, log: Path, **environment: str) -> AsyncIterator[Served]:
    """Run one application of `tests.web.served` in a server of its own process."""
    port = free_port()
    words = [str(word).format(app=f"tests.web.served:{application}", port=port) for word in COMMANDS[server]]
    async with S3Server(buckets=["videos"]) as store:
        known = environment_of(store.endpoint_url, "us-east-1", store.credentials)
        known |= {"GRACE": str(GRACE), "MAX_SIZE": str(MAX_SIZE), "SECRET": "x" * 20, **environment}
        with log.open("wb") as output:
            async with child(known, *words, stderr=output, stdout=output) as process:
                await _listening(port)
                served = Served(process, port, store, log)
                served.new_lines()
                try:
                    yield served
                finally:
                    for client in served.clients:
                        client.abort()


async def _listening(port: int) -> None:
    async with asyncio.timeout(LATEST):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.transport.abort()
                return
            await asyncio.sleep(0.1)


@dataclass
class Findings:
    """What one server did with one application."""

    log: dict[str, list[str]] = field(default_factory=dict)
    """Lines of the log, by what had happened."""
    statuses: dict[str, Any] = field(default_factory=dict)
    open_after: dict[str, list[str]] = field(default_factory=dict)
    seconds: float | None = None
    """From SIGTERM to the end of the server; ``None`` if it did not end."""

    def tracebacks(self) -> int:
        return sum(line.count("Traceback") for lines in self.log.values() for line in lines)


async def vanish(served: Served, found: Findings) -> None:
    """Let the client of a plain and of a resumable upload vanish in the middle of the body."""
    plain = await served.plain("vanished")
    plain.abort()
    await served.store.wait_for(lambda s: not any(left.key == "vanished" for left in s.open_uploads))
    await asyncio.sleep(PAUSE)
    found.log["plain client vanished"] = served.new_lines()
    resumable = await served.resumable()
    resumable.abort()
    await asyncio.sleep(PAUSE)
    found.log["resumable client vanished"] = served.new_lines()
    found.open_after["vanished"] = served.open_keys()


async def too_large(served: Served, found: Findings) -> None:
    """Upload on after the 413: once without a look at the response, once with one."""
    for name in ("blind", "reading"):
        client = await served.client("PUT", "/raw/large", 3 * MAX_SIZE)
        reading = asyncio.create_task(client.response()) if name == "reading" else None
        is_taken = await client.send(3 * MAX_SIZE)
        status, _ = await (reading or client.response())
        found.statuses[f"413 {name}"] = (status, "all read" if is_taken else "reset", await client.is_closed())
        client.abort()
    await asyncio.sleep(PAUSE)
    found.log["uploads on after 413"] = served.new_lines()


async def terminate(served: Served, found: Findings) -> None:
    """Send SIGTERM while an upload that ends soon, a long one and a resumable one run."""
    short, long, resumable = await served.plain("short"), await served.plain("long"), await served.resumable()
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(GRACE / 2)
    await short.send(3 * MIB)
    found.statuses["short"] = (await short.response())[0]
    found.statuses["long"] = (await long.response())[0]
    found.statuses["resumable"] = (await resumable.response())[0]
    with suppress(TimeoutError):
        async with asyncio.timeout(LATEST):
            await served.process.wait()
        found.seconds = time.monotonic() - began
    found.log["SIGTERM"] = served.new_lines()
    found.open_after["SIGTERM"] = served.open_keys()


STEPS = {"vanish": vanish, "413": too_large, "SIGTERM": terminate}


async def measure(server: str, application: str, log: Path, steps: Iterable[str] = STEPS) -> Findings:
    """Let one server run one application through the steps."""
    found = Findings()
    async with serving(server, application, log) as served:
        for step in steps:
            await STEPS[step](served, found)
    return found


def version_of(server: str) -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in DISTRIBUTIONS.get(server, (server,)))


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.web.servers")
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=", ".join(COMMANDS))
    parser.add_argument("--application", action="append", choices=["app", "behind", "bare"])
    parser.add_argument("--step", action="append", choices=STEPS)
    parser.add_argument("--log", action="store_true", help="print what the servers log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for server in options.servers or COMMANDS:
            for application in options.application or ["app", "behind", "bare"]:
                found = await measure(server, application, Path(directory) / "log", options.step or STEPS)
                print(f"## {version_of(server)}, {application}: SIGTERM to end {found.seconds}")
                print("  statuses", found.statuses, "open", found.open_after, "tracebacks", found.tracebacks())
                for what, lines in found.log.items():
                    print(f"  {what}: {len(lines)} lines", flush=True)
                    print(*(f"    | {line}" for line in lines if options.log), sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
