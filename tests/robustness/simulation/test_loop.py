"""The loop of the simulation: time that jumps, threads that are none, and no waiting for ever."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from .loop import StuckError, VirtualLoop


def test_time_jumps_to_the_next_timer() -> None:
    """A year passes at once, and the timers fire in their order."""
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


def test_a_deadlock_is_told() -> None:
    """Nothing is ready and no timer runs: it would wait for ever."""

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="deadlock"):
        VirtualLoop().run(wait())


def test_a_loop_without_end_is_told() -> None:
    """Turn after turn without an end is a failure, too."""

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StuckError, match="still running after"):
        VirtualLoop().run(spin())


@pytest.mark.parametrize("begins_at_once", [True, False])
def test_a_thread_runs_inline(begins_at_once: bool) -> None:
    """Its result, or its error, comes after the turns that were drawn."""
    loop = VirtualLoop(lambda: (3, begins_at_once))

    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        before = loop.turns
        assert await asyncio.to_thread(int, "5") == 5
        return loop.turns - before

    assert loop.run(main()) >= 3


@pytest.mark.parametrize(("begins_at_once", "calls"), [(True, 1), (False, 0)])
def test_a_thread_that_has_begun_is_not_stopped(begins_at_once: bool, calls: int) -> None:
    """A cancellation that comes before it begins takes it back."""
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


def test_something_can_be_done_at_a_turn() -> None:
    """Between two turns, also while everybody waits for a timer."""
    loop = VirtualLoop()
    turns: list[int] = []

    async def main() -> None:
        loop.at_turn(loop.turns + 3, lambda: turns.append(loop.turns))
        began = loop.turns
        for _ in range(5):
            await asyncio.sleep(10)
        assert [turn - began for turn in turns] == [3]

    loop.run(main())


def test_tasks_have_the_same_place_in_every_set() -> None:
    """Whoever cancels a set of tasks does it in the same order in every run."""

    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(number)) for number in range(20)}
        names = [task.get_name() for task in tasks]
        await asyncio.wait(tasks)
        return names

    assert VirtualLoop().run(main()) == VirtualLoop().run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks cannot be eager before Python 3.12")
@pytest.mark.parametrize("is_eager", [True, False])
def test_a_task_may_run_as_soon_as_it_is_made(is_eager: bool) -> None:
    """Until it first waits."""
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
