"""Ends an attempt that stands still, however slowly a moving one goes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal

from aios3.errors import TransportTimeoutError

__all__ = ["ANSWER_PATIENCE", "Phase", "Watchdog"]

_CHECKS_PER_LIMIT: Final = 8
"""How often it looks in the shortest time that a phase may stand still: a stall lasts at most an eighth longer."""

ANSWER_PATIENCE: Final = 10
"""Of its limit, how many times a whole answer may take that is read into memory: a store that drips must end, too."""

Phase = Literal["connecting", "sending the body", "waiting for the answer"]


class Watchdog:
    """An async context manager around one attempt.

    It allows every phase its own time of standing still. What counts as moving
    while the body is sent is told by `sending`'s function, so that a slow
    connection that takes a byte now and then lives on. One timer looks now and
    then what has become of the phase: entering one, or noting progress, costs none.

    Raises:
        TransportTimeoutError: on leaving, when a phase stood still for its time.
    """

    def __init__(self, subject: str, *, connect: float, send: float, answer: float) -> None:
        """Take what is attempted, for the message, and the seconds that each phase may stand still."""
        self._subject = subject
        self._limits: dict[Phase, float] = {
            "connecting": connect,
            "sending the body": send,
            "waiting for the answer": answer,
        }
        self._pause = min(connect, send, answer) / _CHECKS_PER_LIMIT
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._phase: Phase = "connecting"
        self._entered_at = self._moved_at = 0.0
        self._position: Callable[[], int] | None = None
        self._last_position: int | None = None
        self._timer: asyncio.TimerHandle | None = None

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
        longest = ANSWER_PATIENCE * self._limits[self._phase]
        if self._moved_at > self._entered_at + longest:
            raise TransportTimeoutError(f"{self._subject}: the answer had no end after {longest:g} s")

    def _arm(self) -> None:
        # A position tells that something moved, but not when, so it is asked often enough to know that well.
        end = min(self._moved_at + self._limits[self._phase], self._loop.time() + self._pause)
        if end < math.inf:
            self._timer = self._loop.call_at(end, self._check)

    def _check(self) -> None:
        if self._position is not None and (position := self._position()) != self._last_position:
            self._last_position = position
            self.moved()
        if self._loop.time() < self._moved_at + self._limits[self._phase]:
            self._arm()
        else:
            self._timer = None
            self._timeout.reschedule(self._loop.time())

    async def __aenter__(self) -> Watchdog:
        await self._timeout.__aenter__()
        self.enter("connecting")
        self._arm()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._timeout.__aexit__(exc_type, exc, traceback)
        except TimeoutError as stopped:
            limit = self._limits[self._phase]
            raise TransportTimeoutError(
                f"{self._subject}: nothing moved for {limit:g} s while {self._phase}"
            ) from stopped
