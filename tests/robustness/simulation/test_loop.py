"""Tests of the simulation's loop: virtual time, inline threads, and detection of endless waits."""

from __future__ import annotations

import asyncio

import pytest

from .loop import StuckError, VirtualLoop


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


def test_sets_of_tasks_have_the_same_order_in_every_run() -> None:
    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(number)) for number in range(20)}
        names = [task.get_name() for task in tasks]
        await asyncio.wait(tasks)
        return names

    assert VirtualLoop().run(main()) == VirtualLoop().run(main())
