"""Time, sleep and randomness, as one argument, so that tests neither wait nor guess."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Clock"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The real ones by default."""

    now: Callable[[], datetime] = _utc_now
    """The wall clock, aware: what signatures are dated with."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never jump: what elapsed times are measured with."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    """From 0 up to 1."""
