"""A plugin for pytest: property tests try few examples, and state machines none, because they run for every mutant."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Come after the profile of the tests, and before any of them is read."""
    settings.register_profile(
        "mutation", deadline=None, derandomize=True, max_examples=15, suppress_health_check=list(HealthCheck)
    )
    settings.load_profile("mutation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the state machines, whose number of examples is their own."""
    items[:] = [item for item in items if item.name != "runTest"]
