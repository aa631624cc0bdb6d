"""Clean-up reaches its end, however often and by whatever the caller is cancelled."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from aios3._concurrency.shielding import Finished, finish_despite_cancellation, shielded_from_anyio
from tests.support.fakes import turns


class Work:
    """Something to finish: runs until it is released, and counts its beginnings and ends."""

    def __init__(self, *, result: object = "done", error: BaseException | None = None) -> None:
        self.begun = self.ended = self.cancelled = 0
        self.released = asyncio.Event()
        self.tasks: list[asyncio.Task[Any]] = []
        self._result = result
        self._error = error

    async def __call__(self) -> object:
        self.begun += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        if self._error is not None:
            raise self._error
        return self._result


def start(work: Callable[[], Coroutine[Any, Any, Any]], deadline: float = 60.0) -> asyncio.Task[Finished[Any]]:
    return asyncio.create_task(finish_despite_cancellation(work, deadline=deadline, name="the clean-up"))


@pytest.mark.parametrize("error", [None, OSError("cannot")])
@pytest.mark.parametrize("cancels", [0, 1, 2, 5])
async def test_the_result_or_error_of_the_work_is_returned_with_the_first_cancellation(
    error: Exception | None, cancels: int
) -> None:
    """The work runs to its end in a named task of its own. Its error is a value, because the caller's matters more."""
    work = Work(error=error)
    caller = start(work)
    await turns(3)
    for _ in range(cancels):
        caller.cancel("by the caller")
        await turns(3)
    await turns()
    assert not caller.done()
    work.released.set()
    finished = await caller
    assert (finished.result, finished.error) == (None if error else "done", error)
    assert (work.begun, work.ended, work.cancelled) == (1, 1, 0)
    assert (finished.cancellation and finished.cancellation.args) == (("by the caller",) if cancels else None)
    assert work.tasks[0] is not caller
    assert work.tasks[0].get_name() == "the clean-up"


async def test_what_is_no_exception_is_raised() -> None:
    """What ends a program must not be kept."""

    class Stop(BaseException):
        pass

    work = Work(error=Stop())
    work.released.set()
    with pytest.raises(Stop):
        await finish_despite_cancellation(work, deadline=60, name="x")


async def test_a_cancellation_before_the_first_turn_does_not_lose_the_work() -> None:
    work = Work()
    outcome: list[Finished[object]] = []

    async def call() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        outcome.append(await finish_despite_cancellation(work, deadline=60, name="x"))

    caller = asyncio.create_task(call())
    await turns()
    work.released.set()
    await asyncio.wait({caller})
    assert (work.ended, outcome[0].result) == (1, "done")
    assert outcome[0].cancellation is not None


async def test_a_timeout_around_it_becomes_a_timeout_error_if_the_cancellation_is_raised() -> None:
    work = Work()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            asyncio.get_running_loop().call_later(0.001, work.released.set)
            finished = await finish_despite_cancellation(work, deadline=60, name="x")
            assert finished.result == "done"
            assert finished.cancellation is not None
            raise finished.cancellation


@pytest.mark.parametrize(("cancels", "deadline"), [(0, 0.01), (1, 0.01), (0, 0)])
async def test_the_deadline_cancels_and_joins_the_work(cancels: int, deadline: float) -> None:
    work = Work()
    caller = start(work, deadline=deadline)
    await turns(3)
    for _ in range(cancels):
        caller.cancel()
    finished = await caller
    assert isinstance(finished.error, TimeoutError)
    assert str(finished.error) == f"not finished after {deadline} s"
    assert (finished.result, work.begun, work.cancelled) == (None, deadline > 0, deadline > 0)
    assert (finished.cancellation is not None) == bool(cancels)
    assert caller.cancelling() == cancels
    assert all(task.done() for task in work.tasks)


async def test_work_that_ends_well_at_the_deadline_has_a_result() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "saved"
        raise AssertionError

    finished = await finish_despite_cancellation(stubborn, deadline=0.01, name="x")
    assert (finished.result, finished.error) == ("saved", None)


