"""Where the time goes, stage by stage."""

from __future__ import annotations

import pytest

from benchmarks.job import KIB, MIB
from benchmarks.layers import as_markdown, bench, measure, small_stages, stream_stages
from benchmarks.sinks import Shape, running_sink

SIZE = 15 * MIB


@pytest.mark.parametrize("protocol", ["http", "https"])
async def test_every_stage_sends_the_same(protocol):
    with running_sink(protocol, Shape()) as sink:
        async with bench(sink.endpoint, sink.certificate) as to:
            for stages, size in ((small_stages(to, 40), 40 * 16 * KIB), (stream_stages(to, SIZE), SIZE)):
                for name, stage in stages.items():
                    sink.forget()
                    await stage()
                    found = sink.statistics()
                    assert found["bytes"] == (0 if "feeding alone" in name else size), name
                    assert found["open_uploads"] == 0, name


async def test_every_stage_is_measured_once_in_every_round():
    order = []

    async def stage(name):
        order.append(name)

    seconds = await measure({"a": lambda: stage("a"), "b": lambda: stage("b")}, 3)
    assert order == ["a", "b"] * 4
    assert {name: len(figures) for name, figures in seconds.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_of_those_of_the_rounds():
    table = as_markdown({"first": [1.0, 2.0, 3.0], "second": [4.0, 4.0, 6.0]}, "ms", 1000)
    assert "| first | 2000.00 (1000.00-3000.00) | 1.00 |" in table
    assert "| second | 4000.00 (4000.00-6000.00) | 2.00 |" in table
