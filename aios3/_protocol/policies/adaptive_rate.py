"""Adaptive request rate for a store that throttles, as a pure function of responses and their times.

`AdaptiveRate` composes three parts:

- `TokenBucket` spaces the requests at a given rate.
- `RateEstimator` measures the rate that the store allows.
- `CubicRate` chooses the rate. It begins with slow start and then follows the curve of CUBIC congestion control.

A throttling response shows that the store has no request left to give at that moment. So the allowed rate is the
number of requests accepted between two throttling responses, divided by the time between them.

Some stores limit requests in flight instead of requests a second. So `AdaptiveRate` also limits the requests in
flight, and that limit follows the same curve.

All times are seconds of one monotonic clock. All rates are requests a second.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["AdaptiveRate", "CubicRate", "RateEstimator", "TokenBucket"]

_SHORTEST_TIME: Final = 1e-3
"""Seconds. Shorter times count as this long, because rates are divided by them."""

_LATENESS: Final = 0.02
"""Seconds. A timer that fires late by this much costs no request."""


class TokenBucket:
    """Tokens that requests cost, refilled at a rate that the caller passes.

    Its capacity is one token plus the tokens of `_LATENESS`, so an idle time saves up no burst. It can be in debt.
    """

    def __init__(self, now: float = 0.0) -> None:
        """Begin empty."""
        self._tokens = 0.0
        self._filled_at = now

    def refill(self, now: float, rate: float, cost: int = 1) -> None:
        """Add the tokens since the last refill, up to what a request of this `cost` needs."""
        capacity = max(cost, 1 + rate * _LATENESS)
        self._tokens = min(capacity, self._tokens + rate * (now - self._filled_at))
        self._filled_at = now

    def spend(self, now: float, rate: float, cost: int) -> None:
        """Take the tokens of a request, even if the bucket has fewer."""
        self.refill(now, rate, cost)
        self._tokens -= cost

    def delay(self, now: float, rate: float, cost: int) -> float:
        """Return the seconds until the bucket has `cost` tokens. The result is 0 or less if it has them now."""
        self.refill(now, rate, cost)
        return (cost - self._tokens) / rate

    def drain(self, now: float) -> None:
        """Remove all tokens. A debt stays."""
        self._tokens = min(self._tokens, 0.0)
        self._filled_at = now


_ENOUGH_REQUESTS: Final = 4
"""Accepted requests from which the allowed rate counts as known."""


class RateEstimator:
    """Estimate of the allowed rate: accepted requests over time, where older samples count less and less.

    A sample begins and ends when the store has no request left to give.
    """

    def __init__(self, now: float = 0.0) -> None:
        """Begin the first sample."""
        self._began_at = now
        self._accepted = 0
        """Requests accepted in the present sample."""
        self._requests = 0.0
        """Requests accepted in earlier samples, with their weight."""
        self._seconds = 0.0
        """Length of the earlier samples, with their weight."""

    def count(self) -> None:
        """Add an accepted request to the present sample."""
        self._accepted += 1

    def postpone(self, now: float) -> None:
        """Move the beginning of the present sample to `now` if no request was accepted in it."""
        if not self._accepted:
            self._began_at = now

    def end_sample(self, now: float, time_constant: float) -> bool:
        """Add the present sample to the estimate and begin the next one.

        Args:
            now: the time.
            time_constant: seconds in which the weight of the earlier samples falls to 1/e.

        Returns:
            Whether a request was accepted in the sample.
        """
        seconds = max(now - self._began_at, _SHORTEST_TIME)
        weight = math.exp(-seconds / time_constant)
        has_accepted = self._accepted > 0
        self._requests = self._requests * weight + self._accepted
        self._seconds = self._seconds * weight + seconds
        self._began_at, self._accepted = now, 0
        return has_accepted

    def is_reliable(self) -> bool:
        """Return whether enough requests were accepted in the ended samples to trust the estimate."""
        return self._requests >= _ENOUGH_REQUESTS

    def rate(self) -> float:
        """Return the estimate from the ended samples, of which there must be one. It is never 0."""
        return (self._requests + 0.5) / self._seconds


_BETA: Final = 0.9
"""Share of the allowed rate at which the curve begins: beta of CUBIC."""
_SCALE: Final = 0.4
"""Steepness of the curve: C of CUBIC."""
_K: Final = ((1 - _BETA) / _SCALE) ** (1 / 3)
"""Time units from the beginning of the curve until it reaches the allowed rate: K of CUBIC, 0.63."""
_LAST_GROWTH: Final = 8.0
"""Multiple of the allowed rate at which the limit ends."""
_LAST_UNIT: Final = _K + ((_LAST_GROWTH - 1) / _SCALE) ** (1 / 3)
"""Time units from the beginning of the curve until it reaches that multiple: 3.2."""
_SHORTEST_UNIT: Final = 1.0
_LONGEST_UNIT: Final = 8.0
"""Bounds of the time unit in seconds."""
_LATENCIES_PER_UNIT: Final = 2
"""A unit lasts at least this many request latencies. Otherwise the rate would outrun the throttling responses."""
_REQUESTS_PER_UNIT: Final = 8
"""A unit lasts at least this many requests. Otherwise a slow store would throttle a large share of the requests."""
_SLOW_START_FACTOR: Final = 1.5
"""Most that one accepted request multiplies the rate by during slow start."""
_LOWEST_RATE: Final = 1.0
"""Requests a second. If the store throttles even these, the growing backoff of each request takes over."""


class CubicRate:
    """Request rate: slow start until the allowed rate is known, then the curve of CUBIC congestion control.

    The curve begins a little below the allowed rate, stays near it for a while, and then rises ever faster.
    """

    def __init__(self) -> None:
        """Begin with an infinite rate."""
        self.in_slow_start = False
        """The allowed rate is not known yet."""
        self.time_unit = _SHORTEST_UNIT
        """Seconds in a unit of the curve's time."""
        self._base = math.inf
        """Allowed rate, or during slow start the present rate."""
        self._threshold = math.inf
        """Rate above which slow start ends."""
        self._began_at = 0.0
        """Beginning of the curve."""

    def begin(self, sent_rate: float, *, is_known: bool) -> None:
        """Choose the rate for the first throttling response.

        Args:
            sent_rate: the rate that the store throttled.
            is_known: the allowed rate may be known from before. Otherwise slow start begins at half of `sent_rate`.
        """
        self.in_slow_start = self.in_slow_start or not is_known
        self._threshold = sent_rate
        self._base = max(_LOWEST_RATE, sent_rate / 2 if self.in_slow_start else min(self._base, sent_rate))

    def at(self, now: float) -> float:
        """Return the rate."""
        return max(_LOWEST_RATE, self._base * self.growth(now))

    def growth(self, now: float) -> float:
        """Return the rate as a multiple of the allowed rate. It is 1 during slow start."""
        if self.in_slow_start:
            return 1.0
        return 1 + _SCALE * ((now - self._began_at) / self.time_unit - _K) ** 3

    def has_ended(self, now: float) -> bool:
        """Return whether the curve has risen so far that no limit is needed."""
        return not self.in_slow_start and now - self._began_at >= _LAST_UNIT * self.time_unit

    def accelerate(self, now: float, latency: float) -> None:
        """Raise the rate after a request was accepted in slow start.

        The rate grows by one request per latency, as in TCP, and at most by half. Above the threshold slow start ends.
        """
        self._base = min(_SLOW_START_FACTOR * self._base, self._base + 1 / latency)
        if self._base > self._threshold:
            self.in_slow_start = False
            self._began_at = now

    def freeze(self, now: float) -> float:
        """Take the present rate for the allowed rate, and return it. `begin_curve` must follow."""
        self._base = self.at(now)
        return self._base

    def lower(self, allowed: float) -> None:
        """Lower the allowed rate to `allowed` if it is higher, but not below one request a second."""
        self._base = max(_LOWEST_RATE, min(self._base, allowed))

    def begin_curve(self, now: float, latency: float) -> None:
        """Begin the curve, with a time unit for the rate and the `latency` of a request in seconds."""
        self._began_at = now
        unit = max(_SHORTEST_UNIT, _REQUESTS_PER_UNIT / self._base, _LATENCIES_PER_UNIT * latency)
        self.time_unit = min(unit, _LONGEST_UNIT)


