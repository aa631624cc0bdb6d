"""Check that the simulation finds deliberate faults."""

from __future__ import annotations

import pytest

from .mutants_of_bytes import MUTANTS
from .run import simulate

MOST_SIMULATIONS = 600


def found_after(name: str, most: int, first: int = 0) -> int | None:
    """Return the number of simulations until one finds a deliberate fault, or ``None`` after `most` of them."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)
        for seed in range(first, first + most):
            if simulate(seed).problems:
                return seed - first + 1
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_deliberate_fault_is_found(name: str) -> None:
    assert found_after(name, MOST_SIMULATIONS) is not None
