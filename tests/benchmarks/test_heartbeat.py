"""The heartbeat that finds stalls of the loop."""

from __future__ import annotations

import asyncio

from benchmarks.heartbeat import Stalls, watched_loop


def test_the_longest_and_the_usual_are_told_apart():
    stalls = Stalls()
    for _ in range(1999):
        stalls.add(0.001)
    stalls.add(0.5)
    assert stalls.figures() == {"stall_max_seconds": 0.5, "stall_p999_seconds": 0.001, "beats": 2000}


def test_a_waking_that_came_early_is_no_stall():
    stalls = Stalls()
    stalls.add(-0.1)
    assert stalls.figures()["stall_max_seconds"] == 0.0


async def test_without_a_heartbeat_there_are_no_figures():
    async with watched_loop(wanted=False) as stalls:
        tasks = asyncio.all_tasks()
    assert len(tasks) == 1
    assert stalls.figures() == {}


async def test_the_heartbeat_ends_with_its_block():
    async with watched_loop(wanted=True):
        assert len(asyncio.all_tasks()) == 2
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
