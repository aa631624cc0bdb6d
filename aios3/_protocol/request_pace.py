"""How fast requests may follow one another while the store throttles: a pure function of what it refused, and when.

A token bucket whose rate is what was seen to come through. A refusal says that
the store has nothing left at that moment, so what it accepted between two
refusals, over the time between them, is what it allows. From there the rate
goes as in CUBIC congestion control: a little below what is allowed, slowly
past it, then ever faster, until there is no limit any more. Before anything is
known it is searched for: down by half or more with every probe that is refused,
up by a fifth with every request that is accepted.

Some stores count requests that are on their way, not those of a second. So these
are bounded as well, by what was on its way when the store last refused, and the
bound follows the same curve.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["RequestPace"]

_BELOW: Final = 0.9
"""Where the curve begins, of what is allowed."""
_STEEPNESS: Final = 0.4
_PLATEAU: Final = ((1 - _BELOW) / _STEEPNESS) ** (1 / 3)
"""Units of time after which the curve is at what is allowed."""
_FREE: Final = 8.0
"""Times what was allowed at which there is no limit any more."""
_UNITS: Final = _PLATEAU + ((_FREE - 1) / _STEEPNESS) ** (1 / 3)
"""Units of time that the curve takes to get there: 3.2."""

_SHORTEST_UNIT: Final = 1.0
_REQUESTS_A_UNIT: Final = 10
"""The slower the store the longer a unit, so that it is not refusals mostly that it is found out with."""

_FASTER: Final = 1.2
"""By what an accepted request lets the rate grow while it is searched for."""
_EVIDENCE: Final = 4
"""Accepted requests between refusals that make a rate known."""
_MEMORY: Final = 0.5
"""What evidence is worth after another refusal."""
_KNOWN_FOR: Final = 60.0
"""Seconds for which a rate is a good first guess."""

_LOWEST: Final = 1.0
"""Requests a second. If even those are refused it is the waits of each request, which grow, that help."""
_NARROWEST: Final = 2
"""Requests on their way that the bound leaves to the rate alone."""
_LATENESS: Final = 0.02
"""Seconds that a timer may be late without a loss."""


class RequestPace:
    """The rate, and what it was found from. All times are seconds of one clock."""

    def __init__(self) -> None:
        """Begin without a limit."""
        self.is_limited = False
        self._cut_at = -math.inf
        """When the rate was last lowered; refusals of requests begun before say nothing new."""
        self._rate = math.inf
        """Requests a second: what the search is at, or what is known to be allowed."""
        self._first_guess = math.inf
        self._is_searching = False
        self._unit = _SHORTEST_UNIT
        self._width = math.inf
        self._tokens = 0.0
        self._filled_at = 0.0
        self._empty_at = 0.0
        """When the store had nothing left."""
        self._accepted = 0
        """Requests since then."""
        self._evidence = (0.0, 0.0)
        """Requests accepted, and seconds, of the time before that."""

    def refused(self, now: float, began: float, in_flight: int) -> None:
        """Note that the store asked for less.

        Args:
            now: the time.
            began: when the request was sent.
            in_flight: requests on their way, with this one.
        """
        left = max(_NARROWEST, in_flight - 1)
        if self.is_limited and began < self._cut_at:
            if not self._accepted:
                self._empty_at = now
            self._width = min(self._width, left)
            return
        if self.is_limited:
            self._find(now)
        else:
            self._begin(now, in_flight / max(now - began, 1e-3))
        self._unit = max(_SHORTEST_UNIT, _REQUESTS_A_UNIT / self._rate, 2 * (now - began))
        self._width = left
        self._cut_at = self._empty_at = self._filled_at = now
        self._accepted = 0
        self._tokens = min(self._tokens, 0.0)

    def _begin(self, now: float, sent: float) -> None:
        is_known = now - self._cut_at < _KNOWN_FOR and not self._is_searching
        self.is_limited = True
        self._is_searching = not is_known
        self._first_guess = sent
        self._rate = max(_LOWEST, min(self._rate, sent) if is_known else sent / 2)
        self._evidence = (0.0, 0.0)
        self._tokens = 0.0

    def _find(self, now: float) -> None:
        accepted, seconds = self._evidence if self._accepted else (0.0, 0.0)
        accepted = _MEMORY * accepted + self._accepted
        seconds = _MEMORY * seconds + max(now - self._empty_at, 1e-3)
        allowed = (accepted + 0.5) / seconds
        self._is_searching = accepted < _EVIDENCE and (self._is_searching or not self._accepted)
        self._rate = max(_LOWEST, min(self.rate(now), allowed))
        self._evidence = accepted, seconds

    def accepted(self, now: float, began: float) -> None:
        """Note that a request begun then was answered, and not with a refusal to take it."""
        if not self.is_limited:
            return
        self._accepted += 1
        if self._is_searching and began >= self._cut_at:
            self._refill(now)
            self._rate *= _FASTER
            self._width += 1
            self.is_limited = self._rate < 2 * self._first_guess

    def rate(self, now: float) -> float:
        """Return the requests that may be sent in a second."""
        return self._rate if self._is_searching else self._rate * self._growth(now)

    def width(self, now: float) -> float:
        """Return how many requests may be on their way."""
        if not self.is_limited:
            return math.inf
        return self._width if self._is_searching else self._width * max(1.0, self._growth(now))

    def _growth(self, now: float) -> float:
        return 1 + _STEEPNESS * ((now - self._cut_at) / self._unit - _PLATEAU) ** 3

    def spend(self, now: float, cost: int = 1) -> None:
        """Note that a request is sent."""
        self._refill(now, cost)
        self._tokens -= cost

    def wait(self, now: float, cost: int = 1) -> float:
        """Return the seconds until another one may be sent, as far as is known now; 0 if it may be sent at once."""
        if self.is_limited and self._accepted and now - self._cut_at >= _UNITS * self._unit:
            self.is_limited = False
        if not self.is_limited:
            return 0.0
        self._refill(now, cost)
        return max(0.0, cost - self._tokens) / self.rate(now)

    def _refill(self, now: float, cost: int = 1) -> None:
        rate = self.rate(now)
        most = max(cost, 1 + rate * _LATENESS)
        self._tokens = min(most, self._tokens + rate * (now - self._filled_at))
        self._filled_at = now
