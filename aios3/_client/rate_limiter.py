"""Who may send, and when, while the store asks for less: all uploads of a driver go at one pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from aios3._concurrency.clock import Clock
from aios3._protocol.policies.adaptive_rate import AdaptiveRate
from aios3._protocol.policies.retry import Retry
from aios3.errors import StorageError, ThrottledError

from .attempt import Attempt

__all__ = ["RateLimiter"]

T = TypeVar("T")

_LONGEST_SLEEP: Final = 1.0
"""Seconds after which it is looked again how long there is to wait: the pace may have changed."""

_MOST_CHARGED: Final = 4
"""Requests between two that wait for which the store is left time: more might never let these go."""

_SOON: Final = 0.001
"""Seconds for which nobody goes to sleep."""


class RateLimiter:
    """Shared by all uploads of a driver; without throttling it never makes anybody wait.

    Between `enter` (or, where that says so, `wait`) and `leave` a request is on its way.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin without a limit."""
        self.pace = AdaptiveRate()
        self.in_flight = 0
        self._clock = clock
        self._is_open = True
        """There is no limit, and nobody waits."""
        self._waiting = 0
        self._charged = 0
        """Requests that did not wait, since the last one that did."""
        self._turn = asyncio.Lock()
        """Held by whoever goes next."""
        self._left: asyncio.Future[None] | None = None
        """What that one waits for, while too many are on their way."""
        self._in_backoff: dict[asyncio.Future[None], float] = {}
        """Those that were refused, and when."""

    def enter(self) -> float | None:
        """Begin a request and return the time, or return ``None`` if it has to `wait` first."""
        if not self._is_open:
            return None
        self.in_flight += 1
        return self._clock.monotonic()

    async def wait(self, failures: Sequence[StorageError] = ()) -> float:
        """Begin a request when it is its turn, and return the time. A cancellation leaves nothing held.

        First come, first served. The more often this very request was refused before (see its `failures`) the longer
        the gap that is left before it: so it does not run out of attempts while others come through.
        """
        refusals = sum(isinstance(failure, ThrottledError) for failure in failures)
        self._waiting += 1
        try:
            async with self._turn:
                await self._until_due(max(1, refusals))
                self.in_flight += 1
        finally:
            self._waiting -= 1
        self._is_open = not (self.pace.is_limited or self._waiting)
        return self._clock.monotonic()

    async def _until_due(self, cost: int) -> None:
        while True:
            now = self._clock.monotonic()
            seconds = self.pace.delay(now, cost)
            if self.in_flight >= self.pace.max_in_flight(now):
                self._left = asyncio.get_running_loop().create_future()
                await self._left
            elif seconds > _SOON:
                await self._clock.sleep(min(seconds, _LONGEST_SLEEP))
            else:
                self.pace.spend(now, cost)
                self._charged = 0
                return

    def charge(self) -> None:
        """Note a request that waits for nobody: the others leave the store time for it."""
        if not self._is_open and self._charged < _MOST_CHARGED:
            self._charged += 1
            self.pace.spend(self._clock.monotonic())

    def record(self, began: float, outcome: Attempt[T]) -> Attempt[T]:
        """Learn from what came of the request that began then, before it leaves; return it, marked if it is an echo."""
        if outcome.failure is None:
            if not self._is_open:
                self._came_through(began)
        elif isinstance(outcome.failure, ThrottledError):
            self._is_open = False
            is_news = self.pace.on_throttled(self._clock.monotonic(), began, self.in_flight)
            return outcome if is_news else replace(outcome, in_same_burst=True)
        return outcome

    def _came_through(self, began: float) -> None:
        self.pace.on_accepted(self._clock.monotonic(), began)
        for news, refused_at in self._in_backoff.items():
            if began >= refused_at and not news.done():
                news.set_result(None)

    def leave(self) -> None:
        """End a request."""
        self.in_flight -= 1
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    async def back_off(self, failure: StorageError, retry: Retry) -> None:
        """Wait after `failure` for as long as `retry` says.

        After a refusal no longer than until something that was sent since has come through, or, as long as attempts
        are left for that, until the pace allows a request. What the store asked for is waited in any case.
        """
        if not isinstance(failure, ThrottledError):
            await self._clock.sleep(retry.delay)
            return
        refused_at = self._clock.monotonic()
        if retry.min_delay > 0:
            await self._clock.sleep(retry.min_delay)
        seconds = retry.delay - retry.min_delay
        if retry.may_retry_early:
            seconds = min(seconds, self.pace.delay(self._clock.monotonic()))
        if seconds > 0:
            await self._sleep_until_news(seconds, refused_at)

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def _sleep_until_news(self, seconds: float, refused_at: float) -> None:
        news = asyncio.get_running_loop().create_future()
        self._in_backoff[news] = refused_at
        sleeping = asyncio.create_task(self._sleep(seconds), name="aios3: rest after a refusal")
        try:
            await asyncio.wait((sleeping, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._in_backoff[news]
            sleeping.cancel()
            await asyncio.wait({sleeping})  # so that no task outlives the call
