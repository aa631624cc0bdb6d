"""Fair lock for the tasks that feed an upload."""

from __future__ import annotations

import asyncio
from typing import Literal

__all__ = ["FairLock"]


class FairLock(asyncio.Lock):
    """A lock whose holder can see whether tasks wait. It may be held for long only while none does."""

    def __init__(self) -> None:
        """Begin unlocked."""
        super().__init__()
        self._waiting = 0

    @property
    def has_waiters(self) -> bool:
        """Whether a task waits for the lock."""
        return self._waiting > 0

    @property
    def is_free(self) -> bool:
        """Whether no task holds the lock, and none waits for it."""
        return not self._waiting and not self.locked()

    async def acquire(self) -> Literal[True]:
        """Wait for the lock."""
        self._waiting += 1
        try:
            return await super().acquire()
        finally:
            self._waiting -= 1
