"""Time, sleep and randomness as one argument, which lets tests neither wait nor guess."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

__all__ = ["Clock"]

_utc_now: Final = partial(datetime.now, UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time, sleep and randomness; the real ones by default."""

    now: Callable[[], datetime] = _utc_now
    """Wall clock as an aware datetime, for the dates of signatures."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that never jump, for elapsed times."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    """Random number from 0 up to 1."""
