"""Ends an attempt that stands still, however slowly a moving one goes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal

from aios3.errors import TransportTimeoutError

__all__ = ["RESPONSE_PATIENCE", "Phase", "StallMonitor", "StallTimer"]

_CHECKS_PER_LIMIT: Final = 8
"""How often it is looked in the shortest time that a phase may stand still: a stall lasts at most an eighth longer."""

RESPONSE_PATIENCE: Final = 10
"""Of its limit, how many times a whole answer may take that is read into memory: a store that drips must end, too."""

Phase = Literal["connecting", "sending the body", "waiting for the answer"]


class StallMonitor:
    """Looks now and then what has become of every attempt: one timer for all, since most are over before it strikes."""

    def __init__(self) -> None:
        """Begin with nothing to look at, so without a timer; a loop must run."""
        self._loop = asyncio.get_running_loop()
        self._watched: set[StallTimer] = set()
        self._pause = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, timer: StallTimer, shortest: float) -> None:
        """Look after `timer`, whose phases may stand still for `shortest` seconds at least."""
        self._watched.add(timer)
        self._pause = min(self._pause, shortest / _CHECKS_PER_LIMIT)
        if self._timer is None:
            self._arm(math.inf)

    def end(self, timer: StallTimer) -> None:
        """Look after it no more."""
        self._watched.discard(timer)

    def _arm(self, end: float) -> None:
        # A position tells that something moved, but not when, so it is asked often enough to know that well.
        if (next_look := min(end, self._loop.time() + self._pause)) < math.inf:
            self._timer = self._loop.call_at(next_look, self._look)

    def _look(self) -> None:
        self._timer = None
        for timer in [timer for timer in self._watched if timer.is_due()]:
            self._watched.discard(timer)
            timer.expire()
        if self._watched:
            self._arm(min(timer.end for timer in self._watched))

    def close(self) -> None:
        """Let the timer go, unless an attempt is still on its way: then it goes with the last one."""
        if self._timer is not None and not self._watched:
            self._timer.cancel()
            self._timer = None


class StallTimer:
    """A context manager around one attempt, in the task that makes it.

    It allows every phase its own time of standing still. What counts as moving
    while the body is sent is told by `sending`'s function, so that a slow
    connection that takes a byte now and then lives on. Entering a phase, or
    noting progress, costs no timer: the monitor looks.

    Raises:
        TransportTimeoutError: on leaving, when a phase stood still for its time.
    """

    def __init__(self, subject: str, monitor: StallMonitor, *, connect: float, send: float, answer: float) -> None:
        """Take what is attempted, for the message, who looks, and the seconds that each phase may stand still."""
        self._subject = subject
        self._limits = {"connecting": connect, "sending the body": send, "waiting for the answer": answer}
        self._monitor = monitor
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._cancellations = 0
        """Of the task, asked for when the attempt began."""
        self._has_expired = False
        self._phase: Phase = "connecting"
        self._entered_at = self._moved_at = 0.0
        self._position: Callable[[], int] | None = None
        self._last_position: int | None = None

    def enter(self, phase: Phase, position: Callable[[], int] | None = None) -> None:
        """Begin a phase; `position` tells how many bytes have moved so far, if it is known that way."""
        self._phase = phase
        self._position = position
        self._last_position = None  # most phases are over before it would be of use, and asking for it is not cheap
        self.moved()
        self._entered_at = self._moved_at

    def moved(self) -> None:
        """Note that something moved just now."""
        self._moved_at = self._loop.time()

    def received(self) -> None:
        """Note a piece of the answer.

        Raises:
            TransportTimeoutError: the whole answer takes longer than ten times what it may stand still.
        """
        self.moved()
        longest = RESPONSE_PATIENCE * self._limits[self._phase]
        if self._moved_at > self._entered_at + longest:
            raise TransportTimeoutError(f"{self._subject}: the answer had no end after {longest:g} s")

    @property
    def is_connecting(self) -> bool:
        """There is no connection yet; or there is one, and the request has no body, so that nothing tells."""
        return self._phase == "connecting"

    @property
    def end(self) -> float:
        """When the phase will have stood still for its time, on the loop's clock."""
        return self._moved_at + self._limits[self._phase]

    def is_due(self) -> bool:
        """Look whether something has moved, and return whether the phase has stood still for its time."""
        if self._position is not None and (position := self._position()) != self._last_position:
            self._last_position = position
            self.moved()
        return self._loop.time() >= self.end

    def expire(self) -> None:
        """End the attempt: its task is cancelled, which leaving turns into the error."""
        assert self._task is not None
        self._has_expired = True
        self._task.cancel()

    def __enter__(self) -> StallTimer:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancellations = self._task.cancelling()
        self.enter("connecting")
        self._monitor.begin(self, min(self._limits.values()))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._monitor.end(self)
        if self._has_expired and self._was_only_expired() and isinstance(exc, asyncio.CancelledError):
            limit = self._limits[self._phase]
            raise TransportTimeoutError(f"{self._subject}: nothing moved for {limit:g} s while {self._phase}") from exc

    def _was_only_expired(self) -> bool:
        """Take our cancellation back, and return whether nobody else asked for one as well, which must go on."""
        assert self._task is not None
        return self._task.uncancel() <= self._cancellations
