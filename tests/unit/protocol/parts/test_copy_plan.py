"""Sizes of the parts of copies."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.parts.part_plan import plan_copy
from aios3.errors import PartLimitError
from aios3.options import GIB, MIB
from aios3.providers import PROVIDERS

AWS = PROVIDERS["aws"]


@given(st.integers(1, 50_000 * GIB))
def test_parts_hold_every_size_that_the_store_takes(size: int) -> None:
    plan = plan_copy(AWS, size)
    assert plan.capacity >= size
    assert 5 * MIB <= plan.first_size == plan.largest_size <= 5 * GIB


def test_usual_part_has_256_mib_unless_the_store_takes_less() -> None:
    assert plan_copy(AWS, 6 * GIB).first_size == 256 * MIB
    assert plan_copy(dataclasses.replace(AWS, max_copy_size=100 * MIB), 6 * GIB).first_size == 100 * MIB


def test_size_beyond_all_parts_is_refused() -> None:
    with pytest.raises(PartLimitError, match="copied parts"):
        plan_copy(AWS, 50_001 * GIB)
