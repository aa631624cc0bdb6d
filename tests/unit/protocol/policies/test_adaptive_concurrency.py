"""The number of parts in flight is found by trying, on networks that are made of two numbers."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.policies.adaptive_concurrency import FIRST_LEVEL, AdaptiveConcurrency

PART = 5 << 20
Network = Callable[[int], float]
"""Gives the bytes per second of so many parts at once."""


def line(each: float, together: float = math.inf) -> Network:
    return lambda level: min(each * level, together)


def run_round(search: AdaptiveConcurrency, network: Network, *, has_waiters: bool = True, noise: float = 0.0) -> None:
    """Let as many parts through as one judgement needs."""
    epoch, level = search.epoch, search.level
    for _ in range(max(4, level)):
        if has_waiters:
            search.wanted()
        seconds = PART * level / network(level) * (1 + noise * (random.Random(search.epoch).random() - 0.5))
        search.stored(epoch, PART, seconds)


def levels(search: AdaptiveConcurrency, network: Network, rounds: int, **how: float) -> list[int]:
    """Return the level after each round."""
    found = []
    for _ in range(rounds):
        run_round(search, network, **how)  # type: ignore[arg-type]
        found.append(search.level)
    return found


def test_it_begins_small() -> None:
    assert (AdaptiveConcurrency(128).level, AdaptiveConcurrency(2).level) == (FIRST_LEVEL, 2)


def test_while_connections_are_the_limit_the_level_doubles_every_round() -> None:
    assert levels(AdaptiveConcurrency(128), line(10e6), 5) == [16, 32, 64, 128, 128]


def test_a_store_nearby_keeps_it_small() -> None:
    """More parts at once would only wait for each other: one trial, and back."""
    assert levels(AdaptiveConcurrency(128), line(1e9, 1e9), 2) == [16, 8]


def test_fewer_that_yield_as_much_are_kept() -> None:
    search = AdaptiveConcurrency(128)
    found = levels(search, line(1e9, 1e9), 60)
    assert 1 in found
    assert found[-1] in (1, 2)  # two are tried now and then
    assert found[-40:].count(1) > 30


@pytest.mark.parametrize("needed", [3, 6, 12, 40])
def test_what_the_line_needs_is_found_and_kept(needed: int) -> None:
    search = AdaptiveConcurrency(128)
    found = levels(search, line(1e6, needed * 1e6), 400)
    settled = found[100:]
    good = [level for level in settled if 0.9 * needed <= level <= max(needed + 2, 1.6 * needed)]
    assert len(good) > 0.8 * len(settled)


def test_a_line_that_becomes_faster_is_noticed() -> None:
    search = AdaptiveConcurrency(128)
    before = levels(search, line(10e6, 40e6), 60)
    after = levels(search, line(10e6, 400e6), 400)
    assert before[-1] <= 8
    assert max(after) >= 32


def test_pauses_between_trials_that_are_not_worth_it_grow() -> None:
    found = levels(AdaptiveConcurrency(128), line(1e6, 12e6), 2000)
    changes = [number for number, (one, two) in enumerate(itertools.pairwise(found)) if one != two]
    late = [change for change in changes if change > 1000]
    assert 0 < len(late) <= 2 * 1000 / 64 + 2


def test_a_source_that_is_slower_than_the_store_never_needs_more() -> None:
    search = AdaptiveConcurrency(128)
    found = levels(search, line(10e6), 100, has_waiters=False)
    assert max(found) <= FIRST_LEVEL
    assert found[-1] == 1


def test_trouble_lowers_the_level_at_once() -> None:
    search = AdaptiveConcurrency(128)
    levels(search, line(10e6), 2)
    assert search.level == 32
    search.on_failure(search.epoch)
    assert search.level == 24
    found = levels(search, line(10e6), 6)
    assert found[:4] == [24] * 4  # a pause first
    assert found[4:] == [30, 37]


def test_trouble_of_parts_that_were_sent_together_counts_once() -> None:
    search = AdaptiveConcurrency(128)
    levels(search, line(10e6), 2)
    epoch = search.epoch
    for _ in range(32):
        search.on_failure(epoch)
    assert search.level == 24


def test_throttling_ends_the_trial_and_no_more() -> None:
    search = AdaptiveConcurrency(128)
    levels(search, line(10e6), 1)
    assert search.level == 16
    search.throttled(search.epoch - 1)  # of a part from before
    assert search.level == 16
    search.throttled(search.epoch)
    assert search.level == 8
    search.throttled(search.epoch)
    assert search.level == 8
    assert levels(search, line(10e6), 6) == [8, 8, 8, 8, 10, 12]


def test_throttling_while_fewer_are_tried_keeps_the_fewer() -> None:
    search = AdaptiveConcurrency(128)
    while search.level >= 4:
        run_round(search, line(1e9, 1e9))
    search.throttled(search.epoch)
    assert search.level == 3


def test_parts_that_began_at_another_level_are_no_samples() -> None:
    search = AdaptiveConcurrency(128)
    run_round(search, line(10e6))
    assert search.level == 16
    for _ in range(100):
        search.stored(0, PART, 1e-3)
    assert search.level == 16


@given(
    st.integers(1, 128),
    st.lists(
        st.one_of(
            st.just("wanted"),
            st.just("on_failure"),
            st.just("throttled"),
            st.tuples(st.booleans(), st.integers(0, 1 << 30), st.floats(0, 1e6)),
        ),
        max_size=300,
    ),
)
def test_whatever_happens_the_level_stays_in_its_bounds(most: int, events: list[object]) -> None:
    search = AdaptiveConcurrency(most)
    for event in events:
        if event == "wanted":
            search.wanted()
        elif event == "on_failure":
            search.on_failure(search.epoch)
        elif event == "throttled":
            search.throttled(search.epoch)
        else:
            is_current, size, seconds = event  # type: ignore[misc]
            search.stored(search.epoch if is_current else search.epoch - 1, size, seconds)
        assert 1 <= search.level <= most
