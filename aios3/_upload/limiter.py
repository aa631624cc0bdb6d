"""How much may be sent at once while the store asks for less.

Additive increase, multiplicative decrease, as TCP does it: when the store
throttles, the requests with bodies that may be on their way are halved, over
all uploads of the driver, and one more is allowed for every round of
successes. Once as many have succeeded together as were on their way when it
all began, there is no limit any more.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aios3.errors import StorageError, ThrottledError

__all__ = ["ConcurrencyLimiter", "Slot"]


class Slot:
    """One request on its way."""

    def __init__(self, began: int) -> None:
        self.began = began
        """Number of cuts there had been when it began."""


class ConcurrencyLimiter:
    """Shared by all uploads of a driver; without throttling it never makes anybody wait."""

    def __init__(self) -> None:
        self.limit = math.inf
        """Requests with bodies that may be on their way; at least 1."""
        self.in_flight = 0
        self._cuts = 0
        self._before = 0
        """Requests that were on their way when the store first throttled."""
        self._waiters: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[Slot]:
        """Hold a slot around one attempt; first come, first served. A cancellation leaves nothing held."""
        await self._acquire()
        try:
            yield Slot(self._cuts)
        finally:
            self.in_flight -= 1
            self._serve()

    async def _acquire(self) -> None:
        if self.in_flight + 1 <= self.limit and not self._waiters:
            self.in_flight += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it was served in the same turn
                self.in_flight -= 1
            self._serve()
            raise

    def _serve(self) -> None:
        while self._waiters and self.in_flight + 1 <= self.limit:
            waiter = self._waiters.popleft()
            if not waiter.cancelled():
                self.in_flight += 1
                waiter.set_result(None)

    def note(self, slot: Slot, failure: StorageError | None) -> None:
        """Note what came of the request that holds `slot`."""
        if failure is None:
            self.succeeded()
        elif isinstance(failure, ThrottledError):
            self.throttled(slot)

    def throttled(self, slot: Slot) -> None:
        """Note that the store asked for less; of requests that were on their way together, only the first counts."""
        if slot.began != self._cuts:
            return
        if self.limit == math.inf:
            self._before = self.in_flight
        self._cuts += 1
        self.limit = max(1.0, min(self.limit, self.in_flight) / 2)

    def succeeded(self) -> None:
        """Note that a request with a body was answered well."""
        if self.limit == math.inf:
            return
        self.limit += 1 / self.limit
        if self.limit > self._before:
            self.limit = math.inf
        self._serve()
