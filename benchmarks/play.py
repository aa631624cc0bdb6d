"""Plays one job on a client that is ready, and times it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.clients import Client
from benchmarks.heartbeat import watched_loop
from benchmarks.job import Job
from benchmarks.source import Source

__all__ = ["UnsupportedError", "play"]


class UnsupportedError(Exception):
    """The client cannot do what the job asks for."""


async def play(client: Client, job: Job) -> dict[str, float]:
    """Do all uploads of a job, at most ``at_once`` of them at a time; return what it took by the clock.

    Raises:
        UnsupportedError: the client has no way of its own for this kind.
    """
    if getattr(client, job.kind) is None:
        raise UnsupportedError(f"{job.client} has no {job.kind} of its own")
    tails: list[float] = []
    fast: list[float] = []
    numbers = iter(range(job.uploads))
    async with watched_loop(job.heartbeat) as stalls:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(min(job.at_once, job.uploads)):
                group.create_task(_work(client, job, numbers, tails))
            for number in range(job.fast):
                group.create_task(_work_fast(client, job, number, fast))
        wall = time.perf_counter() - began
    ends = {"tail_seconds": median(tails), "tail_max_seconds": max(tails)} if tails else {}
    ends |= {"fast_seconds": max(fast)} if fast else {}
    return {"wall_seconds": wall} | ends | stalls.figures() | (client.figures() or {})


async def _work(client: Client, job: Job, numbers: Iterator[int], tails: list[float]) -> None:
    payload = memoryview(os.urandom(job.size)) if job.kind == "put" else memoryview(b"")
    for number in numbers:
        key = f"{job.prefix}-{number}"
        if job.kind == "put":
            assert client.put is not None
            await client.put(bytes(payload), key)
        elif job.kind == "file":
            assert client.file is not None
            await client.file(job.path, key)
        else:
            assert client.stream is not None
            source = Source(job.size, job.chunk_size, rate=job.rate, head=job.head, lets_others_run=job.heartbeat)
            await client.stream(source, key)
            assert source.ended_at is not None
            tails.append(time.perf_counter() - source.ended_at)


async def _work_fast(client: Client, job: Job, number: int, taken: list[float]) -> None:
    assert client.stream is not None
    await asyncio.sleep(job.fast_after)
    source = Source(job.fast_size, job.chunk_size, lets_others_run=job.heartbeat)
    began = time.perf_counter()
    await client.stream(source, f"{job.prefix}-fast-{number}")
    taken.append(time.perf_counter() - began)
