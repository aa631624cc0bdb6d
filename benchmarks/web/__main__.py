"""Cost of uploads over the web: ``python -m benchmarks.web``.

One resumable upload is measured beside a plain one through the same server, in turns. Then hundreds of clients trickle
and burst at once, and the memory of the server is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.job import GIB, KIB, MIB
from benchmarks.machine import facts

from .client import RefusedError, create, request
from .processes import ServerProcess, serving

_CHUNK: Final = bytes(256 * KIB)
_TUS: Final = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True, slots=True)
class _Speed:
    """One upload."""

    seconds: float
    cpu_seconds: float
    """CPU time of the server."""


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument("--only", choices=["speed", "memory"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size-mib", type=int, default=1024, help="bytes of one upload of the speed")
    parser.add_argument("--clients", type=int, default=200, help="clients at once of the memory")
    parser.add_argument("--memory-mib", type=int, default=256, help="memory_limit of the driver")
    options = parser.parse_args()
    print("\n".join(facts()), flush=True)
    if options.only != "memory":
        with serving(options.memory_mib) as server:
            print("\n".join(asyncio.run(_speed(server, options.size_mib * MIB, options.rounds))), flush=True)
    if options.only != "speed":
        with serving(options.memory_mib) as server:
            print("\n".join(asyncio.run(_memory(server, options.clients, options.memory_mib))), flush=True)


async def _speed(server: ServerProcess, size: int, rounds: int) -> list[str]:
    found: dict[str, list[_Speed]] = {"plain": [], "resumable": []}
    await _upload(server, "resumable", 16 * MIB)  # connections, imports, segments
    await _upload(server, "plain", 16 * MIB)
    for turn in range(rounds):
        for way in sorted(found, reverse=bool(turn % 2)):
            found[way].append(await _upload(server, way, size))
    table = ["", "| one upload | MiB/s | CPU s/GiB of the server |", "|---|---:|---:|"]
    for way, speeds in found.items():
        rate, cpu = _texts(
            [size / MIB / each.seconds for each in speeds], [each.cpu_seconds * GIB / size for each in speeds]
        )
        table.append(f"| {way} | {rate} | {cpu} |")
    pairs = list(zip(found["plain"], found["resumable"], strict=True))
    rate, cpu = _texts(
        [plain.seconds / other.seconds for plain, other in pairs],
        [other.cpu_seconds / plain.cpu_seconds for plain, other in pairs],
    )
    return [*table, f"| resumable ÷ plain | {rate} | {cpu} |"]


def _texts(*columns: list[float]) -> list[str]:
    return [f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})" for values in columns]


async def _upload(server: ServerProcess, way: str, size: int) -> _Speed:
    cpu, begin = server.cpu_seconds, time.perf_counter()
    if way == "plain":
        await request(server.port, "PUT", "/plain", {}, size, _fast(size))
    else:
        path = await create(server.port, "resumable", size)
        await request(server.port, "PATCH", path, _TUS, size, _fast(size))
    return _Speed(time.perf_counter() - begin, server.cpu_seconds - cpu)


async def _fast(size: int) -> AsyncIterable[bytes]:
    for begin in range(0, size, len(_CHUNK)):
        yield _CHUNK[: size - begin]


async def _memory(server: ServerProcess, clients: int, memory_mib: int) -> list[str]:
    size, slow_bytes = 6 * MIB, 40 * KIB
    await _upload(server, "resumable", 16 * MIB)
    idle = server.resident_bytes
    server.forget_peak()
    paths = await asyncio.gather(*(create(server.port, f"slow-{number}", size) for number in range(clients)))
    burst = asyncio.Event()
    sending = [
        asyncio.create_task(request(server.port, "PATCH", path, _TUS, size, _slow(size, slow_bytes, burst)))
        for path in paths
    ]
    await asyncio.sleep(12)
    trickling = server.peak_bytes - idle
    burst.set()
    refused = sum(isinstance(each, RefusedError) for each in await asyncio.gather(*sending, return_exceptions=True))
    over = server.peak_bytes - idle
    return [
        "",
        f"| {clients} resumable uploads of {size // MIB} MiB at once, memory_limit {memory_mib} MiB | |",
        "|---|---:|",
        f"| MiB over idle while each client sends 4 KiB/s | {trickling / MIB:.0f} |",
        f"| MiB over idle after all sent the rest at once | {over / MIB:.0f} |",
        f"| requests that were refused | {refused} |",
        f"| MiB aimed at: memory_limit + 20 % | {memory_mib * 1.2:.0f} |",
    ]


async def _slow(size: int, slow_bytes: int, burst: asyncio.Event) -> AsyncIterable[bytes]:
    for _ in range(slow_bytes // (4 * KIB)):
        yield bytes(4 * KIB)
        await asyncio.sleep(1)
    await burst.wait()
    async for chunk in _fast(size - slow_bytes):
        yield chunk


if __name__ == "__main__":
    main()
