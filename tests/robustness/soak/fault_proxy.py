"""TCP proxy on loopback that breaks connections at random.

Run it with ``python -m tests.robustness.soak.fault_proxy HOST PORT SEED RATE``.

The proxy does not parse HTTP. It runs in a process of its own, because its memory, files and tasks must not count for
the client. It prints its port, runs until its standard input ends, and then prints the number of faults by kind.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

__all__ = ["STALL", "FaultProxy", "running_proxy"]

STALL: Final = 6.0
"""Seconds after which a stalled connection is reset. They exceed the client's timeouts."""
_PIECE: Final = 128 * 1024
_REQUEST_SCALE: Final = 0.03
"""Factor for pieces of requests, because a body comes in many pieces and a response in one or two."""


class FaultProxy:
    """Proxy that forwards bytes, and may draw a fault before each piece.

    ``reset``: both sides are reset. ``stall``: nothing is forwarded for a time, and then both are reset. ``truncate``:
    a part of the piece is forwarded, then the client's side is closed in order. ``delay``: the piece comes late.
    ``refuse``: a new connection is reset at once.
    """

    def __init__(self, host: str, port: int, seed: int, rate: float) -> None:
        self.done: Counter[str] = Counter()
        self._store = (host, port)
        self._random = Random(seed)
        self._rate = rate
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self) -> asyncio.Server:
        """Start to listen on a free port."""
        return await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=4 * _PIECE, backlog=1024)

    async def aclose(self) -> None:
        """End every connection."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _connected(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.done["connections"] += 1
        try:
            await self._connect(client_in, client_out)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            _reset(client_out)
            self._serving.discard(task)

    async def _connect(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        if self._happens("refuse", 0.5):
            return
        store_in, store_out = await asyncio.open_connection(*self._store, limit=4 * _PIECE)
        try:
            ways = [
                asyncio.create_task(self._pass(client_in, store_out, _REQUEST_SCALE)),
                asyncio.create_task(self._pass(store_in, client_out, 1.0)),
            ]
            # When one side ends, the other is reset, because bytes of a closed client must not reach the store later.
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            _reset(store_out)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, scale: float) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE):
                if self._happens("delay", 3 * scale):
                    await asyncio.sleep(self._random.uniform(0.02, 0.5))
                if self._happens("reset", scale):
                    return
                if self._happens("stall", 0.25 * scale):
                    await asyncio.sleep(STALL)
                    return
                if self._happens("truncate", 0.5 * scale):
                    target.write(piece[: self._random.randrange(len(piece))])
                    target.write_eof()
                    await asyncio.sleep(0.05)
                    return
                target.write(piece)
                await target.drain()

    def _happens(self, kind: str, share: float) -> bool:
        happens = self._random.random() < self._rate * share
        self.done[kind] += happens
        return happens


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, AttributeError):  # the socket is already closed
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class RunningProxy:
    """Handle of a proxy process."""

    def __init__(self, process: asyncio.subprocess.Process, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self.done: dict[str, int] = {}
        """Number of faults by kind, known after the end of the process."""
        self._process = process

    async def aclose(self) -> None:
        """End the proxy process, and read its counts."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        with suppress(ValueError):
            self.done = json.loads(await self._process.stdout.read())
        await self._process.wait()


@asynccontextmanager
async def running_proxy(host: str, port: int, seed: int, rate: float) -> AsyncIterator[RunningProxy]:
    """Run a proxy process during the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.robustness.soak.fault_proxy", host, str(port), str(seed), str(rate)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent process
    )
    assert process.stdout is not None
    proxy = RunningProxy(process, f"http://127.0.0.1:{int(await process.stdout.readline())}")
    try:
        yield proxy
    finally:
        await proxy.aclose()


async def _main(host: str, port: str, seed: str, rate: str) -> None:
    proxy = FaultProxy(host, int(port), int(seed), float(rate))
    server = await proxy.serve()
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    await proxy.aclose()
    print(json.dumps(proxy.done), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
