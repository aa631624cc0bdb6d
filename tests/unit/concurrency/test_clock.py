"""The clock: real by default, and replaceable as a whole."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from aios3._concurrency.clock import Clock
from tests.support.fakes import FakeClock


async def test_the_real_one_is_aware_and_moves() -> None:
    """Signatures are dated in UTC; elapsed times never jump."""
    clock = Clock()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
    assert 0 <= clock.random() < 1
    await clock.sleep(0)


async def test_the_one_for_tests_moves_when_somebody_sleeps() -> None:
    """And takes no time for it."""
    fake = FakeClock(random=0.25)
    clock = fake()
    before = clock.now()
    await clock.sleep(60)
    assert clock.now() - before == timedelta(seconds=60)
    assert (clock.monotonic(), clock.random(), fake.slept) == (60.0, 0.25, [60])
