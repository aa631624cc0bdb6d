"""Log of trouble that concerns a whole driver: one line for each episode, however many requests it meets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from aios3.errors import StorageError, ThrottledError

__all__ = ["TroubleLog"]

_LOG: Final = logging.getLogger("aios3")

_QUIET: Final = 60.0
"""Seconds without trouble that end an episode."""


class TroubleLog:
    """Warns of throttling and of retry storms."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin without trouble; `monotonic` gives seconds."""
        self._throttling = _Episodes(monotonic)
        self._retry_storms = _Episodes(monotonic)

    def begins_throttling(self, failure: StorageError) -> bool:
        """Return whether `failure` begins an episode of throttling, which is then logged."""
        if not isinstance(failure, ThrottledError) or not self._throttling.begin():
            return False
        _LOG.warning("the store throttles, so requests are sent more slowly (%s)", failure)
        return True

    def budget_used_up(self, failure: StorageError) -> None:
        """Record that `failure` got no retry, because the driver's retry budget is used up."""
        if self._retry_storms.begin():
            _LOG.warning("retry storm: so many requests fail that further ones are not retried (%s)", failure)


class _Episodes:
    """Groups signs of one trouble that follow one another."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: float | None = None

    def begin(self) -> bool:
        """Note a sign of trouble; return whether it begins an episode."""
        now = self._monotonic()
        last, self._last = self._last, now
        return last is None or now - last >= _QUIET
