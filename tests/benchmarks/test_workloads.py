"""The workloads, and how they are shrunk."""

from __future__ import annotations

import pytest

from benchmarks.columns import COLUMNS
from benchmarks.contestants import CONTESTANTS
from benchmarks.job import MIB
from benchmarks.workloads import WORKLOADS, scaled


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_every_workload_can_be_shown(workload):
    assert set(workload.columns) <= set(COLUMNS)
    assert workload.reference in CONTESTANTS


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_shrunk_workload_is_still_what_it_was(workload):
    """What was multipart stays so, as many run at once, and nothing gets bigger."""
    shrunk = scaled(workload, 0.001, {})
    assert (shrunk.size > shrunk.part_size) == (workload.size > workload.part_size) or workload.part_size > 5 * MIB
    assert shrunk.at_once == workload.at_once
    assert shrunk.uploads >= shrunk.at_once
    assert shrunk.total <= workload.total
    assert shrunk.fast == workload.fast
    assert (shrunk.fast_size > shrunk.part_size) == (workload.fast_size > workload.part_size)


def test_changes_come_after_the_scale():
    assert scaled(WORKLOADS["stream"], 0.5, {"size": 7}).size == 7


@pytest.mark.parametrize("scale", [0.001, 1.0])
def test_slow_uploads_stall_within_a_part_that_all_of_them_together_have_no_memory_for(scale):
    """Else nobody would stand in the way of the fast one."""
    mixed = scaled(WORKLOADS["mixed"], scale, {})
    assert 0 < mixed.head < mixed.part_size < mixed.size
    assert mixed.uploads * mixed.head > 2 * mixed.memory_limit


@pytest.mark.parametrize(
    ("name", "changes", "seconds"),
    [
        ("wan", {"size": 160_000_000, "concurrency": 8}, 160 / 80 + 0.21),
        ("slow", {"uploads": 500, "at_once": 500, "size": 6 * MIB}, 24.0),
        ("slow", {"uploads": 501, "at_once": 500, "size": 6 * MIB}, 48.0),
        ("mixed", {"head": 4 * MIB, "size": 5 * MIB, "rate": MIB / 8}, 8.0),
        ("throttled", {"size": 200 * MIB}, 2.0),
        ("stream", {}, None),
    ],
)
def test_the_ideal_is_what_link_source_and_store_make_of_it(name, changes, seconds):
    """Connections with a limit, sources that come slowly, a store that throttles; else there is no ideal."""
    assert scaled(WORKLOADS[name], 1.0, changes).ideal_seconds == (seconds and pytest.approx(seconds))