@pytest.mark.parametrize(("cancels", "begun"), [(1, 2), (4, 4)])
async def test_work_whose_task_others_cancel_is_begun_again_three_times_at_most(cancels: int, begun: int) -> None:
    work = Work()
    caller = start(work)
    for number in range(cancels):
        await turns(5)
        work.tasks[number].cancel()
    await turns(5)
    assert (work.begun, caller.done()) == (begun, cancels == 4)
    work.released.set()
    finished = await caller
    assert (finished.result, finished.cancellation) == (None if cancels == 4 else "done", None)
    assert isinstance(finished.error, TimeoutError) == (cancels == 4)
    assert {task.get_name() for task in work.tasks} == {"the clean-up"}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_of_the_task_begins_it_again(interrupt: type[BaseException]) -> None:
    """As of a second Ctrl-C: the loop raises it, and is run once more to end all tasks."""
    begun, ends = [], []

    async def work() -> None:
        begun.append(1)
        await turns(3)
        if len(begun) == 1:
            raise interrupt
        ends.append("ended")

    async def main() -> None:
        finished = await finish_despite_cancellation(work, deadline=60, name="x")
        assert isinstance(finished.cancellation, asyncio.CancelledError)
        raise finished.cancellation

    with pytest.raises(interrupt):
        asyncio.run(main())
    assert ends == ["ended"]


async def test_an_interrupt_of_the_caller_is_raised_by_it_afterwards() -> None:
    work, waited = Work(), asyncio.wait
    interrupts = [KeyboardInterrupt()]

    async def interrupted(*args: Any, **options: Any) -> Any:
        if interrupts:
            raise interrupts.pop()
        work.released.set()
        return await waited(*args, **options)

    asyncio.wait = interrupted  # type: ignore[assignment]
    try:
        finished = await finish_despite_cancellation(work, deadline=60, name="x")
    finally:
        asyncio.wait = waited
    assert (work.begun, finished.result) == (1, "done")
    assert isinstance(finished.cancellation, KeyboardInterrupt)


def test_a_loop_that_shuts_down_lets_it_end() -> None:
    """`asyncio.run` cancels the caller and the clean-up; the clean-up is begun once more and ends."""
    ends: list[str] = []

    async def work() -> None:
        await turns(3)
        ends.append("ended")

    async def upload() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await finish_despite_cancellation(work, deadline=60, name="x")

    async def main() -> None:
        main.task = asyncio.create_task(upload())  # type: ignore[attr-defined]
        await turns(3)

    asyncio.run(main())
    assert ends == ["ended"]


async def test_a_cancelled_anyio_scope_does_not_spin() -> None:
    """anyio cancels at every turn of the loop; the waiting task is not woken by it, and the work ends."""
    work = Work()
    wakes = 0
    waited = asyncio.wait

    async def counting(*args: Any, **options: Any) -> Any:
        nonlocal wakes
        wakes += 1
        return await waited(*args, **options)

    outcome: list[Finished[object]] = []

    async def call() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            asyncio.wait = counting  # type: ignore[assignment]
            try:
                outcome.append(await finish_despite_cancellation(work, deadline=60, name="x"))
            finally:
                asyncio.wait = waited
            await anyio.sleep(0)
            raise AssertionError("the scope must cancel what comes after the clean-up")
        assert scope.cancelled_caught

    caller = asyncio.create_task(call())
    await turns(200)
    work.released.set()
    await caller
    assert (outcome[0].result, work.cancelled) == ("done", 0)
    assert wakes <= 3


async def test_it_works_without_anyio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "anyio")
    work = Work()
    caller = start(work)
    await turns(3)
    caller.cancel()
    await turns(3)
    work.released.set()
    finished = await caller
    assert finished.result == "done"
    assert finished.cancellation is not None


async def test_the_shield_against_anyio_is_lowered_in_the_end() -> None:
    """What stands still for longer than was said does not hold a cancelled scope for ever."""
    with shielded_from_anyio(5.0) as scope:
        assert isinstance(scope, anyio.CancelScope)
        assert scope.shield
        assert 0 < scope.deadline - anyio.current_time() <= 5.0
