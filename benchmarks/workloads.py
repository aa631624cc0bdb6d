"""What is measured: the workloads, and how they shrink when a whole run has to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from benchmarks.job import GIB, KIB, MIB
from benchmarks.sinks import Shape

__all__ = ["WORKLOADS", "Workload", "scaled"]

_NEARBY: Final = Shape()
_MULTIPART: Final = 6 * MIB
"""The least that a stream is scaled down to: more than one part of the default size."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One table. The figures are those of `Job`, which see."""

    name: str
    title: str
    kind: Literal["stream", "file", "put"] = "stream"
    uploads: int = 1
    at_once: int = 1
    size: int = GIB
    chunk_size: int = 64 * KIB
    rate: float = 0.0
    head: int = 0
    fast: int = 0
    fast_size: int = 0
    fast_after: float = 0.0
    heartbeat: bool = False
    part_size: int = 5 * MIB
    concurrency: int = 8
    memory_limit: int | None = None
    protocols: tuple[str, ...] = ("http", "https")
    shape: Shape = _NEARBY
    columns: tuple[str, ...] = ("cpu", "ratio", "speed", "memory", "sink")
    reference: str = "floor"
    """The client that ratios are to."""

    @property
    def total(self) -> int:
        """Bytes of a whole run."""
        return self.size * self.uploads + self.fast_size * self.fast

    @property
    def ideal_seconds(self) -> float | None:
        """What the source or the connections make of it, whoever uploads; ``None`` if nothing holds a client up."""
        if self.shape.rate:
            return self.total / (self.shape.rate * self.concurrency) + 3 * self.shape.latency
        if self.rate:
            return (self.size - self.head) / self.rate * -(-self.uploads // self.at_once)
        return self.uploads * self.size / self.part_size / self.shape.requests if self.shape.requests else None


_TAIL: Final = ("tail", "wall", "cpu", "memory")
_SHAPED: Final = ("wall", "ideal", "cpu", "memory", "connections", "resent")

_TABLE: Final = (
    Workload("stream", "One stream of unknown length, chunks of 64 KiB"),
    Workload("stream-1m", "One stream of unknown length, chunks of 1 MiB", chunk_size=MIB),
    Workload("file", "One file, from the page cache", kind="file", size=2 * GIB),
    Workload(
        "small",
        "Small objects, each put whole",
        kind="put",
        uploads=2000,
        at_once=32,
        size=16 * KIB,
        columns=("object", "ratio", "objects", "memory", "connections"),
        reference="aiohttp",
    ),
    Workload("many", "Many uploads at once", uploads=64, at_once=64, size=64 * MIB, protocols=("https",)),
    Workload("crowd", "A crowd of uploads at once", uploads=500, at_once=500, size=8 * MIB, protocols=("https",)),
    Workload(
        "wan",
        "One stream over a long way: latency, and a limit for each connection",
        size=256 * MIB,
        protocols=("https",),
        shape=Shape(latency=0.07, rate=10e6),
        columns=_SHAPED,
        reference="aios3",
    ),
    Workload(
        "paced",
        "A paced source, the store nearby: from its last byte to done",
        size=150_000_000,
        rate=50e6,
        protocols=("https",),
        shape=Shape(latency=0.002),
        columns=_TAIL,
        reference="aios3",
    ),
    Workload(
        "slow",
        "A crowd of uploads that trickle",
        uploads=500,
        at_once=500,
        size=6 * MIB,
        rate=256 * KIB,
        heartbeat=True,
        protocols=("https",),
        columns=("wall", "ideal", "memory", "tail", "stalls"),
        reference="aios3",
    ),
    Workload(
        "mixed",
        "A fast upload beside a hundred that stall within their first part, and little memory",
        uploads=100,
        at_once=100,
        size=5 * MIB + 512 * KIB,
        rate=64 * KIB,
        head=4 * MIB + 512 * KIB,
        fast=1,
        fast_size=64 * MIB,
        fast_after=3.0,
        heartbeat=True,
        memory_limit=64 * MIB,
        protocols=("https",),
        columns=("fast", "wall", "ideal", "memory", "stalls"),
        reference="aios3-spill",
    ),
    Workload(
        "stall",
        "How long the event loop is held up by one stream at full speed",
        size=512 * MIB,
        heartbeat=True,
        columns=("stalls", "speed"),
    ),
    Workload(
        "throttled",
        "A store that answers SlowDown",
        size=512 * MIB,
        protocols=("http",),
        shape=Shape(requests=20),
        columns=("wall", "ideal", "throttled", "resent"),
        reference="aios3",
    ),
)

_GROWTH: Final = (
    *(
        Workload(f"growth-size-{mib}m", f"Growth with size: {mib} MiB", size=mib * MIB, protocols=("https",))
        for mib in (1, 16, 256, 4096)
    ),
    *(
        Workload(
            f"growth-uploads-{count}",
            f"Growth with uploads: {count} at once, 16 MiB each",
            uploads=count,
            at_once=count,
            size=16 * MIB,
            protocols=("https",),
        )
        for count in (1, 8, 64, 512)
    ),
    *(
        Workload(
            f"growth-parts-{mib}m",
            f"Growth with parts: 1 GiB in parts of {mib} MiB",
            part_size=mib * MIB,
            protocols=("https",),
        )
        for mib in (5, 20, 80)
    ),
)

WORKLOADS: Final = {workload.name: workload for workload in (*_TABLE, *_GROWTH)}


def scaled(workload: Workload, scale: float, changes: dict[str, Any]) -> Workload:
    """Return a workload with its bytes, or the number of its small objects, multiplied; then with the changes.

    A stream of several parts stays one of several parts, and the number of
    uploads at once stays what it is: these make a workload what it is.
    """
    if workload.kind == "put":
        shrunk = replace(workload, uploads=max(workload.at_once, int(workload.uploads * scale)))
    else:
        size, fast_size = (
            max(min(whole, _MULTIPART), int(whole * scale)) for whole in (workload.size, workload.fast_size)
        )
        shrunk = replace(workload, size=size, fast_size=fast_size)
    return replace(shrunk, **changes)
