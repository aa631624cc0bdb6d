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
        self.waiting = 0
        """Number of tasks that wait for the lock."""

    @property
    def is_free(self) -> bool:
        """Whether no task holds the lock, and none waits for it."""
        return not self.waiting and not self.locked()

    async def acquire(self) -> Literal[True]:
        """Wait for the lock."""
        self.waiting += 1
        try:
            return await super().acquire()
        finally:
            self.waiting -= 1
