"""Time line of one upload, which divides its wall time by what it waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final, Literal

from aios3.observing import Wait
from aios3.timing import UploadTiming

__all__ = ["SHORTEST_WAIT", "Activity", "RequestState", "Timeline"]

Activity = Literal["source", "memory", "slot", "commit"]
"""Activity of the task that reads the source and commits."""

RequestState = Literal["sending", "response", "backoff", "slot"]
"""State of a request; ``"slot"`` is the queue for a turn while the store throttles."""

_BY_RANK: Final[tuple[RequestState, ...]] = ("sending", "response", "backoff", "slot")
"""States of requests, the one that decides first."""

SHORTEST_WAIT: Final = 0.001
"""Seconds of the shortest wait that is reported. What passes without a wait takes less."""

_FIELDS: Final = tuple(field.name for field in dataclasses.fields(UploadTiming))


class Timeline:
    """Sums the seconds of each field of `UploadTiming`. It reads the clock only when something changes."""

    __slots__ = ("_activity", "_counted", "_monotonic", "_requests", "_seconds", "_since", "_waited")

    def __init__(
        self,
        monotonic: Callable[[], float],
        began_at: float | None = None,
        waited: Callable[[Wait, float], None] | None = None,
    ) -> None:
        """Begin at `began_at`, or now; `monotonic` gives seconds, and `waited` receives each wait of at least 1 ms."""
        self._monotonic = monotonic
        self._since = monotonic() if began_at is None else began_at
        self._waited = waited
        self._seconds = dict.fromkeys(_FIELDS, 0.0)
        self._activity: Activity | None = None
        self._requests: dict[RequestState, int] = dict.fromkeys(_BY_RANK, 0)
        self._counted = "preparing"
        """Field that counts the time since `_since`."""

    def snapshot(self) -> UploadTiming:
        """Return the division of the time until now."""
        self._turn()
        return UploadTiming(**self._seconds)

    def turn_to(self, activity: Activity | None) -> None:
        """Note what the upload's task does from now on; ``None`` if it waits for requests only."""
        if activity != self._activity:
            self._activity = activity
            self._turn()

    def during(self, activity: Activity | None) -> _During:
        """Return a context manager that turns to `activity` for its block, and then back."""
        return _During(self, activity)

    def move(self, before: RequestState | None, after: RequestState | None) -> None:
        """Note that a request changes its state; ``None`` is the state before its begin and after its end."""
        if before is not None:
            self._requests[before] -= 1
        if after is not None:
            self._requests[after] += 1
        self._turn()

    def _turn(self) -> float:
        """Count the time until now, and return now."""
        now = self._monotonic()
        self._seconds[self._counted] += now - self._since
        self._since = now
        self._counted = self._activity or self._state_of_requests()
        return now

    def _state_of_requests(self) -> str:
        for state in _BY_RANK:
            if self._requests[state]:
                return state
        return "preparing"

    def enter(self, activity: Activity | None) -> tuple[Activity | None, float]:
        """Turn to `activity`, and return the activity before and the time, for `leave`."""
        before, self._activity = self._activity, activity
        return before, self._turn()

    def leave(self, before: Activity | None, began_at: float) -> None:
        """Turn back to the activity `before`, and report the wait that began at `began_at`."""
        ended, self._activity = self._activity, before
        seconds = self._turn() - began_at
        if self._waited is not None and seconds >= SHORTEST_WAIT and ended in ("memory", "slot"):
            self._waited(ended, seconds)


class _During:
    """Block of one activity. (A generator would cost more than the clock.)"""

    __slots__ = ("_activity", "_before", "_began_at", "_line")

    def __init__(self, line: Timeline, activity: Activity | None) -> None:
        self._line = line
        self._activity = activity

    def __enter__(self) -> None:
        self._before, self._began_at = self._line.enter(self._activity)

    def __exit__(self, *_: object) -> None:
        self._line.leave(self._before, self._began_at)
