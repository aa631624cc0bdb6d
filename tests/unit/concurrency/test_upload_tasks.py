"""The tasks of one upload: a failure in one ends the upload, and so does a stop, whenever it comes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3.errors import StorageError
from tests.support.eager_tasks import begin_at_once
from tests.support.fakes import turns


async def test_the_owner_and_the_work_are_of_the_upload() -> None:
    tasks = UploadTasks()
    assert tasks.includes(asyncio.current_task())
    async with PartTasks() as group:
        tasks.begin(group)
        work = tasks.run(asyncio.sleep(0.001, "done"), "work")
        assert work.get_name() == "work"
        await turns(1)
        assert tasks.includes(work)
        assert await work == "done"
    await turns(2)
    assert not tasks.includes(work)
    assert not tasks.includes(None)


async def test_an_upload_that_has_failed_takes_no_work() -> None:
    tasks = UploadTasks()
    with pytest.raises(ValueError, match="source"):
        async with PartTasks() as group:
            tasks.begin(group)
            raise ValueError("source")
    with pytest.raises(StorageError, match=r"^the upload has failed, and takes no further bytes$"):
        tasks.run(asyncio.sleep(0), "late")
    tasks.stop(StorageError("late"))


@pytest.mark.parametrize("is_early", [False, True])
async def test_a_stop_ends_the_upload_with_its_reason(is_early: bool) -> None:
    tasks = UploadTasks()
    if is_early:
        tasks.stop(StorageError("the end"))
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            tasks.begin(group)
            if not is_early:
                tasks.stop(StorageError("the end"))
            await asyncio.Event().wait()


async def test_a_stop_after_the_block_has_no_effect() -> None:
    tasks = UploadTasks()
    async with PartTasks() as group:
        tasks.begin(group)
        work = tasks.run(turns(10), "work")
        asyncio.get_running_loop().call_later(0, lambda: tasks.stop(StorageError("too late")))
    assert work.done()
    tasks.stop(StorageError("too late"))
    tasks.begin_commit()


async def test_no_commit_begins_after_a_failure() -> None:
    """It is raised where the commit would begin, also in a block that took no notice of its cancellation."""
    tasks, reason, has_begun = UploadTasks(), StorageError("the end"), False
    with pytest.raises(StorageError) as caught:
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.stop(reason)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            tasks.begin_commit()
            has_begun = True
    assert caught.value is reason
    assert not has_begun


async def test_work_that_is_cancelled_before_its_first_step_is_closed() -> None:
    """Python would complain of a coroutine that was never awaited."""
    tasks = UploadTasks()
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.run(turns(1), "work")
            tasks.stop(StorageError("the end"))
    assert not tasks.includes(None)


async def test_a_commit_is_ended_by_a_cut_only() -> None:
    tasks, reason = UploadTasks(), StorageError("cut off")
    with pytest.raises(StorageError) as caught:
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.begin_commit()
            tasks.stop(StorageError("too late"))
            await asyncio.sleep(0)
            tasks.cut_off(reason)
            await asyncio.Event().wait()
    assert caught.value is reason


async def test_work_that_fails_ends_the_upload_and_is_kept_for_tasks_that_feed_it_later() -> None:
    tasks, reason = UploadTasks(), StorageError("refused")

    async def fail() -> None:
        raise reason

    with pytest.raises(StorageError) as caught:
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.run(fail(), "work")
            await asyncio.Event().wait()
    assert caught.value is tasks.failure is reason


async def test_a_failed_task_is_the_error_of_later_work_even_if_it_failed_at_once() -> None:
    """Eager tasks can."""
    tasks, reason = UploadTasks(), StorageError("refused")

    async def fail() -> None:
        raise reason

    asyncio.get_running_loop().set_task_factory(begin_at_once)
    with pytest.raises(StorageError) as caught:
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.run(fail(), "work")
            asyncio.get_running_loop().set_task_factory(None)
            with pytest.raises(StorageError) as met:
                tasks.run(turns(1), "late")
            await asyncio.Event().wait()
    assert met.value is reason
    assert caught.value is reason
