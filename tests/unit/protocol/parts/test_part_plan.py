"""How large parts are: by arithmetic, up to the largest objects."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.parts.part_plan import PartPlan, check_part_size, plan_parts, plan_resumed, reading_reserve
from aios3.errors import ConfigurationError, PartLimitError
from aios3.options import GIB, MIB, TransferConfig
from aios3.providers import PROVIDERS, Provider

TIB = 1024 * GIB
GENERIC = PROVIDERS["generic"]
EQUAL = dataclasses.replace(GENERIC, equal_parts=True)
DEFAULT = TransferConfig()


def plan(provider: Provider = GENERIC, transfer: TransferConfig = DEFAULT, **changes: int | None) -> PartPlan:
    arguments = {"size": None, "memory_limit": transfer.memory_limit, **changes}
    return plan_parts(provider, transfer, **arguments)  # type: ignore[arg-type]


def test_the_first_half_of_the_parts_is_equal() -> None:
    assert {plan().size_of(number) for number in range(1, 5001)} == {5 * MIB}


def test_the_second_half_doubles_in_ten_steps() -> None:
    """Up to half of the memory limit, so that two parts can be held."""
    sizes = [plan().size_of(number) for number in (5001, 5500, 5501, 6000, 6001, 6501, 7001, 10_000)]
    assert sizes == [10 * MIB, 10 * MIB, 20 * MIB, 20 * MIB, 40 * MIB, 80 * MIB, 128 * MIB, 128 * MIB]


def test_a_quarter_of_the_memory_is_kept_to_read_parts_back() -> None:
    assert reading_reserve(DEFAULT) == 64 * MIB
    assert reading_reserve(TransferConfig(spill_directory=None)) == 0
    assert reading_reserve(TransferConfig(part_size=1, memory_limit=7, spill_directory="spill")) == 1


def test_a_small_memory_limit_works_without_the_disk() -> None:
    """A quarter of it would hold no part."""
    assert reading_reserve(TransferConfig(memory_limit=20 * MIB)) == 5 * MIB
    assert reading_reserve(TransferConfig(memory_limit=20 * MIB - 1)) == 0


def test_growth_ends_at_the_largest_part_that_the_store_takes() -> None:
    provider = dataclasses.replace(GENERIC, max_part_size=100 * MIB)
    assert plan(provider).size_of(10_000) == 100 * MIB


@pytest.mark.parametrize(("provider", "transfer"), [(EQUAL, DEFAULT), (GENERIC, TransferConfig(part_growth="fixed"))])
def test_parts_stay_equal_where_they_must(provider: Provider, transfer: TransferConfig) -> None:
    sizes = {plan(provider, transfer).size_of(number) for number in (1, 5001, 10_000)}
    assert sizes == {5 * MIB}
    assert plan(provider, transfer).capacity == 10_000 * 5 * MIB


def test_a_stream_may_grow_far_beyond_equal_parts() -> None:
    """48.8 GiB are not the end; by arithmetic only, since nobody uploads that much in a test."""
    assert plan().capacity > 400 * GIB
    assert plan().capacity == sum(plan().size_of(number) for number in range(1, 10_001))


def test_a_part_too_many_is_an_error() -> None:
    """It says what would help."""
    with pytest.raises(PartLimitError, match=rf"longer than {EQUAL.max_parts * 5 * MIB} bytes.*10000 parts.*declare"):
        plan(EQUAL).size_of(10_001)


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 50_000 * MIB])
def test_a_declared_size_that_fits_keeps_the_part_size(size: int) -> None:
    assert plan(size=size) == PartPlan(5 * MIB, 5 * MIB, 10_000)


@pytest.mark.parametrize(
    ("size", "part"), [(50_000 * MIB + 1, 6 * MIB), (60_000 * MIB, 6 * MIB), (60_000 * MIB + 1, 7 * MIB)]
)
def test_a_larger_declared_size_is_cut_into_equal_parts_of_whole_mib(size: int, part: int) -> None:
    assert plan(size=size) == PartPlan(part, part, 10_000)


def test_a_size_beyond_the_stores_parts_is_refused() -> None:
    with pytest.raises(PartLimitError, match="more than 10000 parts of 5368709120 bytes, the most that generic"):
        plan(transfer=TransferConfig(memory_limit=6 * GIB), size=50 * TIB)


def test_a_limit_that_is_no_whole_mib_is_used_to_the_full() -> None:
    """Rounding up does not refuse what would fit."""
    provider = Provider("odd", max_part_size=5 * MIB + 1, max_parts=10)
    assert plan(provider, size=10 * (5 * MIB + 1)).first_size == 5 * MIB + 1
    with pytest.raises(PartLimitError):
        plan(provider, size=10 * (5 * MIB + 1) + 1)


def test_a_size_that_needs_more_memory_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=f"need parts of {105 * MIB} bytes; raise memory_limit"):
        plan(size=TIB, memory_limit=100 * MIB)


def test_a_part_that_the_driver_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=f"may hold only {64 * MIB}"):
        plan(transfer=TransferConfig(part_size=65 * MIB), memory_limit=64 * MIB)


@pytest.mark.parametrize("part_size", [5 * MIB - 1, 5 * GIB + 1])
def test_a_part_size_that_the_store_does_not_take_is_refused(part_size: int) -> None:
    transfer = TransferConfig(part_size=part_size, memory_limit=8 * GIB)
    for check in (lambda: check_part_size(GENERIC, transfer), lambda: plan(transfer=transfer)):
        with pytest.raises(ConfigurationError, match=f"{part_size} bytes, but generic takes parts of 5242880 to"):
            check()


@given(
    size=st.integers(0, 20 * 1000 * MIB),
    part_size=st.integers(1, 64 * MIB),
    max_parts=st.integers(1, 1000),
    equal=st.booleans(),
)
def test_any_declared_size_fits_its_plan(size: int, part_size: int, max_parts: int, equal: bool) -> None:
    provider = Provider("any", min_part_size=1, max_part_size=100 * MIB, max_parts=max_parts, equal_parts=equal)
    transfer = TransferConfig(part_size=part_size, memory_limit=100 * MIB)
    try:
        made = plan(provider, transfer, size=size)
    except PartLimitError:
        assert size > max_parts * 100 * MIB
        return
    assert made.capacity == made.first_size * max_parts >= size
    assert part_size <= made.first_size <= 100 * MIB


@given(part_size=st.integers(1, 64 * MIB), memory=st.integers(0, 200 * MIB), max_parts=st.integers(2, 300))
def test_any_growing_plan_only_grows(part_size: int, memory: int, max_parts: int) -> None:
    transfer = TransferConfig(part_size=part_size, memory_limit=part_size + memory)
    provider = Provider("any", min_part_size=1, max_part_size=100 * MIB, max_parts=max_parts)
    made = plan(provider, transfer)
    sizes = [made.size_of(number) for number in range(1, max_parts + 1)]
    assert sizes == sorted(sizes)
    assert {type(size) for size in sizes} == {int}
    assert sizes[0] == part_size
    assert sizes[-1] <= max(part_size, min(100 * MIB, (part_size + memory) // 2))


@pytest.mark.parametrize(("max_parts", "sizes"), [(1, [10]), (2, [10, 20]), (3, [10, 20, 40]), (4, [10, 10, 20, 40])])
def test_plans_of_few_parts_grow_as_well(max_parts: int, sizes: list[int]) -> None:
    few = PartPlan(first_size=10, largest_size=40, max_parts=max_parts)
    assert [few.size_of(number) for number in range(1, max_parts + 1)] == sizes


@pytest.mark.parametrize("limit", [6 * MIB, 6 * MIB + 100, 7 * MIB - 1])
def test_parts_may_be_as_large_as_the_memory(limit: int) -> None:
    assert (
        plan(transfer=TransferConfig(memory_limit=8 * MIB), size=10_000 * limit, memory_limit=limit).first_size == limit
    )


def resumed(size: int | None, provider: Provider = GENERIC, transfer: TransferConfig = DEFAULT) -> PartPlan:
    return plan_resumed(provider, transfer, size=size, memory_limit=transfer.memory_limit)


def test_an_upload_goes_on_with_the_parts_it_began_with() -> None:
    """As one of unknown length, whatever is declared, because its first parts are there already."""
    for size in (None, 0, 100 * GIB, plan().capacity):
        assert resumed(size) == plan()
    assert resumed(None, EQUAL).largest_size == 5 * MIB


def test_an_upload_that_cannot_go_on_to_its_declared_end_is_refused() -> None:
    with pytest.raises(PartLimitError, match=f"the source is longer than {plan().capacity} bytes"):
        resumed(plan().capacity + 1)
    with pytest.raises(ConfigurationError, match="part_size"):
        resumed(None, transfer=TransferConfig(part_size=1))
    with pytest.raises(ConfigurationError, match="memory_limit"):
        plan_resumed(GENERIC, DEFAULT, size=None, memory_limit=MIB)


def test_growth_never_makes_parts_smaller() -> None:
    transfer = TransferConfig(part_size=8 * MIB, memory_limit=8 * MIB)
    assert {plan(transfer=transfer).size_of(number) for number in (1, 5001, 10_000)} == {8 * MIB}


def test_the_largest_object_of_s3_fits() -> None:
    exactly = plan(transfer=TransferConfig(memory_limit=6 * GIB), size=10_000 * 5 * GIB)
    assert exactly == PartPlan(5 * GIB, 5 * GIB, 10_000)


def test_the_limits_themselves_are_taken() -> None:
    for part_size in (5 * MIB, 5 * GIB):
        check_part_size(GENERIC, TransferConfig(part_size=part_size, memory_limit=8 * GIB))


def test_a_part_size_that_just_suffices_is_kept() -> None:
    transfer = TransferConfig(part_size=5 * MIB + 1)
    assert plan(transfer=transfer, size=10_000 * (5 * MIB + 1)).first_size == 5 * MIB + 1