_LOWEST_SHARE: Final = 0.9
"""Share of the rate that a throttling response leaves if the store accepted other requests before it."""
_LONGEST_HOLD: Final = 1.0
"""Longest pause in seconds while every request is throttled. Beyond it, the backoff of each request takes over."""
_KNOWN_FOR: Final = 60.0
"""Seconds since the last cut after which the limit ends and the allowed rate counts as unknown."""
_LEAST_IN_FLIGHT: Final = 2
"""Lower bound of the limit in flight. With so few in flight the rate alone limits the requests."""


class AdaptiveRate:
    """Limit of the requests a second and of the requests in flight, learnt from the responses of a store.

    Without a throttling response there is no limit. A *cut* is a throttling response that lowers the rate. While the
    store throttles every request, a *hold* leaves one request in flight, with a pause before it.
    """

    def __init__(self) -> None:
        """Begin without a limit."""
        self.is_limited = False
        """Requests are limited; `delay` resets this when the limit ends."""
        self._cubic = CubicRate()
        self._bucket = TokenBucket()
        self._estimator = RateEstimator()
        self._in_flight = math.inf
        """Limit in flight at the beginning of the curve."""
        self._cut_at = -math.inf
        """Time of the last cut. A throttling response to an earlier request belongs to the same burst."""
        self._accepted_since_cut = 0
        """Accepted requests that began after the last cut."""
        self._hold = 0.0
        """Seconds of pause after the last cut. They double with every cut in a row. 0 outside a hold."""

    def rate(self, now: float) -> float:
        """Return the requests that may be sent in a second."""
        return self._cubic.at(now)

    def max_in_flight(self, now: float) -> float:
        """Return how many requests may be in flight."""
        if not self.is_limited:
            return math.inf
        if self._hold:
            return 1.0
        return self._in_flight * max(1.0, self._cubic.growth(now))

    def delay(self, now: float, cost: int = 1) -> float:
        """Return the seconds until a request of this `cost` may be sent, or 0 if it may be sent at once."""
        if self.is_limited and self._has_ended(now):
            self.is_limited = False
        if not self.is_limited:
            return 0.0
        return max(0.0, self._bucket.delay(now, self.rate(now), cost), self._cut_at + self._hold - now)

    def _has_ended(self, now: float) -> bool:
        if now - self._cut_at >= _KNOWN_FOR:
            return True
        return not self._hold and self._cubic.has_ended(now)

    def spend(self, now: float, cost: int = 1) -> None:
        """Record that a request is sent."""
        self._bucket.spend(now, self.rate(now), cost)

    def on_throttled(self, now: float, began_at: float, in_flight: int) -> bool:
        """Record a throttling response, and lower the limits.

        Args:
            now: the time of the response.
            began_at: when the request was sent.
            in_flight: requests in flight, including this one.

        Returns:
            Whether the response is a cut. Otherwise the request is of the same burst as the last cut.
        """
        left = max(_LEAST_IN_FLIGHT, in_flight - 1)
        if self.is_limited and began_at < self._cut_at:
            self._estimator.postpone(now)
            self._in_flight = min(self._in_flight, left)
            return False
        latency = now - began_at
        if self.is_limited:
            self._cut(now)
        else:
            self._begin(now, in_flight / max(latency, _SHORTEST_TIME))
        self._cubic.begin_curve(now, latency)
        self._bucket.drain(now)
        self._in_flight = left
        self._cut_at = now
        self._accepted_since_cut = 0
        return True

    def _begin(self, now: float, sent_rate: float) -> None:
        self.is_limited = True
        self._cubic.begin(sent_rate, is_known=now - self._cut_at < _KNOWN_FOR)
        self._bucket = TokenBucket(now)
        self._estimator = RateEstimator(now)
        self._hold = 0.0

    def _cut(self, now: float) -> None:
        rate = self._cubic.freeze(now)
        if not self._estimator.end_sample(now, self._cubic.time_unit):
            self._hold = min(_LONGEST_HOLD, max(2 * self._hold, 2 / rate))
            return
        self._hold = 0.0
        allowed = self._estimator.rate()
        if self._accepted_since_cut > 1:
            self._cubic.in_slow_start = False
            allowed = max(allowed, _LOWEST_SHARE * rate)
        self._cubic.lower(allowed)

    def on_accepted(self, now: float, began_at: float) -> None:
        """Record a response that does not throttle, to a request sent at `began_at`."""
        if not self.is_limited:
            return
        self._estimator.count()
        if began_at < self._cut_at:
            return
        self._accepted_since_cut += 1
        self._bucket.refill(now, self.rate(now))
        if self._hold:
            self._end_hold(now)
        elif self._cubic.in_slow_start:
            self._in_flight += 1
            self._cubic.accelerate(now, max(now - began_at, _SHORTEST_TIME))

    def _end_hold(self, now: float) -> None:
        self._hold = 0.0
        self._estimator.end_sample(now, self._cubic.time_unit)
        if not self._estimator.is_reliable():
            self._cubic.in_slow_start = True
        self._cubic.lower(self._estimator.rate())
        self._bucket.drain(now)
