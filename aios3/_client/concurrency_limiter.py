"""Limit of parts in flight for all uploads of a driver that use ``"auto"``."""

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
"""Most parts in flight of all uploads together: the transport's limit of requests with bodies."""

_LAG: Final = 0.05
"""Seconds by which a served task may resume late. Beyond that the loop lags, and more parts would delay all tasks."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Right to send one part."""

    epoch: int
    """Epoch of the search when the part began."""
    began_at: float
    """Time when the part began, in seconds of the limiter's clock."""


class ConcurrencyLimiter:
    """Gives permits in the order of requests. Every upload has at most one waiting part, so all get their share."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin without parts in flight; `monotonic` gives seconds."""
        self._monotonic = monotonic
        self.search = AdaptiveConcurrency(_MOST)
        self.in_flight = 0
        self._waiters: deque[asyncio.Future[float]] = deque()

    async def enter(self) -> Permit:
        """Wait for a permit, which `leave` takes back. A cancellation leaves nothing held."""
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
            if not waiter.cancelled():  # the permit came in the same turn of the loop
                self.in_flight -= 1
            self._serve()
            raise
        if self._monotonic() - served_at > _LAG:
            self.search.on_failure(self.search.epoch)

    def leave(self, held: Permit, stored: int | None, failures: Sequence[BaseException] = ()) -> None:
        """Take a permit back.

        Args:
            held: the permit.
            stored: bytes that the store has acknowledged, or ``None`` if the part was not stored.
            failures: errors of the attempts to store the part.
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
