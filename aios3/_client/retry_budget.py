"""Bucket of retry tokens for all requests of a driver, which protects a failing store from a flood of retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["RetryBudget"]

_SECONDS_TO_FILL: Final = 100.0
"""Seconds in which an empty bucket fills by itself. With the default budget that is one retry a second."""


class RetryBudget:
    """A bucket that begins full. A retry takes tokens. A success returns one token, and time fills the bucket again."""

    def __init__(self, capacity: int, monotonic: Callable[[], float]) -> None:
        """Fill the bucket; `monotonic` gives seconds."""
        self._capacity = capacity
        self._monotonic = monotonic
        self._tokens = float(capacity)
        self._filled_at = monotonic()

    @property
    def tokens(self) -> float:
        """Tokens in the bucket now."""
        now = self._monotonic()
        gained = (now - self._filled_at) * self._capacity / _SECONDS_TO_FILL
        self._filled_at = now
        self._tokens = min(self._capacity, self._tokens + gained)
        return self._tokens

    def take(self, cost: int) -> bool:
        """Take `cost` tokens and return True, or return False if there are too few."""
        if cost > self.tokens:
            return False
        self._tokens -= cost
        return True

    def succeeded(self) -> None:
        """Return one token to the bucket, after a success."""
        self._tokens = min(self._capacity, self._tokens + 1)
