"""A bucket of retry tokens shared by all requests of a driver, so that a dying store is not hammered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["RetryBudget"]

_SECONDS_TO_FILL: Final = 100.0
"""Seconds in which an empty bucket fills by itself: of the default budget that is one retry a second."""


class RetryBudget:
    """Begins full; a retry takes tokens. A success gives one back, and so does time, up to the capacity."""

    def __init__(self, capacity: int, monotonic: Callable[[], float]) -> None:
        """Fill the bucket; `monotonic` gives seconds."""
        self._capacity = capacity
        self._monotonic = monotonic
        self._tokens = float(capacity)
        self._filled_at = monotonic()

    @property
    def tokens(self) -> float:
        """What is there now."""
        now = self._monotonic()
        gained = (now - self._filled_at) * self._capacity / _SECONDS_TO_FILL
        self._filled_at = now
        self._tokens = min(self._capacity, self._tokens + gained)
        return self._tokens

    def take(self, cost: int) -> bool:
        """Take `cost` tokens, or return whether there are too few."""
        if cost > self.tokens:
            return False
        self._tokens -= cost
        return True

    def succeeded(self) -> None:
        """Give one token back."""
        self._tokens = min(self._capacity, self._tokens + 1)
