"""Tests of the adaptive rate and its parts."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.policies.adaptive_rate import AdaptiveRate, CubicRate, RateEstimator, TokenBucket


class Store:
    """A store that accepts `rate` requests a second, and bursts of three."""

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
    """A client that always has a request to send, and gets each response at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.adaptive = AdaptiveRate()
        self.now = 100.0
        self.accepted = self.refused = 0

    def send_until(self, end: float) -> None:
        while True:
            self.now += max(self.adaptive.delay(self.now), 1e-3)
            if self.now >= end:
                return
            self.adaptive.spend(self.now)
            if self.store.takes(self.now):
                self.accepted += 1
                self.adaptive.on_accepted(self.now, self.now)
            else:
                self.refused += 1
                self.adaptive.on_throttled(self.now, self.now - 1e-3, 1)


def throttled(now: float = 10.0, latency: float = 0.1, in_flight: int = 8) -> AdaptiveRate:
    adaptive = AdaptiveRate()
    assert adaptive.on_throttled(now, now - latency, in_flight)
    return adaptive


def test_first_throttling_response_halves_the_sent_rate() -> None:
    adaptive = throttled()
    assert adaptive.rate(10.0) == pytest.approx(40)
    assert adaptive.delay(10.0) == pytest.approx(1 / 40)
    assert adaptive.max_in_flight(10.0) == 7
    assert adaptive.delay(10.02) == pytest.approx(1 / 40 - 0.02)
    assert adaptive.delay(10.03) == 0


def test_throttling_of_the_same_burst_lowers_only_the_limit_in_flight() -> None:
    adaptive = throttled()
    assert [adaptive.on_throttled(10.01, 9.95, left) for left in (7, 6, 2, 1)] == [False] * 4
    assert (adaptive.rate(10.01), adaptive.max_in_flight(10.01)) == (pytest.approx(40), 2)
    assert adaptive.on_throttled(10.05, 10.02, 3)


def test_hold_doubles_the_pause_up_to_a_second_with_one_request_in_flight() -> None:
    adaptive, now, gaps = throttled(), 10.0, []
    for _ in range(7):
        wait = adaptive.delay(now)
        gaps.append(wait)
        now += wait
        adaptive.spend(now)
        assert adaptive.on_throttled(now, now, 1)
        assert adaptive.max_in_flight(now) == 1
    assert gaps == pytest.approx([1 / 40, 2 / 40, 4 / 40, 8 / 40, 16 / 40, 32 / 40, 1.0])


def test_rate_after_a_hold_is_the_rate_accepted_in_it() -> None:
    adaptive = throttled()
    adaptive.spend(10.1)
    adaptive.on_throttled(10.1, 10.1, 1)
    adaptive.on_accepted(10.5, 10.4)
    assert 2 < adaptive.rate(10.5) < 4
    assert adaptive.delay(10.5) == pytest.approx(1 / adaptive.rate(10.5))


def test_known_rate_is_reused_within_a_minute() -> None:
    sender = Sender(Store(20))
    sender.send_until(110)
    sender.store.rate = 1e6
    sender.send_until(120)
    adaptive = sender.adaptive
    assert not adaptive.is_limited
    adaptive.on_throttled(sender.now, sender.now - 0.001, 8)
    assert 10 < adaptive.rate(sender.now) < 40
    later = copy.deepcopy(adaptive)
    later.is_limited = False
    later.on_throttled(sender.now + 100, sender.now + 99.999, 8)
    assert later.rate(sender.now + 100) == pytest.approx(4000)


def test_rate_after_a_cut_follows_the_curve_from_the_accepted_rate() -> None:
    sender = Sender(Store(20))
    sender.send_until(120)
    adaptive, now = sender.adaptive, sender.now
    adaptive.on_throttled(now, now, 2)
    allowed = adaptive.rate(now) / 0.9
    assert 14 < allowed < 28
    assert adaptive.rate(now + 0.63) == pytest.approx(allowed, rel=0.01)
    assert allowed * 1.5 < adaptive.rate(now + 2) < allowed * 2.5


@pytest.mark.parametrize("allowed", [2, 5, 20, 100, 400])
def test_constant_store_rate_is_used_with_little_throttling(allowed: float) -> None:
    sender = Sender(Store(allowed))
    sender.send_until(105)
    sender.accepted = sender.refused = 0
    sender.send_until(145)
    assert sender.accepted > 0.85 * 40 * allowed
    assert sender.refused < 0.3 * sender.accepted
    assert sender.refused < 40


