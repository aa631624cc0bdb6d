"""Difference between the store's clock and ours, learnt from responses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aios3._concurrency.clock import Clock
from aios3._protocol.wire.error_responses import server_time
from aios3._protocol.wire.messages import Response

__all__ = ["ClockSkew"]

_QUICK: Final = timedelta(seconds=1)
"""Longest duration of a quick response. A slower one does not show when the store read its clock."""


class ClockSkew:
    """Compares the store's clock with ours."""

    def __init__(self, clock: Clock) -> None:
        """Take our clock. The store's clock counts as equal until a response shows otherwise."""
        self._clock = clock
        self.offset = timedelta()
        """Time by which requests are dated ahead of our clock; learnt when the store refuses our time."""
        self._quick: tuple[Response, datetime] | None = None
        """Last quick response, and the time of its request."""
        self._slow: tuple[Response, datetime] | None = None
        """Last slow response, and the time of its arrival."""

    def now(self) -> datetime:
        """Return the time to date a request with."""
        return self._clock.now() + self.offset

    def correct(self, response: Response) -> None:
        """Adopt the time of a response that refuses ours."""
        if (theirs := server_time(response)) is not None:
            self.offset = theirs - self._clock.now()

    def note(self, response: Response, sent_at: datetime) -> None:
        """Keep a response for its date, which is parsed only on demand."""
        if "date" not in response.headers:
            return
        now = self._clock.now()
        if now - sent_at <= _QUICK:
            self._quick = (response, sent_at)
        else:
            self._slow = (response, now)

    def to_server_time(self, moment: datetime) -> datetime:
        """Return the store's time at our time `moment`, judged by its last quick response."""
        offset = _offset_by(self._quick)
        return moment + (self.offset if offset is None else offset)

    def earliest_server_time(self, moment: datetime) -> datetime:
        """Return the earliest time that the store's clock can have shown at our time `moment`.

        If no response was quick, a slow one counts, as if the store had read its clock when the response came.
        """
        offset = _offset_by(self._slow) if self._quick is None else None
        return self.to_server_time(moment) if offset is None else moment + offset


def _offset_by(noted: tuple[Response, datetime] | None) -> timedelta | None:
    """Return how far the store's clock is ahead of ours, if the response shows its time at the moment of ours."""
    theirs = None if noted is None else server_time(noted[0])
    return None if noted is None or theirs is None else theirs - noted[1]
