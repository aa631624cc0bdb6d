"""The clock: real by default, and replaceable as a whole."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from aios3._concurrency.clock import Clock


async def test_the_real_one_is_aware_and_moves() -> None:
    """Signatures are dated in UTC; elapsed times never jump."""
    clock = Clock()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
    assert 0 <= clock.random() < 1
    await clock.sleep(0)