@pytest.mark.parametrize(("before", "after"), [(20, 100), (100, 20), (50, 2)])
def test_changed_store_rate_is_found_within_seconds(before: float, after: float) -> None:
    sender = Sender(Store(before))
    sender.send_until(110)
    sender.store.rate = after
    sender.send_until(120)
    sender.accepted = sender.refused = 0
    sender.send_until(140)
    assert 0.8 * 20 * after < sender.accepted < 1.1 * 20 * after
    assert sender.refused < 30


@pytest.mark.parametrize(("allowed", "seconds"), [(2, 16), (20, 5), (200, 5)])
def test_limit_ends_soon_after_throttling_ends(allowed: float, seconds: float) -> None:
    """It lasts longer for a slow store, because its time unit is longer."""
    sender = Sender(Store(allowed))
    sender.send_until(120)
    sender.store.rate = 1e6
    sender.send_until(120 + seconds)
    assert not sender.adaptive.is_limited


def test_limit_in_a_hold_ends_after_a_minute_without_requests() -> None:
    adaptive = throttled()
    adaptive.on_throttled(10.1, 10.1, 1)
    adaptive.delay(60.0)
    assert adaptive.is_limited
    adaptive.delay(70.2)
    assert not adaptive.is_limited


def test_slow_start_grows_by_one_request_per_latency_and_at_most_by_half() -> None:
    near, far = throttled(), throttled(latency=1.0)
    assert far.rate(10.0) == pytest.approx(4)
    near.on_accepted(10.2, 10.19)
    far.on_accepted(11.0, 10.0)
    assert near.rate(10.2) == pytest.approx(60)
    assert far.rate(11.0) == pytest.approx(5)
    assert near.max_in_flight(10.2) == 8


def test_slow_start_above_its_threshold_continues_on_the_curve() -> None:
    adaptive, now = throttled(), 10.0
    for _ in range(2):
        now += 0.3
        adaptive.on_accepted(now, now)
    assert adaptive.rate(now) == pytest.approx(0.9 * 90)
    adaptive.delay(now + 3)
    assert adaptive.is_limited
    adaptive.delay(now + 4)
    assert not adaptive.is_limited


@pytest.mark.parametrize(("latency", "unit"), [(0.1, 1.0), (3.0, 6.0), (100.0, 8.0)])
def test_time_unit_is_twice_the_latency_up_to_eight_seconds(latency: float, unit: float) -> None:
    adaptive = throttled(in_flight=800)
    adaptive.on_accepted(10.1, 10.0)
    adaptive.on_accepted(10.2, 10.1)
    now = 10.5 + latency
    adaptive.on_throttled(now, 10.5, 800)
    assert adaptive.rate(now + 0.63 * unit) == pytest.approx(adaptive.rate(now) / 0.9, rel=0.01)
    assert adaptive.rate(now + 1.5 * unit) == pytest.approx(adaptive.rate(now) / 0.9 * 1.264, rel=0.01)


def known(width: int = 9) -> AdaptiveRate:
    """Return a rate on the curve: ten requests were accepted in the second between two throttling responses."""
    adaptive = throttled(now=10.0)
    for tenth in range(1, 11):
        adaptive.on_accepted(10.0 + tenth / 10, 9.99 + tenth / 10)
    assert adaptive.on_throttled(11.0, 10.95, width + 1)
    return adaptive


def test_limit_in_flight_follows_the_curve_above_its_first_value() -> None:
    adaptive = known()
    assert [adaptive.max_in_flight(11.0 + seconds) for seconds in (0.0, 0.3, 0.6)] == [9, 9, 9]
    later = [adaptive.max_in_flight(11.0 + seconds) for seconds in (1.0, 2.0, 3.0)]
    growth = [adaptive.rate(11.0 + seconds) / adaptive.rate(11.0) * 0.9 for seconds in (1.0, 2.0, 3.0)]
    assert later == pytest.approx([9 * factor for factor in growth])
    assert later[0] > 9.01
    assert later[2] > 30


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
def test_rate_after_any_events_lets_a_request_pass(events: list[tuple[float, float, int, str]]) -> None:
    adaptive, now, was_refused = AdaptiveRate(), 0.0, False
    for seconds, latency, count, event in events:
        now += seconds
        if event == "refused":
            adaptive.on_throttled(now, now - latency, count)
            was_refused = True
        elif event == "accepted":
            adaptive.on_accepted(now, now - latency)
        elif event == "sent":
            now += adaptive.delay(now)
            adaptive.spend(now)
        assert 0 <= adaptive.delay(now) <= 2.01
        assert adaptive.delay(now + adaptive.delay(now)) < 1e-6
        assert adaptive.max_in_flight(now) >= 1
        assert not adaptive.is_limited or (was_refused and adaptive.rate(now) >= 0.9)


