"""How fast requests may follow one another while the store throttles: a pure function of what it refused, and when.

A token bucket whose rate is what was seen to come through. A refusal says that
the store has nothing left at that moment, so what it accepted between two
refusals, over the time between them, is what it allows. From there the rate
goes as in CUBIC congestion control: a little below what is allowed, slowly
past it, then ever faster, until there is no limit any more. Before anything is
known it is searched for: down by half or more with every probe that is refused,
up by half at most with every request that is accepted.

Some stores count requests that are on their way, not those of a second. So these
are bounded as well, by what was on its way when the store last refused, and the
bound follows the same curve.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["AdaptiveRate"]

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
_LONGEST_UNIT: Final = 8.0
"""Seconds. A unit is twice what a request takes, at least, or refusals would come too late."""
_REQUESTS_A_UNIT: Final = 8
"""The slower the store the longer a unit, so that it is not refusals mostly that it is found out with."""

_FASTER: Final = 1.5
"""By what an accepted request lets the rate grow, at most, while it is searched for."""
_LEAST_SHARE: Final = 0.9
"""Of the rate that is left after a refusal, where other requests were accepted."""
_LONGEST_HOLD: Final = 1.0
"""Seconds between requests while all are refused: it is the waits of each request, which grow, that help then."""
_EVIDENCE: Final = 4
"""Accepted requests between refusals that make a rate known."""
_KNOWN_FOR: Final = 60.0
"""Seconds for which a rate is a good first guess."""

_LOWEST: Final = 1.0
"""Requests a second. If even those are refused it is the waits of each request, which grow, that help."""
_NARROWEST: Final = 2
"""Requests on their way that the bound leaves to the rate alone."""
_LATENESS: Final = 0.02
"""Seconds that a timer may be late without a loss."""


class AdaptiveRate:
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
        self._curve_from = 0.0
        self._unit = _SHORTEST_UNIT
        self._width = math.inf
        self._hold = 0.0
        """Seconds without a request after the last refusal: twice as many with every refusal in a row."""
        self._tokens = 0.0
        self._filled_at = 0.0
        self._empty_at = 0.0
        """When the store had nothing left."""
        self._accepted = 0
        """Requests since then."""
        self._in_a_row = 0
        """Those begun and accepted since the last refusal."""
        self._evidence = (0.0, 0.0)
        """Requests accepted, and seconds, of the time before that."""

    def refused(self, now: float, began: float, in_flight: int) -> bool:
        """Note that the store asked for less, and return whether that says anything new.

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
            return False
        if self.is_limited:
            self._find(now)
        else:
            self._begin(now, in_flight / max(now - began, 1e-3))
        self._unit = min(max(_SHORTEST_UNIT, _REQUESTS_A_UNIT / self._rate, 2 * (now - began)), _LONGEST_UNIT)
        self._width = left
        self._cut_at = self._curve_from = self._empty_at = self._filled_at = now
        self._accepted = self._in_a_row = 0
        self._tokens = min(self._tokens, 0.0)
        return True

    def _begin(self, now: float, sent: float) -> None:
        is_known = now - self._cut_at < _KNOWN_FOR and not self._is_searching
        self.is_limited = True
        self._is_searching = not is_known
        self._first_guess = sent
        self._rate = max(_LOWEST, min(self._rate, sent) if is_known else sent / 2)
        self._evidence = (0.0, 0.0)
        self._hold = self._tokens = 0.0

    def _find(self, now: float) -> None:
        rate, has_accepted = self.rate(now), self._accepted > 0
        self._remember(now)
        if not has_accepted:
            self._rate = rate
            self._hold = min(_LONGEST_HOLD, max(2 * self._hold, 2 / rate))
            return
        self._hold = 0.0
        allowed = self._allowed()
        if self._in_a_row > 1:
            self._is_searching = False
            allowed = max(allowed, _LEAST_SHARE * rate)
        self._rate = max(_LOWEST, min(rate, allowed))

    def _remember(self, now: float) -> None:
        """Add what came since the store had nothing left to the evidence, of which the older part is forgotten."""
        seconds = max(now - self._empty_at, 1e-3)
        kept = math.exp(-seconds / self._unit)
        before = self._evidence
        self._evidence = before[0] * kept + self._accepted, before[1] * kept + seconds
        self._empty_at, self._accepted = now, 0

    def _allowed(self) -> float:
        accepted, seconds = self._evidence
        return (accepted + 0.5) / seconds

    def accepted(self, now: float, began: float) -> None:
        """Note that a request begun then was answered, and not with a refusal to take it."""
        if not self.is_limited:
            return
        self._accepted += 1
        if began < self._cut_at:
            return
        self._in_a_row += 1
        self._refill(now)
        if self._hold:
            self._hold = 0.0
            self._remember(now)
            self._is_searching = self._is_searching or self._evidence[0] < _EVIDENCE
            self._rate = max(_LOWEST, min(self._rate, self._allowed()))
            self._tokens = min(self._tokens, 0.0)
        elif self._is_searching:
            self._grow(now, max(now - began, 1e-3))

    def _grow(self, now: float, latency: float) -> None:
        self._width += 1
        self._rate = min(_FASTER * self._rate, self._rate + 1 / latency)
        if self._rate > self._first_guess:
            self._is_searching = False
            self._curve_from = now

    def rate(self, now: float) -> float:
        """Return the requests that may be sent in a second."""
        return self._rate if self._is_searching else self._rate * self._growth(now)

    def width(self, now: float) -> float:
        """Return how many requests may be on their way."""
        if not self.is_limited:
            return math.inf
        if self._hold:
            return 1.0
        return self._width if self._is_searching else self._width * max(1.0, self._growth(now))

    def _growth(self, now: float) -> float:
        return 1 + _STEEPNESS * ((now - self._curve_from) / self._unit - _PLATEAU) ** 3

    def spend(self, now: float, cost: int = 1) -> None:
        """Note that a request is sent."""
        self._refill(now, cost)
        self._tokens -= cost

    def wait(self, now: float, cost: int = 1) -> float:
        """Return the seconds until another one may be sent, as far as is known now; 0 if it may be sent at once."""
        if self.is_limited and self._is_over(now):
            self.is_limited = False
        if not self.is_limited:
            return 0.0
        self._refill(now, cost)
        return max(0.0, (cost - self._tokens) / self.rate(now), self._cut_at + self._hold - now)

    def _is_over(self, now: float) -> bool:
        if now - self._cut_at >= _KNOWN_FOR:
            return True
        return not (self._is_searching or self._hold) and now - self._curve_from >= _UNITS * self._unit

    def _refill(self, now: float, cost: int = 1) -> None:
        rate = self.rate(now)
        most = max(cost, 1 + rate * _LATENESS)
        self._tokens = min(most, self._tokens + rate * (now - self._filled_at))
        self._filled_at = now
