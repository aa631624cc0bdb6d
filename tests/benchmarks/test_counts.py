"""Limits of what an upload costs, in calls and allocations, which no busy machine changes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from benchmarks.counts import SCENARIOS, count
from benchmarks.job import KIB

LIMITS = {
    "one object of 16 KiB": (350, 80),
    "a stream of 64 MiB in chunks of 64 KiB": (38_600, 900),
    "a file of 64 MiB": (16_400, 900),
    "64 streams of 6 MiB at once, in chunks of 1 MiB": (241_000, 70_000),
}
"""Most calls, and most KiB at once besides the segments of the parts. They lie about a hundredth above what is."""


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="each version of Python makes other calls for the same code"
)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_upload_makes_no_more_calls_and_allocations_than_before(name: str) -> None:
    found = asyncio.run(count(SCENARIOS[name]))
    most_calls, most_kib = LIMITS[name]
    how = f'compare `python -m benchmarks.counts "{name}" --functions 60` with that of the last commit'
    assert found.calls <= most_calls, f"{found.calls} calls instead of {most_calls} at most: {how}"
    assert found.peak <= most_kib * KIB, f"{found.peak // KIB} KiB at once instead of {most_kib}: look for what is kept"


def test_the_calls_of_a_small_object_are_counted_without_noise() -> None:
    runs = [asyncio.run(count(SCENARIOS["one object of 16 KiB"])) for _ in range(2)]
    assert runs[0].by_function == runs[1].by_function
