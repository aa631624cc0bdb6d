"""Before and after a change."""

from __future__ import annotations

import pytest

from benchmarks.quick import compared, figures_of
from benchmarks.report import Result
from benchmarks.rounds import Sample
from benchmarks.workloads import WORKLOADS


def verdict(before: list[float], now: list[float]) -> str:
    """Return what is said of one figure."""
    *_, line = compared({"x": before}, {"x": now})
    return line.split("|")[-2].strip()


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ([2.0, 2.2], [1.0, 1.5], "better"),
        ([1.0, 1.5], [2.0, 2.2], "WORSE"),
        ([1.0, 2.0], [1.9, 3.0], "the same"),
        ([1.0, 1.0], [1.04, 1.04], "the same"),
        ([], [1.0], ""),
    ],
)
def test_only_ranges_apart_are_a_change(before, now, said):
    assert verdict(before, now) == said


def test_figures_are_ratios_to_the_reference_of_the_same_round():
    usual = {"resent_bytes": 0, "requests": 1, "connections": 1, "throttled": 0, "tls": "", "sink_cpu_seconds": 0}
    usual |= {"workload": "stream", "protocol": "http", "over_idle_bytes": 0, "idle_bytes": 0}
    samples = [
        Sample(client="floor", turn=0, cpu_seconds=2.0, wall_seconds=1.0, **usual),
        Sample(client="aios3", turn=0, cpu_seconds=3.0, wall_seconds=4.0, **usual),
        Sample(client="aios3", turn=1, cpu_seconds=9.0, wall_seconds=9.0, **usual),
    ]
    figures = figures_of(Result([], {}, [WORKLOADS["stream"]], samples))
    assert figures["stream, http: CPU ÷ floor"] == [1.5]
    assert figures["stream, http: time ÷ floor"] == [4.0]
