"""The retry budget: what is gone is gone until requests succeed."""

from __future__ import annotations

from aios3._upload.retry_budget import RetryBudget


def test_tokens_are_taken_until_too_few_are_left() -> None:
    """A retry that cannot be paid takes nothing."""
    budget = RetryBudget(12)
    assert [budget.take(5), budget.take(5), budget.take(5)] == [True, True, False]
    assert budget.tokens == 2
    assert budget.take(2)
    assert not budget.take(1)


def test_a_success_gives_one_back() -> None:
    """Never more than there were in the beginning."""
    budget = RetryBudget(3)
    budget.succeeded()
    assert budget.tokens == 3
    budget.take(3)
    budget.succeeded()
    assert budget.tokens == 1


def test_what_is_free_is_always_there() -> None:
    """Repairs cost nothing, also when everything is used up."""
    assert RetryBudget(0).take(0)
