"""The simulation finds what it is there to find."""

from __future__ import annotations

import pytest

from .mutants_of_bytes import MUTANTS
from .run import simulate

MOST_SIMULATIONS = 600


def found_after(name: str, most: int, first: int = 0) -> int | None:
    """Return how many simulations it takes to find a deliberate fault, and ``None`` if `most` were too few."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)
        for seed in range(first, first + most):
            if simulate(seed).problems:
                return seed - first + 1
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_deliberate_fault_is_found(name: str) -> None:
    """Within a number of simulations that is much smaller than that of one run of the tests."""
    assert found_after(name, MOST_SIMULATIONS) is not None
