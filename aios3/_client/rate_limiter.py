"""Rate limiter shared by all uploads of a driver. Active only while the store throttles."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from aios3._concurrency.clock import Clock
from aios3._protocol.policies.adaptive_rate import AdaptiveRate
from aios3._protocol.policies.retry import Retry
from aios3.errors import StorageError, ThrottledError

from .attempts import Attempt

__all__ = ["RateLimiter"]

T = TypeVar("T")

_LONGEST_SLEEP: Final = 1.0
"""Longest sleep in seconds before the delay is computed again, because the rate may have changed."""

_MOST_CHARGED: Final = 4
"""Most unlimited requests that are charged between two limited ones. More could starve the queue."""

_SHORTEST_SLEEP: Final = 0.001
"""Delays of at most this many seconds are skipped."""


class RateLimiter:
    """Queue of the requests that wait for `AdaptiveRate`, which says how many may be sent and when.

    A limited request is in flight between `enter_nowait` or `enter`, and `leave`. Before it leaves, its outcome goes to
    `record`. Unlimited requests never wait; `charge` makes the limited ones leave time for them.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin without a limit."""
        self.rate = AdaptiveRate()
        self.in_flight = 0
        """Limited requests in flight."""
        self._clock = clock
        self._is_open = True
        """No limit is known, and no request waits."""
        self._waiting = 0
        """Requests that wait in `enter`."""
        self._charged = 0
        """Unlimited requests charged since the last limited one."""
        self._queue = asyncio.Lock()
        """First in, first out. The request at the head holds it."""
        self._departure: asyncio.Future[None] | None = None
        """Set by `leave`, for the request at the head of the queue while too many are in flight."""
        self._in_backoff: dict[asyncio.Future[None], float] = {}
        """Requests in backoff, by the time of their throttling response. A result ends the backoff early."""

    def enter_nowait(self) -> float | None:
        """Begin a request and return the time, or return ``None`` if the request must wait in `enter`."""
        if not self._is_open:
            return None
        self.in_flight += 1
        return self._clock.monotonic()

    async def enter(self, failures: Sequence[StorageError] = ()) -> float:
        """Wait until the limits allow a request, begin it, and return the time.

        Requests are served in the order of their calls. A cancellation leaves nothing held.

        Args:
            failures: those of earlier attempts of this request. The delay before the request is multiplied by the
                number of its throttling responses, so that its attempts do not run out while others succeed.
        """
        throttled = sum(isinstance(failure, ThrottledError) for failure in failures)
        self._waiting += 1
        try:
            async with self._queue:
                await self._wait_for_limits(max(1, throttled))
                self.in_flight += 1
        finally:
            self._waiting -= 1
        self._is_open = not (self.rate.is_limited or self._waiting)
        return self._clock.monotonic()

    async def _wait_for_limits(self, cost: int) -> None:
        while True:
            now = self._clock.monotonic()
            seconds = self.rate.delay(now, cost)
            if self.in_flight >= self.rate.max_in_flight(now):
                self._departure = asyncio.get_running_loop().create_future()
                await self._departure
            elif seconds > _SHORTEST_SLEEP:
                await self._clock.sleep(min(seconds, _LONGEST_SLEEP))
            else:
                self.rate.spend(now, cost)
                self._charged = 0
                return

    def charge(self) -> None:
        """Record an unlimited request, so that the limited ones leave the store time for it."""
        if not self._is_open and self._charged < _MOST_CHARGED:
            self._charged += 1
            self.rate.spend(self._clock.monotonic())

    def record(self, began_at: float, outcome: Attempt[T]) -> Attempt[T]:
        """Adapt the limits to the outcome of a request. Call this before `leave`.

        Args:
            began_at: what `enter_nowait` or `enter` returned for the request.
            outcome: the response or the failure.

        Returns:
            The outcome, marked `in_same_burst` if an earlier throttling response of the same burst was the signal.
        """
        if outcome.failure is None:
            if not self._is_open:
                self._record_success(began_at)
        elif isinstance(outcome.failure, ThrottledError):
            self._is_open = False
            is_cut = self.rate.on_throttled(self._clock.monotonic(), began_at, self.in_flight)
            return outcome if is_cut else replace(outcome, in_same_burst=True)
        return outcome

    def _record_success(self, began_at: float) -> None:
        self.rate.on_accepted(self._clock.monotonic(), began_at)
        for success, throttled_at in self._in_backoff.items():
            if began_at >= throttled_at and not success.done():
                success.set_result(None)

    def leave(self) -> None:
        """End a request."""
        self.in_flight -= 1
        if self._departure is not None and not self._departure.done():
            self._departure.set_result(None)

    async def back_off(self, failure: StorageError, retry: Retry) -> None:
        """Wait after `failure` for the delay of `retry`.

        The minimum delay is always waited, because the store asked for it. After throttling, the rest of the delay ends
        early when a request succeeds that began later. If `retry` allows an early retry, the rest is also at most the
        delay of the rate. A cancellation leaves no task.
        """
        if not isinstance(failure, ThrottledError):
            await self._clock.sleep(retry.delay)
            return
        throttled_at = self._clock.monotonic()
        if retry.min_delay > 0:
            await self._clock.sleep(retry.min_delay)
        seconds = retry.delay - retry.min_delay
        if retry.may_retry_early:
            seconds = min(seconds, self.rate.delay(self._clock.monotonic()))
        if seconds > 0:
            await self._sleep_until_success(seconds, throttled_at)

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def _sleep_until_success(self, seconds: float, throttled_at: float) -> None:
        success = asyncio.get_running_loop().create_future()
        self._in_backoff[success] = throttled_at
        sleeping = asyncio.create_task(self._sleep(seconds), name="aios3: backoff after throttling")
        try:
            await asyncio.wait((sleeping, success), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._in_backoff[success]
            sleeping.cancel()
            await asyncio.wait({sleeping})  # so that no task outlives the call
