"""Whose turn it is to feed an upload."""

from __future__ import annotations

import asyncio
from typing import Literal

__all__ = ["FairLock"]


class FairLock(asyncio.Lock):
    """A lock whose holder can see that others wait for it: to be held for long only while nobody does."""

    def __init__(self) -> None:
        """Begin free."""
        super().__init__()
        self._waiting = 0

    @property
    def has_waiters(self) -> bool:
        """Somebody waits for it."""
        return self._waiting > 0

    @property
    def is_free(self) -> bool:
        """No task has it, and none waits for it."""
        return not self._waiting and not self.locked()

    async def acquire(self) -> Literal[True]:
        """Wait for it."""
        self._waiting += 1
        try:
            return await super().acquire()
        finally:
            self._waiting -= 1
