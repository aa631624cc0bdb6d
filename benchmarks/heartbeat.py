"""How long the event loop was held up: the wakings of a task that sleeps a millisecond, and how late they came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

__all__ = ["Stalls", "watched_loop"]

_BEAT: Final = 0.001


class Stalls:
    """What the heartbeat has seen."""

    def __init__(self) -> None:
        self._late: list[float] = []

    def add(self, seconds: float) -> None:
        """Note one waking, so many seconds late."""
        self._late.append(max(0.0, seconds))

    def figures(self) -> dict[str, float]:
        """Return the longest stall and the one that 99.9 % of the wakings stay below; nothing without wakings."""
        if not self._late:
            return {}
        ordered = sorted(self._late)
        return {
            "stall_max_seconds": ordered[-1],
            "stall_p999_seconds": ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))],
            "beats": len(ordered),
        }


@asynccontextmanager
async def watched_loop(wanted: bool) -> AsyncIterator[Stalls]:
    """Watch the loop during the block; without ``wanted`` nothing runs and nothing is noted."""
    stalls = Stalls()
    task = asyncio.create_task(_beat(stalls)) if wanted else None
    try:
        yield stalls
    finally:
        if task is not None:
            task.cancel()


async def _beat(stalls: Stalls) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(_BEAT)
        now = time.perf_counter()
        stalls.add(now - last - _BEAT)
        last = now
