"""How fast requests may follow one another while a store throttles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.policies.adaptive_rate import AdaptiveRate


class Bucket:
    """A store that lets so many requests a second through, and a burst of three."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens, self._at = 3.0, 0.0

    def takes(self, now: float) -> bool:
        self._tokens = min(3.0, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Sender:
    """One that always has something to send, and is answered at once."""

    def __init__(self, store: Bucket) -> None:
        self.store = store
        self.pace = AdaptiveRate()
        self.now = 100.0
        self.accepted = self.refused = 0

    def send_until(self, end: float) -> None:
        while True:
            self.now += max(self.pace.wait(self.now), 1e-3)
            if self.now >= end:
                return
            self.pace.spend(self.now)
            if self.store.takes(self.now):
                self.accepted += 1
                self.pace.accepted(self.now, self.now)
            else:
                self.refused += 1
                self.pace.refused(self.now, self.now - 1e-3, 1)


def throttled(now: float = 10.0, latency: float = 0.1, in_flight: int = 8) -> AdaptiveRate:
    pace = AdaptiveRate()
    assert pace.refused(now, now - latency, in_flight)
    return pace


def test_there_is_no_limit_until_the_store_throttles() -> None:
    """However much is sent and accepted."""
    pace = AdaptiveRate()
    for _ in range(1000):
        assert (pace.wait(5.0), pace.width(5.0)) == (0.0, math.inf)
        pace.spend(5.0)
        pace.accepted(5.0, 4.0)
    assert not pace.is_limited


def test_the_first_refusal_halves_what_was_sent() -> None:
    """Eight that took a tenth of a second each were 80 a second; the seven others may stay on their way."""
    pace = throttled()
    assert pace.rate(10.0) == pytest.approx(40)
    assert pace.wait(10.0) == pytest.approx(1 / 40)
    assert pace.width(10.0) == 7
    assert pace.wait(10.02) == pytest.approx(1 / 40 - 0.02)
    assert pace.wait(10.03) == 0


def test_a_refusal_of_a_request_from_before_says_nothing_new() -> None:
    """Only that fewer may be on their way; but a pair always may."""
    pace = throttled()
    assert [pace.refused(10.01, 9.95, left) for left in (7, 6, 2, 1)] == [False] * 4
    assert (pace.rate(10.01), pace.width(10.01)) == (pytest.approx(40), 2)
    assert pace.refused(10.05, 10.02, 3)


def test_while_nothing_comes_through_one_at_a_time_is_sent_ever_more_rarely() -> None:
    """Up to a second apart: then it is the requests' own waits that grow."""
    pace, now, gaps = throttled(), 10.0, []
    for _ in range(7):
        wait = pace.wait(now)
        gaps.append(wait)
        now += wait
        pace.spend(now)
        assert pace.refused(now, now, 1)
        assert pace.width(now) == 1
    assert gaps == pytest.approx([1 / 40, 2 / 40, 4 / 40, 8 / 40, 16 / 40, 32 / 40, 1.0])


def test_after_a_hold_the_rate_is_what_came_through_in_it() -> None:
    """One request in half a second, not the forty that it was tried with."""
    pace = throttled()
    pace.spend(10.1)
    pace.refused(10.1, 10.1, 1)
    pace.accepted(10.5, 10.4)
    assert 2 < pace.rate(10.5) < 4
    assert pace.wait(10.5) == pytest.approx(1 / pace.rate(10.5))


def test_a_known_rate_is_where_the_next_throttling_begins() -> None:
    """It need not be searched for again, for a minute."""
    sender = Sender(Bucket(20))
    sender.send_until(110)
    sender.store.rate = 1e6
    sender.send_until(120)
    pace = sender.pace
    assert not pace.is_limited
    pace.refused(sender.now, sender.now - 0.001, 8)
    assert 10 < pace.rate(sender.now) < 40
    later = AdaptiveRate()
    later.__dict__.update(pace.__dict__, is_limited=False)
    later.refused(sender.now + 100, sender.now + 99.999, 8)
    assert later.rate(sender.now + 100) == pytest.approx(4000)


def test_requests_accepted_between_refusals_are_what_is_allowed() -> None:
    """The curve begins a little below, is there after a while, and then goes past it."""
    sender = Sender(Bucket(20))
    sender.send_until(120)
    pace, now = sender.pace, sender.now
    pace.refused(now, now, 2)
    allowed = pace.rate(now) / 0.9
    assert 14 < allowed < 28
    assert pace.rate(now + 0.63) == pytest.approx(allowed, rel=0.01)
    assert allowed * 1.5 < pace.rate(now + 2) < allowed * 2.5


@pytest.mark.parametrize("allowed", [2, 5, 20, 100, 400])
def test_the_rate_of_a_store_is_held(allowed: float) -> None:
    """Nearly all of it is used, and few requests are refused."""
    sender = Sender(Bucket(allowed))
    sender.send_until(105)
    sender.accepted = sender.refused = 0
    sender.send_until(145)
    assert sender.accepted > 0.85 * 40 * allowed
    assert sender.refused < 0.3 * sender.accepted
    assert sender.refused < 40


@pytest.mark.parametrize(("before", "after"), [(20, 100), (100, 20), (50, 2)])
def test_another_rate_is_found(before: float, after: float) -> None:
    """Within seconds."""
    sender = Sender(Bucket(before))
    sender.send_until(110)
    sender.store.rate = after
    sender.send_until(120)
    sender.accepted = sender.refused = 0
    sender.send_until(140)
    assert 0.8 * 20 * after < sender.accepted < 1.1 * 20 * after
    assert sender.refused < 30


@pytest.mark.parametrize(("allowed", "seconds"), [(2, 16), (20, 5), (200, 5)])
def test_when_throttling_ends_so_does_the_limit(allowed: float, seconds: float) -> None:
    """The slower the store was the more slowly, or it would be refusals that it was found out with."""
    sender = Sender(Bucket(allowed))
    sender.send_until(120)
    sender.store.rate = 1e6
    sender.send_until(120 + seconds)
    assert not sender.pace.is_limited


def test_the_limit_is_not_forgotten_while_nothing_comes_through() -> None:
    """Only after a minute, when nothing is known of the store any more."""
    pace = throttled()
    pace.refused(10.1, 10.1, 1)
    pace.wait(60.0)
    assert pace.is_limited
    pace.wait(70.2)
    assert not pace.is_limited


def test_a_search_goes_up_by_half_but_no_faster_than_answers_allow() -> None:
    """A request more per round for every one accepted: twice as many a round, however many are on their way."""
    near, far = throttled(), throttled(latency=1.0)
    assert far.rate(10.0) == pytest.approx(4)
    near.accepted(10.2, 10.19)
    far.accepted(11.0, 10.0)
    assert near.rate(10.2) == pytest.approx(60)
    assert far.rate(11.0) == pytest.approx(5)
    assert near.width(10.2) == 8


def test_a_search_that_finds_nothing_ends_as_any_limit_does() -> None:
    """Everything that was sent before comes through again."""
    pace, now = throttled(), 10.0
    for _ in range(2):
        now += 0.3
        pace.accepted(now, now)
    assert pace.rate(now) == pytest.approx(0.9 * 90)
    pace.wait(now + 3)
    assert pace.is_limited
    pace.wait(now + 4)
    assert not pace.is_limited


@pytest.mark.parametrize(("latency", "unit"), [(0.1, 1.0), (3.0, 6.0), (100.0, 8.0)])
def test_the_curve_takes_longer_where_refusals_come_late(latency: float, unit: float) -> None:
    """But not for ever."""
    pace = throttled(in_flight=800)
    pace.accepted(10.1, 10.0)
    pace.accepted(10.2, 10.1)
    now = 10.5 + latency
    pace.refused(now, 10.5, 800)
    assert pace.rate(now + 0.63 * unit) == pytest.approx(pace.rate(now) / 0.9, rel=0.01)
    assert pace.rate(now + 1.5 * unit) == pytest.approx(pace.rate(now) / 0.9 * 1.264, rel=0.01)


def test_a_crowd_shows_when_the_store_had_nothing_left_last() -> None:
    """What comes through is counted from there."""
    pace = throttled()
    pace.refused(10.2, 9.99, 7)
    pace.accepted(10.25, 10.21)
    pace.refused(10.3, 10.26, 2)
    assert pace.rate(10.3) == pytest.approx(1.5 / 0.1)


def test_a_request_may_need_a_longer_gap() -> None:
    """One that was refused three times waits for three."""
    pace = throttled()
    assert pace.wait(10.0, 3) == pytest.approx(3 / 40)
    assert pace.wait(10.075, 3) == pytest.approx(0, abs=1e-9)
    pace.spend(10.075, 3)
    assert pace.wait(10.075) == pytest.approx(1 / 40)


def known(width: int = 9) -> AdaptiveRate:
    """Return a pace whose rate was found: ten that came through in the second between two refusals."""
    pace = throttled(now=10.0)
    for tenth in range(1, 11):
        pace.accepted(10.0 + tenth / 10, 9.99 + tenth / 10)
    assert pace.refused(11.0, 10.95, width + 1)
    return pace


def test_a_bound_on_those_on_their_way_holds_at_first_and_then_follows_the_curve() -> None:
    """It never falls below what was on its way when the store last refused."""
    pace = known()
    assert [pace.width(11.0 + seconds) for seconds in (0.0, 0.3, 0.6)] == [9, 9, 9]
    later = [pace.width(11.0 + seconds) for seconds in (1.0, 2.0, 3.0)]
    growth = [pace.rate(11.0 + seconds) / pace.rate(11.0) * 0.9 for seconds in (1.0, 2.0, 3.0)]
    assert later == pytest.approx([9 * factor for factor in growth])
    assert later[0] > 9.01
    assert later[2] > 30


def test_while_the_rate_is_searched_the_bound_stays_as_it_is() -> None:
    """Only what comes through lets it grow."""
    pace = throttled()
    assert [pace.width(10.0 + seconds) for seconds in (0.0, 3.0, 30.0)] == [7, 7, 7]


def test_an_idle_time_saves_up_no_burst() -> None:
    """But a timer that is late loses nothing."""
    pace = throttled()
    burst = 0
    while pace.wait(11.0) <= 0:
        pace.spend(11.0)
        burst += 1
    assert burst == 1
    assert pace.wait(11.0) == pytest.approx(0.2 / 40)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5),
            st.floats(0, 3),
            st.integers(1, 300),
            st.sampled_from(("refused", "accepted", "sent", "overtaken")),
        ),
        max_size=60,
    )
)
def test_whatever_happens_there_is_a_way_on(events: list[tuple[float, float, int, str]]) -> None:
    """The wait is finite and ends; one request at least may be on its way; no limit comes without a refusal."""
    pace, now, was_refused = AdaptiveRate(), 0.0, False
    for seconds, latency, count, event in events:
        now += seconds
        if event == "refused":
            pace.refused(now, now - latency, count)
            was_refused = True
        elif event == "accepted":
            pace.accepted(now, now - latency)
        elif event == "sent":
            now += pace.wait(now)
            pace.spend(now)
        assert 0 <= pace.wait(now) <= 2.01
        assert pace.wait(now + pace.wait(now)) < 1e-6
        assert pace.width(now) >= 1
        assert not pace.is_limited or (was_refused and pace.rate(now) >= 0.9)
