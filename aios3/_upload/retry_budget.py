"""A bucket of retry tokens shared by all requests of a driver, so that a dying store is not hammered."""

from __future__ import annotations

__all__ = ["RetryBudget"]


class RetryBudget:
    """Begins full; a retry takes tokens, a success gives one back."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.tokens = capacity

    def take(self, cost: int) -> bool:
        """Take `cost` tokens, or return whether there are too few."""
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def succeeded(self) -> None:
        """Give one token back."""
        self.tokens = min(self._capacity, self.tokens + 1)
