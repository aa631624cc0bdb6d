"""What every client program shares: its arguments, the source it streams, and how the stream is measured."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["BUCKET", "CONCURRENCY", "PART_SIZE", "REGION", "Job", "Stream", "chunks", "run"]

BUCKET: Final = "bench"
REGION: Final = "us-east-1"
PART_SIZE: Final = 5 * 1024 * 1024
CONCURRENCY: Final = 8
_BEAT: Final = 0.001


@dataclass(frozen=True, slots=True)
class Job:
    """What the runner asked for."""

    endpoint: str
    size: int
    """Bytes."""
    chunk_size: int
    """Bytes of each chunk of the source but the last."""
    key: str
    certificate: str | None
    """The file with the authority that signed the sink's certificate; ``None`` over http."""
    heartbeat: bool
    variant: str | None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return a context that verifies the sink, or ``None`` over http."""
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None


Stream: TypeAlias = Callable[[AsyncIterator[bytes]], Awaitable[object]]
"""Sends a source to its end."""


def run(client: Callable[[Job], AbstractAsyncContextManager[Stream]]) -> None:
    """Stream one object with a client and print what it took as one line of JSON.

    ``client`` is entered before the measurement begins and left after it has
    ended: imports, service models and certificates are paid once per process,
    not once per upload. Opening connections is part of the measurement.
    """
    print(json.dumps(asyncio.run(_measure(client, _arguments()))), flush=True)


async def chunks(size: int, chunk_size: int, *, lets_others_run: bool = False) -> AsyncIterator[bytes]:
    """Yield ``size`` bytes, a new bytes object for every chunk, as a socket would hand them out.

    With ``lets_others_run`` the loop turns once before every chunk, so that a
    stall is the client's and not that of a source which is always ready.
    """
    template = memoryview(os.urandom(chunk_size))
    for start in range(0, size, chunk_size):
        if lets_others_run:
            await asyncio.sleep(0)
        # Not a slice of bytes: that would be the same object again and again.
        yield bytes(template[: size - start])


async def _measure(client: Callable[[Job], AbstractAsyncContextManager[Stream]], job: Job) -> dict[str, float]:
    gaps: list[float] = []
    async with client(job) as stream:
        heart = asyncio.create_task(_beat(gaps)) if job.heartbeat else None
        source = chunks(job.size, job.chunk_size, lets_others_run=job.heartbeat)
        gc.collect()
        _reset_peak()
        idle, cpu, began = _status("VmRSS"), _cpu_seconds(), time.perf_counter()
        await stream(source)
        wall, cpu, peak = time.perf_counter() - began, _cpu_seconds() - cpu, _status("VmHWM")
        if heart is not None:
            heart.cancel()
    figures = {"wall_seconds": wall, "cpu_seconds": cpu, "bytes": job.size, "idle_bytes": idle, "peak_bytes": peak}
    return figures | _stalls(gaps)


async def _beat(gaps: list[float]) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(_BEAT)
        now = time.perf_counter()
        gaps.append(max(0.0, now - last - _BEAT))
        last = now


def _stalls(gaps: list[float]) -> dict[str, float]:
    if not gaps:
        return {}
    ordered = sorted(gaps)
    return {
        "stall_max_seconds": ordered[-1],
        "stall_p999_seconds": ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))],
    }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _reset_peak() -> None:
    # ru_maxrss cannot be used: it never goes down, so it would report the imports, and across exec it keeps the
    # peak of the program that forked us.
    with open("/proc/self/clear_refs", "w") as control:
        control.write("5")


def _status(field: str) -> int:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise LookupError(field)


def _arguments() -> Job:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("size", type=int)
    parser.add_argument("chunk_size", type=int)
    parser.add_argument("--key", default="stream")
    parser.add_argument("--certificate")
    parser.add_argument("--heartbeat", action="store_true")
    parser.add_argument("--variant")
    return Job(**vars(parser.parse_args()))
