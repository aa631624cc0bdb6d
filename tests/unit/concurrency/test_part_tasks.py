"""A task group that raises what happened, not a group of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from aios3._concurrency.task_group import PartTasks
from tests.support.eager_tasks import begin_at_once
from tests.support.fakes import turns


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


async def fail_when_cancelled(error: Exception) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise error from None


async def forever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def test_a_clean_end_waits_for_all_tasks() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await turns(number)
        done.append(number)

    async with PartTasks() as group:
        tasks = [group.create_task(work(number), name=f"part {number}") for number in range(3)]
    assert sorted(done) == [0, 1, 2]
    assert tasks[1].get_name() == "part 1"


async def test_a_failing_task_cancels_the_block_and_is_raised_bare() -> None:
    """The very object, after its siblings have ended."""
    error, ended = OSError("part"), list[str]()
    with pytest.raises(OSError, match="part") as caught:
        async with PartTasks() as group:
            group.create_task(forever(ended))
            await turns(1)
            group.create_task(fail(error))
            await asyncio.Event().wait()
    assert caught.value is error
    assert ended == ["ended"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_the_block_raises_is_raised_bare() -> None:
    """Also what is a group itself: it is the caller's own."""
    for error in (ValueError("source"), ExceptionGroup("theirs", [ValueError("source")])):
        with pytest.raises(type(error)) as caught:
            async with PartTasks():
                raise error
        assert caught.value is error


async def test_other_failures_become_notes_of_the_first() -> None:
    first, second, same = OSError("first"), OSError("second"), OSError("first")
    with pytest.raises(OSError, match="first") as caught:
        async with PartTasks() as group:
            for error in (first, first, second, same):
                group.create_task(fail(error))
            await asyncio.Event().wait()
    assert caught.value is first
    assert caught.value.__notes__ == ["aios3: failed as well: OSError('second')"]


@pytest.mark.parametrize("is_task_first", [True, False])
async def test_the_first_error_is_raised_and_a_consequence_of_cancelling_is_its_note(is_task_first: bool) -> None:
    of_task, of_block = OSError("part"), ValueError("source")
    first, second = (of_task, of_block) if is_task_first else (of_block, of_task)
    with pytest.raises(type(first)) as caught:
        async with PartTasks() as group:
            group.create_task(turns(0))
            group.create_task(fail(of_task) if is_task_first else fail_when_cancelled(of_task))
            await turns(1)
            if is_task_first:
                await fail_when_cancelled(of_block)
            raise of_block
    assert caught.value is first
    assert caught.value.__notes__ == [f"aios3: failed as well: {second!r}"]


async def test_a_cancellation_passes() -> None:
    ended: list[str] = []

    async def run() -> None:
        async with PartTasks() as group:
            group.create_task(forever(ended))
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await turns(3)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert ended == ["ended"]


@pytest.mark.parametrize("fails_first", [True, False])
@pytest.mark.parametrize("by_timeout", [True, False])
async def test_a_cancellation_that_comes_with_a_failure_wins(fails_first: bool, by_timeout: bool) -> None:
    """A task group alone would lose it. `asyncio.timeout` gets its cancellation back."""

    async def run() -> None:
        async with asyncio.timeout(0.001 if by_timeout else None), PartTasks() as group:
            group.create_task(fail_when_cancelled(OSError("while it was cancelled")))
            if by_timeout:
                await asyncio.Event().wait()
            if fails_first:
                group.create_task(fail(OSError("part")))
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await turns(2)
    if by_timeout:
        with pytest.raises(TimeoutError):
            await task
    else:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert task.cancelling() == 1


async def test_a_cancellation_while_tasks_end_after_an_error_wins() -> None:
    """The block has failed already; the failure is the cause that is kept."""
    caught: list[BaseException] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns(10)

    async def run() -> None:
        try:
            async with PartTasks() as group:
                group.create_task(slow_to_end())
                await turns(1)
                raise ValueError("source")
        except asyncio.CancelledError as error:
            caught.append(error)
            raise

    task = asyncio.create_task(run())
    await turns(5)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert isinstance(caught[0].__cause__, ValueError)


async def test_a_cancellation_of_before_is_not_ours() -> None:
    async def run() -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            task.cancel()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass
        try:
            async with PartTasks():
                raise ValueError("source")
        except ValueError:
            task.uncancel()  # since Python 3.13 asyncio's own group cancels again what was not taken back
            return "the error"

    assert await asyncio.create_task(run()) == "the error"


async def test_a_group_inside_the_block_cannot_make_a_cancellation_of_its_error() -> None:
    """Before Python 3.12 a failing one leaves the task with a cancellation that nobody asked for."""

    async def run() -> None:
        async with PartTasks(), asyncio.TaskGroup() as inner:
            inner.create_task(fail(ValueError("inside")))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.create_task(run())
    assert str(caught.value.exceptions[0]) == "inside"


async def test_a_task_that_fails_as_soon_as_it_is_made_ends_the_block() -> None:
    """Eager tasks can; nothing more is begun then, and the block's next wait is its last."""

    async def fail_at_once() -> None:
        raise ValueError("at once")

    asyncio.get_running_loop().set_task_factory(begin_at_once)
    is_late = False
    with pytest.raises(ValueError, match="at once"):
        async with PartTasks() as group:
            group.create_task(fail_at_once())
            with pytest.raises(RuntimeError, match="no further tasks"):
                group.create_task(fail_at_once())
            await asyncio.sleep(0)
            is_late = True
    asyncio.get_running_loop().set_task_factory(None)
    assert not is_late


async def test_a_cancellation_that_was_not_delivered_does_not_leave_the_block() -> None:
    """The block ends without a wait after a task has failed at once: the next wait of the caller goes undisturbed."""
    with pytest.raises(ValueError, match="stopped"):
        async with PartTasks() as group:
            group.fail(ValueError("stopped"))
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("error", [asyncio.CancelledError("theirs"), GeneratorExit("theirs"), None], ids=repr)
async def test_a_task_that_is_cancelled_by_itself_or_others_fails(error: BaseException | None) -> None:
    with pytest.raises(type(error) if error else asyncio.CancelledError) as caught:
        async with PartTasks() as group:
            task = group.create_task(fail(error) if error else asyncio.sleep(60))
            await turns(2)
            if not error:
                task.cancel()
            await asyncio.Event().wait()
    assert error is None or caught.value is error


async def test_a_failure_whose_callback_was_lost_is_raised() -> None:
    with pytest.raises(ValueError, match="lost"):
        async with PartTasks() as group:
            task = group.create_task(fail(ValueError("lost")))
            task.remove_done_callback(group._ended)


@pytest.mark.parametrize("error", [None, ValueError("source"), asyncio.CancelledError()])
async def test_the_callbacks_of_all_tasks_have_run_at_the_end(error: BaseException | None) -> None:
    """They give back what the tasks held; also those of a task that ends at that very turn."""
    ended: list[str] = []
    with contextlib.nullcontext() if error is None else pytest.raises(type(error)):
        async with PartTasks() as group:
            task = group.create_task(turns(2))
            task.add_done_callback(lambda _: ended.append("given back"))
            while not task.done():
                await asyncio.sleep(0)
            if error is not None:
                raise error
    assert ended == ["given back"]
