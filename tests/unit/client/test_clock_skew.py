"""The store's clock: what its answers tell, and what they do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aios3._client.clock_skew import StoreClock
from aios3._protocol.wire.messages import Response
from tests.support.fakes import FakeClock

AT_THREE = Response(403, {"date": "Mon, 04 May 2026 03:00:00 GMT"})
"""Two minutes and a second behind the fake clock."""
BEHIND = -timedelta(minutes=2, seconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store_clock(clock: FakeClock) -> StoreClock:
    return StoreClock(clock())


def test_without_a_word_of_the_store_ours_counts(store_clock: StoreClock, clock: FakeClock) -> None:
    """For dating requests and for judging moments."""
    assert store_clock.now() == store_clock.translate(clock.moment) == clock.moment


def test_an_answer_that_refuses_our_time_corrects_it(store_clock: StoreClock, clock: FakeClock) -> None:
    """Also as time goes on."""
    store_clock.learn(AT_THREE)
    clock.advance(60)
    assert store_clock.now() == clock.moment + BEHIND
    assert store_clock.translate(clock.moment) == clock.moment + BEHIND


def test_an_answer_without_a_time_corrects_nothing(store_clock: StoreClock, clock: FakeClock) -> None:
    """Nothing is known better than before."""
    store_clock.learn(Response(403, {}))
    assert store_clock.now() == clock.moment


def test_a_quick_answer_tells_the_stores_time(store_clock: StoreClock, clock: FakeClock) -> None:
    """It judges moments, and dates no request."""
    store_clock.note(AT_THREE, clock.moment)
    assert store_clock.translate(clock.moment) == clock.moment + BEHIND
    assert store_clock.now() == clock.moment


def test_a_slow_answer_tells_nothing(store_clock: StoreClock, clock: FakeClock) -> None:
    """When the store wrote it is not known to the minute."""
    sent_at = clock.moment
    clock.advance(60)
    store_clock.note(AT_THREE, sent_at)
    assert store_clock.translate(clock.moment) == clock.moment


def test_a_slow_answer_tells_the_earliest_that_the_store_can_have_shown(
    store_clock: StoreClock, clock: FakeClock
) -> None:
    """It looked at its clock when its answer came, or before; of two answers the later one counts."""
    assert store_clock.earliest(clock.moment) == clock.moment
    for _ in range(2):
        sent_at = clock.moment
        clock.advance(60)
        store_clock.note(AT_THREE, sent_at)
        store_clock.note(Response(200, {}), sent_at)
        assert store_clock.earliest(clock.moment) == datetime(2026, 5, 4, 3, tzinfo=UTC)


def test_a_quick_answer_tells_more_than_a_slow_one(store_clock: StoreClock, clock: FakeClock) -> None:
    """Even if the slow one came later."""
    store_clock.note(AT_THREE, clock.moment)
    sent_at = clock.moment
    clock.advance(60)
    store_clock.note(AT_THREE, sent_at)
    assert store_clock.earliest(sent_at) == store_clock.translate(sent_at) == sent_at + BEHIND


@pytest.mark.parametrize(("seconds", "counts"), [(1.0, True), (1.001, False)])
def test_an_answer_of_a_second_is_quick(
    store_clock: StoreClock, clock: FakeClock, seconds: float, counts: bool
) -> None:
    """A slower one does not tell when the store looked at its clock."""
    sent_at = clock.moment
    clock.advance(seconds)
    store_clock.note(AT_THREE, sent_at)
    assert store_clock.translate(sent_at) == sent_at + (BEHIND if counts else timedelta())
