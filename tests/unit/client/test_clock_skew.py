"""The store's clock: what its answers tell, and what they do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aios3._client.clock_skew import ClockSkew
from aios3._protocol.wire.messages import Response
from tests.support.fakes import FakeClock

AT_THREE = Response(403, {"date": "Mon, 04 May 2026 03:00:00 GMT"})
"""Two minutes and a second behind the fake clock."""
BEHIND = -timedelta(minutes=2, seconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def clock_skew(clock: FakeClock) -> ClockSkew:
    return ClockSkew(clock())


def test_our_clock_counts_before_the_first_response(clock_skew: ClockSkew, clock: FakeClock) -> None:
    assert clock_skew.now() == clock_skew.to_server_time(clock.moment) == clock.moment


def test_a_response_that_refuses_our_time_corrects_it(clock_skew, clock):
    clock_skew.correct(Response(403, {}))
    assert clock_skew.now() == clock.moment
    clock_skew.correct(AT_THREE)
    clock.advance(60)
    assert clock_skew.now() == clock_skew.to_server_time(clock.moment) == clock.moment + BEHIND


def test_a_slow_answer_tells_the_earliest_that_the_store_can_have_shown(clock_skew, clock):
    assert clock_skew.earliest_server_time(clock.moment) == clock.moment
    for _ in range(2):
        sent_at = clock.moment
        clock.advance(60)
        clock_skew.note(AT_THREE, sent_at)
        clock_skew.note(Response(200, {}), sent_at)
        assert clock_skew.earliest_server_time(clock.moment) == datetime(2026, 5, 4, 3, tzinfo=UTC)


def test_a_quick_answer_tells_more_than_a_slow_one(clock_skew: ClockSkew, clock: FakeClock) -> None:
    clock_skew.note(AT_THREE, clock.moment)
    sent_at = clock.moment
    clock.advance(60)
    clock_skew.note(AT_THREE, sent_at)
    assert clock_skew.earliest_server_time(sent_at) == clock_skew.to_server_time(sent_at) == sent_at + BEHIND


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (1.0, True), (1.001, False), (60, False)])
def test_a_response_within_a_second_tells_the_time_of_the_store(clock_skew, clock, seconds, counts):
    sent_at = clock.moment
    clock.advance(seconds)
    clock_skew.note(AT_THREE, sent_at)
    assert clock_skew.to_server_time(sent_at) == sent_at + (BEHIND if counts else timedelta())
    assert clock_skew.now() == clock.moment
