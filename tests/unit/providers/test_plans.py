"""Uploads beyond 48.8 GiB on every provider, planned and not run: they fit, or a clear error says why not."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aios3 import PROVIDERS, ConfigurationError, PartLimitError, Provider, TransferConfig
from aios3._protocol.parts.part_plan import PartPlan, plan_upload
from aios3.options import GIB, MIB

TIB = 1024 * GIB
BEYOND = 10_000 * 5 * MIB
"""48.8 GiB: what ten thousand parts of 5 MiB hold."""
DEFAULT = TransferConfig()

EQUAL_PARTS = ("cloudflare", "mega")
THOUSAND_PARTS = ("scaleway", "infomaniak", "swift")

EVERY = pytest.mark.parametrize("name", PROVIDERS)
SIZES = st.integers(BEYOND + 1, 60 * TIB)
CUTS = st.builds(
    lambda part, factor, growth: TransferConfig(part_size=part, memory_limit=part * factor, part_growth=growth),
    st.integers(5, 512).map(lambda count: count * MIB),
    st.integers(1, 64),
    st.sampled_from(["auto", "fixed"]),
)


def plan(name: str, transfer: TransferConfig, size: int | None) -> PartPlan:
    return plan_upload(PROVIDERS[name], transfer, transfer, size=size)


def sizes_of(parts: PartPlan) -> list[int]:
    """Return the size of every part that the plan allows."""
    return [parts.size_of(number) for number in range(1, parts.max_parts + 1)]


def check_limits(provider: Provider, transfer: TransferConfig, sizes: list[int]) -> None:
    """Check what a store refuses of parts, and the memory that the caller gave."""
    assert len(sizes) <= provider.max_parts
    assert min(sizes) >= provider.min_part_size
    assert max(sizes) <= provider.max_part_size
    assert max(sizes) <= transfer.memory_limit
    assert sizes == sorted(sizes)
    if provider.equal_parts or transfer.part_growth == "fixed":
        assert len(set(sizes)) == 1


@EVERY
@settings(max_examples=50, deadline=None)
@given(size=SIZES, transfer=CUTS)
@example(size=BEYOND + 1, transfer=DEFAULT)
@example(size=50 * TIB, transfer=TransferConfig(part_size=5 * GIB // 2, memory_limit=6 * GIB))
def test_a_declared_length_is_cut_to_fit_or_refused_before_anything_is_sent(name, size, transfer):
    provider = PROVIDERS[name]
    if size > provider.max_parts * provider.max_part_size:
        with pytest.raises(PartLimitError, match=f"{size} bytes are more than {provider.max_parts} parts.*{name}"):
            plan(name, transfer, size)
        return
    if size > provider.max_parts * transfer.memory_limit:
        with pytest.raises(ConfigurationError, match=f"{size} bytes need parts of .* raise memory_limit"):
            plan(name, transfer, size)
        return
    found = plan(name, transfer, size)
    needed = -(-size // found.first_size)
    assert needed <= found.max_parts
    check_limits(provider, transfer, [found.size_of(number) for number in range(1, needed + 1, 97)])
    assert found.size_of(1) == found.size_of(needed) == found.first_size


@EVERY
@settings(max_examples=8, deadline=None)  # each looks at every part
@given(size=SIZES, transfer=CUTS)
@example(size=BEYOND + 1, transfer=DEFAULT)
@example(size=60 * TIB, transfer=DEFAULT)
def test_an_unknown_length_grows_within_the_limits_and_ends_in_a_clear_error(name, size, transfer):
    """Parts are used up to the one that the bytes end in; where there is none, the error says what would help."""
    provider = PROVIDERS[name]
    found = plan(name, transfer, None)
    sizes = sizes_of(found)
    check_limits(provider, transfer, sizes)
    assert set(sizes[: len(sizes) // 2]) == {transfer.part_size}
    if any(total >= size for total in accumulate(sizes)):
        return
    with pytest.raises(PartLimitError, match=f"{sum(sizes)} bytes.*all that {provider.max_parts} parts.*declare its"):
        found.size_of(provider.max_parts + 1)


@EVERY
def test_with_the_defaults_a_declared_length_beyond_48_gib_is_planned(name: str) -> None:
    """On every provider: the parts get larger, also where there are 1,000 of them."""
    size = BEYOND + 1
    found = plan(name, DEFAULT, size)
    assert -(-size // found.first_size) <= PROVIDERS[name].max_parts
    assert found.first_size == {10_000: 6 * MIB, 1_000: 51 * MIB}[found.max_parts]


def test_with_the_defaults_only_these_end_an_unknown_length_below_48_gib() -> None:
    """R2 and MEGA take no unequal parts; those of a thousand parts take a tenth, of which the later ones still grow."""
    ends = {name: plan(name, DEFAULT, None).capacity for name in PROVIDERS}
    assert {name for name, capacity in ends.items() if capacity <= BEYOND} == {*EQUAL_PARTS, *THOUSAND_PARTS}
    assert {ends[name] for name in EQUAL_PARTS} == {BEYOND}
    assert all(46 * GIB < ends[name] < BEYOND for name in THOUSAND_PARTS)


@pytest.mark.parametrize("name", THOUSAND_PARTS)
def test_a_thousand_parts_are_enough_with_more_memory(name: str) -> None:
    assert PROVIDERS[name].max_parts == 1_000
    assert plan(name, TransferConfig(memory_limit=GIB), None).capacity > 2 * BEYOND
    assert plan(name, TransferConfig(part_size=16 * MIB), None).capacity > BEYOND


@pytest.mark.parametrize("name", EQUAL_PARTS)
def test_larger_parts_are_enough_where_they_must_be_equal(name: str) -> None:
    sizes = sizes_of(plan(name, TransferConfig(part_size=16 * MIB), None))
    assert set(sizes) == {16 * MIB}
    assert sum(sizes) > 3 * BEYOND
    assert plan(name, DEFAULT, 3 * BEYOND).first_size == plan(name, DEFAULT, 3 * BEYOND).largest_size
