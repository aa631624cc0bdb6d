"""The form of the table: no fact without its source."""

from __future__ import annotations

import dataclasses

import pytest

from aios3 import Provider
from aios3.provider_facts import Facts, facts, row


def test_facts_have_the_fields_of_a_provider() -> None:
    """All that say something about the store."""
    assert Facts.__annotations__.keys() == {field.name for field in dataclasses.fields(Provider)} - {"name", "sources"}


def test_a_source_holds_for_the_facts_that_follow_it() -> None:
    """Up to the next one."""
    made = row("x", "a", facts(max_parts=1), facts(equal_parts=True), "b", facts(endpoint=None))
    assert made.name == "x"
    assert made.facts == {"max_parts": 1, "equal_parts": True, "endpoint": None}
    assert made.sources == {"max_parts": "a", "equal_parts": "a", "endpoint": "b"}


def test_a_store_can_be_unknown() -> None:
    """Then nothing is said of it."""
    assert row("x") == ("x", {}, {})


def test_a_fact_without_a_source_is_a_mistake() -> None:
    """It is found when the table is read."""
    with pytest.raises(ValueError, match="x: max_parts, equal_parts: without a source"):
        row("x", facts(max_parts=1, equal_parts=True))


def test_a_fact_that_is_said_twice_is_a_mistake() -> None:
    """Also if both say the same."""
    with pytest.raises(ValueError, match="max_parts: without a source, or said twice"):
        row("x", "a", facts(max_parts=1), "b", facts(max_parts=1))
