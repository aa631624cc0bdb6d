"""As many parts at once as are worth it, over all uploads of a driver that leave it to us."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aios3._protocol.policies.adaptive_concurrency import AdaptiveConcurrency
from aios3.errors import ThrottledError

__all__ = ["ConcurrencyLimiter", "Permit"]

_MOST: Final = 128
"""Parts in flight of all uploads together: as many requests with bodies as the transport has at once."""

_LAG: Final = 0.05
"""Seconds after which a task that may go on has not: with more parts at once everything in that loop would wait."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Lets one part through."""

    epoch: int
    """Of the search, when the part began."""
    began_at: float
    """By the gate's clock."""


class ConcurrencyLimiter:
    """First come, first served: every upload has one part at most that waits, so that all get their share."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Open it; `monotonic` gives seconds."""
        self._monotonic = monotonic
        self.search = AdaptiveConcurrency(_MOST)
        self.in_flight = 0
        self._waiters: deque[asyncio.Future[float]] = deque()

    async def enter(self) -> Permit:
        """Wait for a pass, to be given back by `leave`. A cancellation leaves nothing held."""
        if self.in_flight < self.search.level and not self._waiters:
            self.in_flight += 1
        else:
            self.search.wanted()
            await self._wait()
        return Permit(self.search.epoch, self._monotonic())

    async def _wait(self) -> None:
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            served_at = await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it was served in the same turn
                self.in_flight -= 1
            self._serve()
            raise
        if self._monotonic() - served_at > _LAG:
            self.search.on_failure(self.search.epoch)

    def leave(self, held: Permit, stored: int | None, failures: Sequence[BaseException] = ()) -> None:
        """Give a pass back.

        Args:
            held: the pass.
            stored: bytes that the store has acknowledged, or ``None`` if the part was not stored.
            failures: those of attempts to store it.
        """
        self.in_flight -= 1
        if any(not isinstance(failure, ThrottledError) for failure in failures):
            self.search.on_failure(held.epoch)
        elif failures:
            self.search.throttled(held.epoch)
        elif stored is not None:
            self.search.stored(held.epoch, stored, self._monotonic() - held.began_at)
        self._serve()

    def _serve(self) -> None:
        while self._waiters and self.in_flight < self.search.level:
            waiter = self._waiters.popleft()
            if not waiter.cancelled():
                self.in_flight += 1
                waiter.set_result(self._monotonic())
