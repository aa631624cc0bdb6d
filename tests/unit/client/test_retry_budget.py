"""The retry budget: what is gone is gone until requests succeed, or time passes."""

from __future__ import annotations

import pytest

from aios3._client.retry_budget import RetryBudget


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def test_tokens_are_taken_until_too_few_are_left(seconds: Seconds) -> None:
    """A retry that cannot be paid takes nothing."""
    budget = RetryBudget(12, seconds)
    assert [budget.take(5), budget.take(5), budget.take(5)] == [True, True, False]
    assert budget.tokens == 2
    assert budget.take(2)
    assert not budget.take(1)


def test_a_success_gives_one_back(seconds: Seconds) -> None:
    budget = RetryBudget(3, seconds)
    budget.succeeded()
    assert budget.tokens == 3
    budget.take(3)
    budget.succeeded()
    assert budget.tokens == 1


def test_time_gives_back_too(seconds: Seconds) -> None:
    """A hundredth of the capacity every second, and never more than the capacity."""
    budget = RetryBudget(500, seconds)
    assert budget.take(500)
    seconds.now += 0.5
    assert not budget.take(5)
    seconds.now += 0.5
    assert budget.take(5)
    seconds.now += 1000
    assert budget.tokens == 500


def test_what_is_free_is_always_there(seconds: Seconds) -> None:
    """Repairs cost nothing, also when everything is used up."""
    assert RetryBudget(0, seconds).take(0)
