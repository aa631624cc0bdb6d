"""Timer that ends an attempt without progress, however slow an attempt with progress is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal

from aios3.errors import TransportTimeoutError

__all__ = ["RESPONSE_PATIENCE", "Phase", "StallMonitor", "StallTimer"]

_CHECKS_PER_LIMIT: Final = 8
"""Checks in the shortest stall limit of a phase. A stall lasts at most an eighth longer than its limit."""

RESPONSE_PATIENCE: Final = 10
"""Time for a whole response that is read into memory, in stall limits. It ends a response that drips without end."""

Phase = Literal["connecting", "sending the body", "waiting for the response"]


class StallMonitor:
    """Checks every attempt from time to time. All share one timer, since most attempts end before it fires."""

    def __init__(self) -> None:
        """Begin without attempts, so without a timer. An event loop must be running."""
        self.loop = asyncio.get_running_loop()
        self._watched: set[StallTimer] = set()
        self._pause = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, timer: StallTimer, shortest: float) -> None:
        """Watch `timer`, whose phases have stall limits of at least `shortest` seconds."""
        self._watched.add(timer)
        self._pause = min(self._pause, shortest / _CHECKS_PER_LIMIT)
        if self._timer is None:
            self._arm(math.inf)

    def end(self, timer: StallTimer) -> None:
        """Stop watching `timer`. Does nothing if it is not watched."""
        self._watched.discard(timer)

    def _arm(self, end: float) -> None:
        # A position shows that bytes have moved, but not when, so it is read often.
        if (next_look := min(end, self.loop.time() + self._pause)) < math.inf:
            self._timer = self.loop.call_at(next_look, self._look)

    def _look(self) -> None:
        self._timer = None
        for timer in [timer for timer in self._watched if timer.is_due()]:
            self._watched.discard(timer)
            timer.expire()
        if self._watched:
            self._arm(min(timer.end for timer in self._watched))

    def close(self) -> None:
        """Cancel the timer, unless an attempt is still in flight; then the timer ends with the last attempt."""
        if self._timer is not None and not self._watched:
            self._timer.cancel()
            self._timer = None


class StallTimer:
    """Context manager around one attempt, in the task of the attempt.

    Every phase has its own limit without progress. While the body is sent, the
    function given to `enter` measures progress, so a slow connection that takes a
    byte now and then stays alive. Entering a phase, or recording progress, sets no
    timer: the monitor checks.

    Raises:
        TransportTimeoutError: at the end of the block, if a phase had no progress for its limit.
    """

    first_words = "connecting"
    """Words for the first phase. Without a body that phase is also the wait for the response."""

    def __init__(self, subject: str, monitor: StallMonitor, *, connect: float, send: float, response: float) -> None:
        """Take the name of the attempt for messages, its monitor, and the stall limit of each phase in seconds."""
        self._subject = subject
        self._limits = {"connecting": connect, "sending the body": send, "waiting for the response": response}
        self._shortest = min(connect, send, response)
        self._monitor = monitor
        self._loop = monitor.loop
        self._task: asyncio.Task[object] | None = None
        self._cancellations = 0
        """Cancellation requests of the task before the attempt began."""
        self._has_expired = False
        self._phase: Phase = "connecting"
        self._entered_at = self._moved_at = 0.0
        self._position: Callable[[], int] | None = None
        self._last_position: int | None = None

    def enter(self, phase: Phase, position: Callable[[], int] | None = None) -> None:
        """Begin a phase; `position` returns the bytes moved so far, and ``None`` means that they are not counted."""
        self._phase = phase
        self._position = position
        self._last_position = None  # most phases end before the first check, and reading it is not cheap
        self._entered_at = self._moved_at = self._loop.time()

    def moved(self) -> None:
        """Record progress at this moment."""
        self._moved_at = self._loop.time()

    def received(self) -> None:
        """Record a piece of the response.

        Raises:
            TransportTimeoutError: the whole response takes longer than ten times its stall limit.
        """
        self.moved()
        longest = RESPONSE_PATIENCE * self._limits[self._phase]
        if self._moved_at > self._entered_at + longest:
            raise TransportTimeoutError(f"{self._subject}: the response did not end within {longest:g} s")

    @property
    def is_connecting(self) -> bool:
        """Whether no connection is known. A request without a body does not show when it is connected."""
        return self._phase == "connecting"

    @property
    def end(self) -> float:
        """Time at which the phase reaches its limit without progress, in seconds of the loop's clock."""
        return self._moved_at + self._limits[self._phase]

    def is_due(self) -> bool:
        """Check for progress, and return whether the phase has reached its limit without any."""
        if self._position is not None and (position := self._position()) != self._last_position:
            self._last_position = position
            self.moved()
        return self._loop.time() >= self.end

    def expire(self) -> None:
        """Cancel the task of the attempt; the end of the block turns the cancellation into the error."""
        assert self._task is not None
        self._has_expired = True
        self._task.cancel()

    def __enter__(self) -> StallTimer:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancellations = self._task.cancelling()
        self.enter("connecting")
        self._monitor.begin(self, self._shortest)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._monitor.end(self)
        if self._has_expired and self._was_only_expired() and isinstance(exc, asyncio.CancelledError):
            limit, words = self._limits[self._phase], self.first_words if self.is_connecting else self._phase
            raise TransportTimeoutError(f"{self._subject}: nothing moved for {limit:g} s while {words}") from exc

    def _was_only_expired(self) -> bool:
        """Take our cancellation back, and return whether it was the only one. Any other must still be raised."""
        assert self._task is not None
        return self._task.uncancel() <= self._cancellations
