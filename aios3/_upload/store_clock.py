"""What the store's clock shows, as far as its answers tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aios3._protocol.answers import server_time
from aios3._protocol.messages import Response

from .clock import Clock

__all__ = ["StoreClock"]

_QUICK: Final = timedelta(seconds=1)
"""A slower answer does not tell when, between its request and its end, the store looked at its clock."""


class StoreClock:
    """Compares the store's clock with ours."""

    def __init__(self, clock: Clock) -> None:
        """Take our clock; the store's is believed to show the same until an answer says otherwise."""
        self._clock = clock
        self.offset = timedelta()
        """What requests are dated ahead of our time; learnt when the store refuses our time."""
        self._last_answer: tuple[Response, datetime] | None = None

    def now(self) -> datetime:
        """Return the time to date a request with."""
        return self._clock.now() + self.offset

    def learn(self, response: Response) -> None:
        """Take over the time of an answer that refuses ours."""
        if (theirs := server_time(response)) is not None:
            self.offset = theirs - self._clock.now()

    def note(self, response: Response, sent_at: datetime) -> None:
        """Keep what the store's clock said, if the answer was quick; it is only parsed if somebody asks."""
        if "date" in response.headers and self._clock.now() - sent_at <= _QUICK:
            self._last_answer = (response, sent_at)

    def translate(self, moment: datetime) -> datetime:
        """Return what the store's clock showed at a `moment` of ours, judged by its last quick answer."""
        if self._last_answer is not None and (theirs := server_time(self._last_answer[0])) is not None:
            return moment + (theirs - self._last_answer[1])
        return moment + self.offset