def test_bucket_refills_at_the_rate_up_to_one_token_and_those_of_20_ms() -> None:
    bucket = TokenBucket(5.0)
    assert bucket.delay(5.0, 10.0, 1) == pytest.approx(0.1)
    assert bucket.delay(5.05, 10.0, 1) == pytest.approx(0.05)
    assert bucket.delay(99.0, 10.0, 1) == pytest.approx(-0.02)
    assert bucket.delay(99.0, 10.0, 3) == pytest.approx(0.18)
    assert bucket.delay(99.5, 10.0, 3) == 0


def test_bucket_may_be_in_debt_and_a_drain_keeps_the_debt() -> None:
    bucket = TokenBucket(5.0)
    bucket.spend(5.0, 10.0, 2)
    bucket.drain(5.1)
    assert bucket.delay(5.1, 10.0, 1) == pytest.approx(0.3)
    bucket.refill(6.0, 10.0)
    bucket.drain(6.0)
    assert bucket.delay(6.0, 10.0, 1) == pytest.approx(0.1)


def test_estimator_lets_earlier_samples_decay() -> None:
    estimator = RateEstimator(5.0)
    for _ in range(8):
        estimator.count()
    assert estimator.end_sample(7.0, 2.0)
    assert estimator.rate() == pytest.approx(8.5 / 2)
    assert not estimator.end_sample(11.0, 4.0)
    assert estimator.rate() == pytest.approx((8 / math.e + 0.5) / (2 / math.e + 4))


def test_estimator_is_reliable_from_four_accepted_requests() -> None:
    estimator = RateEstimator(0.0)
    for count, is_reliable in ((3, False), (4, True)):
        for _ in range(count):
            estimator.count()
        estimator.end_sample(1e6 * count, 1.0)
        assert estimator.is_reliable() is is_reliable


def test_estimator_postpones_only_a_sample_without_accepted_requests() -> None:
    estimator = RateEstimator(0.0)
    estimator.postpone(1.0)
    estimator.count()
    estimator.postpone(2.0)
    estimator.end_sample(3.0, 1.0)
    assert estimator.rate() == pytest.approx(1.5 / 2)


def test_cubic_rate_with_a_known_rate_begins_on_the_curve() -> None:
    for sent_rate, allowed in ((30.0, 20.0), (10.0, 10.0)):
        cubic = CubicRate()
        cubic.lower(20.0)
        cubic.begin(sent_rate, is_known=True)
        cubic.begin_curve(7.0, 0.1)
        assert cubic.at(7.0) == pytest.approx(0.9 * allowed)
        assert not cubic.in_slow_start
        assert not cubic.has_ended(10.22)
        assert cubic.has_ended(10.23)


def test_cubic_rate_that_never_left_slow_start_begins_it_again() -> None:
    cubic = CubicRate()
    for sent_rate, is_known in ((80.0, False), (20.0, True)):
        cubic.begin(sent_rate, is_known=is_known)
        cubic.begin_curve(7.0, 0.1)
        assert cubic.in_slow_start
        assert cubic.at(99.0) == sent_rate / 2
        assert not cubic.has_ended(99.0)


def test_cubic_rate_is_lowered_to_one_request_a_second_at_most() -> None:
    cubic = CubicRate()
    cubic.begin(80.0, is_known=False)
    cubic.lower(50.0)
    assert cubic.at(0.0) == 40
    cubic.lower(0.5)
    assert cubic.at(0.0) == 1


def test_cubic_rate_frozen_on_the_curve_keeps_its_present_rate() -> None:
    cubic = CubicRate()
    cubic.begin(80.0, is_known=False)
    cubic.in_slow_start = False
    cubic.begin_curve(7.0, 0.1)
    assert cubic.freeze(7.0) == pytest.approx(36)
    cubic.begin_curve(8.0, 0.1)
    assert cubic.at(8.0) == pytest.approx(0.9 * 36)


def test_hold_on_the_curve_ends_in_slow_start_if_few_requests_were_accepted() -> None:
    for seconds, grows in ((0.1, True), (10.0, False)):
        adaptive = known()
        adaptive.on_throttled(11.0, 11.0, 1)
        adaptive.on_accepted(11.0 + seconds, 11.0)
        rate = adaptive.rate(11.0 + seconds)
        assert (adaptive.rate(11.5 + seconds) > rate) is grows
