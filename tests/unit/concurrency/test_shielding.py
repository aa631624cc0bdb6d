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


async def test_the_result_is_handed_back() -> None:
    """From a task of its own, with its name."""
    work = Work(result=7)
    work.released.set()
    finished = await finish_despite_cancellation(work, deadline=60, name="the clean-up")
    assert (finished.result, finished.error, finished.cancellation) == (7, None, None)
    assert work.tasks[0] is not asyncio.current_task()
    assert work.tasks[0].get_name() == "the clean-up"


async def test_an_error_is_handed_back() -> None:
    """Not raised: the caller has one of its own that matters more."""
    error = OSError("cannot")
    work = Work(error=error)
    work.released.set()
    finished = await finish_despite_cancellation(work, deadline=60, name="x")
    assert (finished.result, finished.error, finished.cancellation) == (None, error, None)


async def test_what_is_no_exception_is_raised() -> None:
    """What ends a program must not be kept."""

    class Stop(BaseException):
        pass

    work = Work(error=Stop())
    work.released.set()
    with pytest.raises(Stop):
        await finish_despite_cancellation(work, deadline=60, name="x")


@pytest.mark.parametrize("cancels", [1, 2, 5])
async def test_cancellations_wait_for_the_end(cancels: int) -> None:
    """However many: the work is not touched, and the caller is told afterwards."""
    work = Work()
    caller = start(work)
    for _ in range(cancels):
        await turns(3)
        caller.cancel()
    await turns()
    assert not caller.done()
    work.released.set()
    finished = await caller
    assert (work.begun, work.ended, work.cancelled) == (1, 1, 0)
    assert finished.result == "done"
    assert isinstance(finished.cancellation, asyncio.CancelledError)


async def test_a_cancellation_before_the_first_turn_does_not_lose_the_work() -> None:
    """Once it was begun it ends."""
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


async def test_a_timeout_around_it_still_becomes_a_timeout_error() -> None:
    """`asyncio.timeout` finds its own cancellation when the caller raises what it was handed."""
    work = Work()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            asyncio.get_running_loop().call_later(0.001, work.released.set)
            finished = await finish_despite_cancellation(work, deadline=60, name="x")
            assert finished.result == "done"
            assert finished.cancellation is not None
            raise finished.cancellation


@pytest.mark.parametrize("cancels", [0, 1])
async def test_the_deadline_ends_it(cancels: int) -> None:
    """The work is cancelled and waited for; the error says that time ran out, and nobody was cancelled but by us."""
    work = Work()
    caller = start(work, deadline=0.01)
    await turns(3)
    for _ in range(cancels):
        caller.cancel()
    finished = await caller
    assert isinstance(finished.error, TimeoutError)
    assert str(finished.error) == "not finished after 0.01 s"
    assert (finished.result, work.begun, work.cancelled) == (None, 1, 1)
    assert (finished.cancellation is not None) == bool(cancels)
    assert work.tasks[0].done()


async def test_a_deadline_that_is_over_begins_nothing() -> None:
    """A task that was never started has nothing to end."""
    work = Work()
    finished = await finish_despite_cancellation(work, deadline=0, name="x")
    assert isinstance(finished.error, TimeoutError)
    assert work.begun == 0


async def test_what_ends_at_the_deadline_all_the_same_counts() -> None:
    """Work that finishes although it is being cancelled has a result."""

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "saved"
        raise AssertionError

    finished = await finish_despite_cancellation(stubborn, deadline=0.01, name="x")
    assert (finished.result, finished.error) == ("saved", None)


async def test_somebody_elses_cancel_of_the_task_begins_it_again_once() -> None:
    """As of a loop that shuts down, which cancels all tasks."""
    work = Work()
    caller = start(work)
    await turns(3)
    work.tasks[0].cancel()
    await turns(5)
    assert (work.begun, caller.done()) == (2, False)
    work.released.set()
    finished = await caller
    assert (finished.result, finished.cancellation, work.ended) == ("done", None, 1)


async def test_it_is_not_begun_again_without_an_end() -> None:
    """Whoever interrupts it every time has had its way after four."""
    work = Work()
    caller = start(work)
    for number in range(4):
        await turns(5)
        work.tasks[number].cancel()
    finished = await caller
    assert (work.begun, finished.result) == (4, None)
    assert isinstance(finished.error, TimeoutError)


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
    """It strikes the code that waits: the clean-up ends first."""
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


async def test_the_deadline_under_anyio_is_no_cancellation() -> None:
    """The caller is not told that it was cancelled when only time ran out, and owes nobody a cancellation."""
    work = Work()
    finished = await finish_despite_cancellation(work, deadline=0.01, name="x")
    task = asyncio.current_task()
    assert task is not None
    assert finished.cancellation is None
    assert task.cancelling() == 0
    await turns()


async def test_it_works_without_anyio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is no dependency."""
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


@pytest.mark.parametrize("error", [None, OSError("cannot")])
async def test_a_cancellation_is_kept_whatever_became_of_the_work(error: Exception | None) -> None:
    """A clean-up that fails does not swallow it."""
    work = Work(error=error)
    task = start(work)
    await turns(3)
    task.cancel("by the caller")
    await turns(3)
    work.released.set()
    finished = await task
    assert finished.error is error
    assert finished.cancellation is not None
    assert finished.cancellation.args == ("by the caller",)


async def test_what_is_begun_again_has_the_same_name() -> None:
    """So that it is known for ours in a list of tasks."""
    work = Work()
    task = start(work)
    await turns(3)
    work.tasks[0].cancel()
    await turns(3)
    work.released.set()
    await task
    assert [one.get_name() for one in work.tasks] == ["the clean-up"] * 2


async def test_the_shield_against_anyio_is_lowered_in_the_end() -> None:
    """What stands still for longer than was said does not hold a cancelled scope for ever."""
    with shielded_from_anyio(5.0) as scope:
        assert isinstance(scope, anyio.CancelScope)
        assert scope.shield
        assert 0 < scope.deadline - anyio.current_time() <= 5.0
