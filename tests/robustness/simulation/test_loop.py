"""Tests of the simulation's loop: virtual time, inline threads, and detection of endless waits."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from .loop import StuckError, VirtualLoop


def test_time_jumps_to_the_next_timer() -> None:
    loop = VirtualLoop()
    order: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(loop.time())

    async def main() -> None:
        await asyncio.gather(sleep(3e7), sleep(0.5), sleep(1))

    began = time.monotonic()
    loop.run(main())
    assert order == [0.5, 1, 3e7]
    assert time.monotonic() - began < 5


def test_a_deadlock_raises() -> None:
    """Nothing is ready and no timer runs, so the loop would wait without end."""

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="deadlock"):
        VirtualLoop().run(wait())


def test_an_endless_loop_raises() -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StuckError, match="still running after"):
        VirtualLoop().run(spin())


@pytest.mark.parametrize("begins_at_once", [True, False])
def test_a_thread_runs_inline(begins_at_once: bool) -> None:
    loop = VirtualLoop(lambda: (3, begins_at_once))

    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        before = loop.turns
        assert await asyncio.to_thread(int, "5") == 5
        return loop.turns - before

    assert loop.run(main()) >= 3


@pytest.mark.parametrize(("begins_at_once", "calls"), [(True, 1), (False, 0)])
def test_a_started_thread_is_not_cancelled(begins_at_once: bool, calls: int) -> None:
    called: list[int] = []

    async def main() -> None:
        task = asyncio.create_task(asyncio.to_thread(called.append, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)

    VirtualLoop(lambda: (2, begins_at_once)).run(main())
    assert len(called) == calls


def test_a_call_runs_at_its_turn() -> None:
    loop = VirtualLoop()
    turns: list[int] = []

    async def main() -> None:
        loop.at_turn(loop.turns + 3, lambda: turns.append(loop.turns))
        began = loop.turns
        for _ in range(5):
            await asyncio.sleep(10)
        assert [turn - began for turn in turns] == [3]

    loop.run(main())


def test_sets_of_tasks_have_the_same_order_in_every_run() -> None:
    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(number)) for number in range(20)}
        names = [task.get_name() for task in tasks]
        await asyncio.wait(tasks)
        return names

    assert VirtualLoop().run(main()) == VirtualLoop().run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks cannot be eager before Python 3.12")
@pytest.mark.parametrize("is_eager", [True, False])
def test_an_eager_task_runs_at_its_creation(is_eager: bool) -> None:
    steps: list[int] = []

    async def work() -> None:
        steps.append(1)
        await asyncio.sleep(1)
        steps.append(2)

    async def main() -> None:
        task = asyncio.create_task(work())
        assert steps == ([1] if is_eager else [])
        await task

    VirtualLoop(is_eager=is_eager).run(main())
    assert steps == [1, 2]
