"""Time line of one upload, which divides its wall time by what it waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import compress
from typing import Final, Literal

from aios3.observing import Wait
from aios3.timing import UploadTiming

__all__ = ["SHORTEST_WAIT", "Activity", "RequestState", "Timeline"]

Activity = Literal["memory", "slot", "commit"]
"""Wait of a task that reads the source or commits."""

RequestState = Literal["sending", "response", "backoff", "slot"]
"""State of a request; ``"slot"`` is the queue for a turn while the store throttles."""

_FIELDS: Final = ("memory", "slot", "commit", "source", "sending", "response", "backoff", "slot")
"""Fields by precedence: of those that something waits for, the first counts the time."""
_ACTIVITIES: Final[dict[Activity, int]] = {"memory": 0, "slot": 1, "commit": 2}
_SOURCE: Final = 3
_STATES: Final[dict[RequestState, int]] = {"sending": 4, "response": 5, "backoff": 6, "slot": 7}
"""Places of activities, of the source, and of states of requests among `_FIELDS`."""

SHORTEST_WAIT: Final = 0.001
"""Seconds of the shortest wait that is reported. What passes without a wait takes less."""

_ORDER: Final = [field.name for field in dataclasses.fields(UploadTiming)]
_COUNTED: Final = [_ORDER.index(name) for name in _FIELDS]
"""Places of `_FIELDS` in `UploadTiming`."""
_PREPARING: Final = _ORDER.index("preparing")
_NO_SECONDS: Final = [0.0] * len(_ORDER)


class Timeline:
    """Sums the seconds of each field of `UploadTiming`. It reads the clock only when something changes.

    Several tasks may write to one upload, so activities are counted.
    """

    __slots__ = ("_counted", "_counts", "_is_reading", "_monotonic", "_others", "_seconds", "_since", "_waited")

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
        self._seconds = _NO_SECONDS.copy()
        """Seconds of each field of `UploadTiming`, in its order."""
        self._is_reading = False
        self._others = 0
        """Tasks that wait for requests only, so the upload does not wait for its source."""
        self._counts = [0] * len(_FIELDS)
        """Number of tasks or requests that wait for each of `_FIELDS`."""
        self._counted = _PREPARING
        """Place in `UploadTiming` of the field that counts the time since `_since`."""

    def snapshot(self) -> UploadTiming:
        """Return the division of the time until now."""
        self._turn()
        return UploadTiming(*self._seconds)

    def read_source(self, *, is_reading: bool) -> None:
        """Note whether the upload waits for its source whenever it does nothing else."""
        if is_reading != self._is_reading:
            self._is_reading = is_reading
            self.add_others(0)

    def add_others(self, count: int) -> float:
        """Note that `count` more tasks wait for requests only (-1 ends such a wait), and return the time."""
        self._others += count
        self._counts[_SOURCE] = int(self._is_reading and not self._others)
        return self._turn()

    def during(self, activity: Activity | None) -> _During:
        """Return a context manager for an activity; ``None`` is a wait for requests only."""
        return _During(self, activity)

    def move(self, before: RequestState | None, after: RequestState | None) -> None:
        """Note that a request changes its state; ``None`` is the state before its begin and after its end."""
        counts = self._counts
        if before is not None:
            counts[_STATES[before]] -= 1
        if after is not None:
            counts[_STATES[after]] += 1
        # As in `_turn`: every request moves three times, and the call would be a third of the cost.
        now = self._monotonic()
        self._seconds[self._counted] += now - self._since
        self._since = now
        self._counted = next(compress(_COUNTED, counts), _PREPARING)

    def _turn(self) -> float:
        """Count the time until now, and return now."""
        now = self._monotonic()
        self._seconds[self._counted] += now - self._since
        self._since = now
        self._counted = next(compress(_COUNTED, self._counts), _PREPARING)
        return now

    def enter(self, activity: Activity | None) -> float:
        """Begin an activity, and return the time, for `leave`."""
        if activity is None:
            return self.add_others(1)
        self._counts[_ACTIVITIES[activity]] += 1
        return self._turn()

    def leave(self, activity: Activity | None, began_at: float) -> None:
        """End an activity, and report it if it was a wait."""
        if activity is None:
            self.add_others(-1)
            return
        self._counts[_ACTIVITIES[activity]] -= 1
        seconds = self._turn() - began_at
        if self._waited is not None and seconds >= SHORTEST_WAIT and activity != "commit":
            self._waited(activity, seconds)


class _During:
    """Block of one activity. (A generator would cost more than the clock.)"""

    __slots__ = ("_activity", "_began_at", "_line")

    def __init__(self, line: Timeline, activity: Activity | None) -> None:
        self._line = line
        self._activity = activity

    def __enter__(self) -> None:
        self._began_at = self._line.enter(self._activity)

    def __exit__(self, *_: object) -> None:
        self._line.leave(self._activity, self._began_at)
