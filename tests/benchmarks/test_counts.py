"""Limits of what an upload costs, in calls, instructions and allocations, which no busy machine changes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from benchmarks.counts import SCENARIOS, count
from benchmarks.job import KIB

LIMITS = {
    "one object of 16 KiB": (303, 3_640, 80),
    "a stream of 64 MiB in chunks of 64 KiB": (22_170, 342_300, 900),
    "a file of 64 MiB": (10_360, 119_500, 900),
    "64 streams of 6 MiB at once, in chunks of 1 MiB": (196_000, 2_350_000, 70_000),
}
"""Most calls and instructions, and most KiB at once besides the segments of parts: about a hundredth above what is."""


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="each version of Python makes other calls for the same code"
)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_upload_costs_no_more_than_before(name: str) -> None:
    found = asyncio.run(count(SCENARIOS[name]))
    most_calls, most_instructions, most_kib = LIMITS[name]
    how = f'compare `python -m benchmarks.counts "{name}" --functions 60` with that of the last commit'
    assert found.calls <= most_calls, f"{found.calls} calls instead of {most_calls} at most: {how}"
    assert found.instructions <= most_instructions, f"{found.instructions} instructions, not {most_instructions}: {how}"
    assert found.peak <= most_kib * KIB, f"{found.peak // KIB} KiB at once instead of {most_kib}: look for what is kept"


@pytest.mark.parametrize("name", [*SCENARIOS][:2])
def test_without_an_observer_no_code_for_observers_runs(name: str) -> None:
    found = asyncio.run(count(SCENARIOS[name]))
    assert [one for one in found.by_function if "observer" in one.lower() or "Observed" in one] == []


def test_the_cost_of_a_small_object_is_counted_without_noise() -> None:
    runs = [asyncio.run(count(SCENARIOS["one object of 16 KiB"])) for _ in range(2)]
    assert (runs[0].by_function, runs[0].instructions) == (runs[1].by_function, runs[1].instructions)
