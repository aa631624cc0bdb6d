"""What the store's clock shows, as far as its answers tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aios3._concurrency.clock import Clock
from aios3._protocol.wire.error_responses import server_time
from aios3._protocol.wire.messages import Response

__all__ = ["ClockSkew"]

_QUICK: Final = timedelta(seconds=1)
"""A slower answer does not tell when, between its request and its end, the store looked at its clock."""


class ClockSkew:
    """Compares the store's clock with ours."""

    def __init__(self, clock: Clock) -> None:
        """Take our clock; the store's is believed to show the same until an answer says otherwise."""
        self._clock = clock
        self.offset = timedelta()
        """What requests are dated ahead of our time; learnt when the store refuses our time."""
        self._quick: tuple[Response, datetime] | None = None
        """The last quick answer, and when it was asked for."""
        self._slow: tuple[Response, datetime] | None = None
        """The last slow answer, and when it came."""

    def now(self) -> datetime:
        """Return the time to date a request with."""
        return self._clock.now() + self.offset

    def correct(self, response: Response) -> None:
        """Take over the time of an answer that refuses ours."""
        if (theirs := server_time(response)) is not None:
            self.offset = theirs - self._clock.now()

    def note(self, response: Response, sent_at: datetime) -> None:
        """Keep what the store's clock said; it is only parsed if somebody asks."""
        if "date" not in response.headers:
            return
        now = self._clock.now()
        if now - sent_at <= _QUICK:
            self._quick = (response, sent_at)
        else:
            self._slow = (response, now)

    def to_server_time(self, moment: datetime) -> datetime:
        """Return what the store's clock showed at a `moment` of ours, judged by its last quick answer."""
        offset = _offset_by(self._quick)
        return moment + (self.offset if offset is None else offset)

    def earliest_server_time(self, moment: datetime) -> datetime:
        """Return the earliest that the store's clock can have shown at a `moment` of ours.

        Where no answer was quick a slow one counts, as if the store had looked at its clock when the answer came.
        """
        offset = _offset_by(self._slow) if self._quick is None else None
        return self.to_server_time(moment) if offset is None else moment + offset


def _offset_by(answer: tuple[Response, datetime] | None) -> timedelta | None:
    """Return how far ahead of ours the store's clock is, if at that moment of ours it said what the answer says."""
    theirs = None if answer is None else server_time(answer[0])
    return None if answer is None or theirs is None else theirs - answer[1]
