"""A task group that raises what happened, not a group of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest

from aios3._concurrency.task_group import PartTasks
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
    """As a task group does."""
    done: list[int] = []

    async def work(number: int) -> None:
        await turns(number)
        done.append(number)

    async with PartTasks() as group:
        for number in range(3):
            group.create_task(work(number))
    assert sorted(done) == [0, 1, 2]


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


async def test_other_failures_become_notes() -> None:
    """Of the first one; those that say the same are not repeated."""
    first, second, same = OSError("first"), OSError("second"), OSError("first")
    with pytest.raises(OSError, match="first") as caught:
        async with PartTasks() as group:
            for error in (first, second, same):
                group.create_task(fail(error))
            await asyncio.Event().wait()
    assert caught.value is first
    assert caught.value.__notes__ == ["aios3: failed as well: OSError('second')"]


async def test_the_error_of_the_block_comes_first_if_it_was_first() -> None:
    """What its tasks raise while they are being cancelled is a consequence."""
    error = ValueError("source")
    with pytest.raises(ValueError, match="source") as caught:
        async with PartTasks() as group:
            group.create_task(fail_when_cancelled(OSError("part")))
            await turns(1)
            raise error
    assert caught.value is error
    assert caught.value.__notes__ == ["aios3: failed as well: OSError('part')"]


async def test_the_error_of_the_task_comes_first_if_it_was_first() -> None:
    """What the block makes of being cancelled is a consequence."""
    with pytest.raises(OSError, match="part") as caught:
        async with PartTasks() as group:
            group.create_task(fail(OSError("part")))
            await fail_when_cancelled(ValueError("source"))
    assert caught.value.__notes__ == ["aios3: failed as well: ValueError('source')"]


async def test_a_cancellation_passes() -> None:
    """After the tasks have ended."""
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
async def test_a_cancellation_that_comes_with_a_failure_wins(fails_first: bool) -> None:
    """A task group alone would lose it, and the task would go on although it was cancelled."""

    async def run() -> None:
        async with PartTasks() as group:
            if fails_first:
                group.create_task(fail(OSError("part")))
            group.create_task(fail_when_cancelled(OSError("while it was cancelled")))
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await turns(2)
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


async def test_a_timeout_that_comes_with_a_failure_is_a_timeout_error() -> None:
    """`asyncio.timeout` gets its cancellation back."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            async with PartTasks() as group:
                group.create_task(fail_when_cancelled(OSError("part")))
                await asyncio.Event().wait()


async def test_a_cancellation_of_before_is_not_ours() -> None:
    """Only those count that came inside the block."""

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


async def test_what_a_block_makes_of_the_end_of_its_group_does_not_hide_why_it_ended() -> None:
    """The task failed first."""

    async def run() -> None:
        async with PartTasks() as group:
            group.create_task(fail(OSError("part")))
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError("the block's own") from None

    with pytest.raises(OSError, match="part") as caught:
        await asyncio.create_task(run())
    assert "the block's own" in caught.value.__notes__[0]


async def test_tasks_have_the_names_they_are_given() -> None:
    """They show in what a debugger lists."""
    async with PartTasks() as group:
        task = group.create_task(turns(1), name="part 1")
    assert task.get_name() == "part 1"


async def test_a_task_that_has_ended_well_has_not_failed() -> None:
    """The error of the block is still the first one."""
    with pytest.raises(ValueError, match="source"):
        async with PartTasks() as group:
            group.create_task(turns(0))
            group.create_task(fail_when_cancelled(OSError("part")))
            await turns(5)
            raise ValueError("source")


async def test_a_task_that_fails_as_soon_as_it_is_made_ends_the_block() -> None:
    """Eager tasks can; nothing more is begun then, and the block's next wait is its last."""

    class Ended(asyncio.Future[None]):
        """What a factory of eager tasks makes of work that never waits."""

        def set_name(self, name: str | None) -> None:
            """From Python 3.13 on the loop does that."""

    def begin(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None], **options: Any) -> Any:
        ended = Ended(loop=loop)
        try:
            work.send(None)
        except ValueError as error:
            ended.set_exception(error)
        return ended

    async def fail_at_once() -> None:
        raise ValueError("at once")

    asyncio.get_running_loop().set_task_factory(begin)
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


@pytest.mark.parametrize("error", [asyncio.CancelledError("theirs"), GeneratorExit("theirs")])
async def test_a_task_that_raises_a_cancellation_of_its_own_fails(error: BaseException) -> None:
    """The group did not ask for it, so it is raised like any other error."""
    with pytest.raises(type(error)) as caught:
        async with PartTasks() as group:
            group.create_task(fail(error))
            await asyncio.Event().wait()
    assert caught.value is error


async def test_a_task_that_is_cancelled_by_others_fails() -> None:
    """What it was to do has not been done."""
    with pytest.raises(asyncio.CancelledError):
        async with PartTasks() as group:
            task = group.create_task(asyncio.sleep(60))
            await turns(2)
            task.cancel()
            await asyncio.Event().wait()


async def test_a_failure_whose_callback_was_lost_is_raised() -> None:
    """An interrupt of the program can strike the loop as it is about to call it."""
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


async def test_an_error_that_several_tasks_raise_is_no_note_of_itself() -> None:
    """As when all of them wait for the same thing, which fails."""
    error = OSError("create")
    with pytest.raises(OSError, match="create") as caught:
        async with PartTasks() as group:
            group.create_task(fail(error))
            group.create_task(fail(error))
            await asyncio.Event().wait()
    assert caught.value is error
    assert not hasattr(error, "__notes__")
