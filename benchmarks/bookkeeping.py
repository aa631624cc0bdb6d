"""What it costs aios3 to keep count of the parts of one upload, apart from reading, hashing and sending them."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aios3._protocol.parts.part_plan import PartPlan
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._protocol.wire.xml_bodies import write_complete
from benchmarks.job import MIB
from benchmarks.layouts import CONCURRENCY, sizes_of

__all__ = ["Bookkeeping", "keep_books"]

_PLAN: Final = PartPlan(5 * MIB, 128 * MIB, 10_000)
"""That of a stream of unknown length, by default."""
_TIMED_SECONDS: Final = 0.3
"""Work is timed again and again for so long."""


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """CPU time and memory for all parts together."""

    parts: int
    cut_seconds: float
    """To say how long each part is."""
    record_seconds: float
    """To note each part's answer."""
    commit_seconds: float
    """To check that all are there, and to write the body of CompleteMultipartUpload."""
    body_bytes: int
    kept_bytes: int
    """Of the record."""


def keep_books(count: int, *, timed_seconds: float = _TIMED_SECONDS) -> Bookkeeping:
    """Cut, record and commit so many parts; their answers come in groups of eight, each from its end."""
    size = sum(_PLAN.size_of(number) for number in range(1, count + 1))
    sizes = sizes_of(_PLAN, size)
    tracker, kept = _weighed(lambda: _recorded(sizes))

    def commit() -> bytes:
        return write_complete(tracker.finish(count=count, size=size), None)

    return Bookkeeping(
        parts=count,
        cut_seconds=_seconds(lambda: sizes_of(_PLAN, size), timed_seconds),
        record_seconds=_seconds(lambda: _recorded(sizes), timed_seconds),
        commit_seconds=_seconds(commit, timed_seconds),
        body_bytes=len(commit()),
        kept_bytes=kept,
    )


def _recorded(sizes: list[int]) -> PartTracker:
    tracker = PartTracker()
    for start in range(0, len(sizes), CONCURRENCY):
        group = list(enumerate(sizes[start : start + CONCURRENCY], start + 1))
        for number, size in reversed(group):
            tracker.record(number, size=size, etag=f'"{number:032x}"')
    return tracker


def _weighed(work: Callable[[], PartTracker]) -> tuple[PartTracker, int]:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = work()
        after, _ = tracemalloc.get_traced_memory()
        return made, after - before
    finally:
        tracemalloc.stop()


def _seconds(work: Callable[[], object], timed_seconds: float) -> float:
    """Return the CPU time of doing it once: the least of many, for what disturbs it only adds."""
    least, end = float("inf"), time.process_time() + timed_seconds
    while least == float("inf") or time.process_time() < end:
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return least
