"""The clients that are measured, one small file each, used as a careful engineer would use them.

Each module has ``client(job)``, an async context manager that gives a `Client`
which is ready: what is paid once per process is paid before it is given.
Signing and checksums are each library's default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.job import Job
from benchmarks.source import Source

__all__ = ["Client", "Figures", "Put", "SendFile", "Stream", "in_parts", "in_threads"]

Figures: TypeAlias = "dict[str, float] | None"
Stream: TypeAlias = Callable[[Source, str], Awaitable[Any]]
"""Sends a source to its end, under a key."""
SendFile: TypeAlias = Callable[[Path, str], Awaitable[Any]]
Put: TypeAlias = Callable[[bytes, str], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Client:
    """What a client can do; ``None`` is what it cannot, or not in a way of its own."""

    stream: Stream | None = None
    file: SendFile | None = None
    put: Put | None = None
    figures: Callable[[], Figures] = lambda: None
    """What a client knows better than its process: CPU seconds and memory of a program that it has run."""


def in_threads(
    job: Job,
    stream: Callable[[Source, str], Any] | None,
    file: Callable[[Path, str], Any] | None = None,
    put: Callable[[bytes, str], Any] | None = None,
) -> Client:
    """Make a client of blocking functions: each call has a thread of its own, as an asyncio program would give it."""
    pool = ThreadPoolExecutor(max_workers=job.most_at_once, thread_name_prefix="client")

    def threaded(function: Callable[..., Any] | None) -> Callable[..., Awaitable[Any]] | None:
        if function is None:
            return None

        async def call(data: Any, key: str) -> Any:
            return await asyncio.get_running_loop().run_in_executor(pool, function, data, key)

        return call

    return Client(stream=threaded(stream), file=threaded(file), put=threaded(put))


async def in_parts(source: Source, part_size: int) -> Any:
    """Yield a source's chunks joined to parts: the loop that users of a plain S3 client write."""
    held: list[bytes] = []
    size = 0
    async for chunk in source:
        held.append(chunk)
        size += len(chunk)
        if size >= part_size:
            body = b"".join(held)
            # Cleared first, else the chunks live on beside their part while it waits for a slot.
            held.clear()
            size = 0
            yield body
    if held:
        yield b"".join(held)
