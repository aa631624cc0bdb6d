"""The tasks of one upload: a failure in one ends the upload, and so does a stop, whenever it comes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from aios3._upload.part_tasks import PartTasks
from aios3._upload.upload_tasks import UploadTasks
from aios3.errors import StorageError
from tests.fakes import turns


async def test_the_owner_and_the_work_are_of_the_upload() -> None:
    """As long as the work runs."""
    tasks = UploadTasks()
    assert tasks.includes(asyncio.current_task())
    async with PartTasks() as group:
        tasks.begin(group)
        work = tasks.run(asyncio.sleep(0, "done"), "work")
        assert work.get_name() == "work"
        assert tasks.includes(work)
        assert await work == "done"
    await turns(2)
    assert not tasks.includes(work)
    assert not tasks.includes(None)


async def test_work_that_fails_ends_the_upload() -> None:
    """With its own error, while the block waits for something else."""

    async def fail() -> None:
        raise StorageError("refused")

    tasks = UploadTasks()
    with pytest.raises(StorageError, match="refused"):
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.run(fail(), "work")
            await asyncio.Event().wait()


async def test_an_upload_that_has_failed_takes_no_work() -> None:
    """The coroutine is closed, and whoever brings it is told."""
    tasks = UploadTasks()
    with pytest.raises(ValueError, match="source"):
        async with PartTasks() as group:
            tasks.begin(group)
            raise ValueError("source")
    with pytest.raises(StorageError, match=r"^the upload has failed, and takes no more bytes$"):
        tasks.run(asyncio.sleep(0), "late")
    tasks.stop(StorageError("late"))


async def test_a_stop_ends_the_upload_with_its_reason() -> None:
    """While the block waits."""
    tasks = UploadTasks()
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.stop(StorageError("the end"))
            assert "aios3: stop the upload" in {task.get_name() for task in asyncio.all_tasks()}
            await asyncio.Event().wait()


async def test_a_stop_before_the_beginning_is_not_lost() -> None:
    """The upload fails as soon as it has begun."""
    tasks = UploadTasks()
    tasks.stop(StorageError("the end"))
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            tasks.begin(group)
            await asyncio.Event().wait()


async def test_a_stop_after_the_commit_comes_to_nothing() -> None:
    """The block ends as if it had not come."""
    tasks = UploadTasks()
    async with PartTasks() as group:
        tasks.begin(group)
        await tasks.end_stopping()
        tasks.stop(StorageError("too late"))
        await tasks.end_stopping()


async def test_a_stop_that_has_happened_is_not_undone() -> None:
    """It cancels the block at the turn that is given to it, not later in somebody else's code."""
    tasks = UploadTasks()
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.stop(StorageError("the end"))
            stopping = tasks._stopping
            assert stopping is not None
            while not stopping.done():
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    break
            await tasks.end_stopping()
            await asyncio.Event().wait()


async def test_a_stop_that_has_just_struck_ends_the_block_there() -> None:
    """At the one turn that it is given, before anything else can be made of the upload."""
    tasks, went_on = UploadTasks(), False
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.stop(StorageError("the end"))
            await asyncio.sleep(0)  # it has failed, and the group learns of it at the next turn
            await tasks.end_stopping()
            went_on = True
    assert not went_on


async def test_no_commit_begins_after_a_stop_has_struck() -> None:
    """Its reason is raised where the commit would begin, also in a block that took no notice of its cancellation."""
    tasks, reason, has_begun = UploadTasks(), StorageError("the end"), False
    with pytest.raises(StorageError) as caught:
        async with PartTasks() as group:
            tasks.begin(group)
            tasks.stop(reason)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            tasks.require_no_failure()
            has_begun = True
    assert caught.value is reason
    assert not has_begun


async def test_a_stop_that_was_outrun_is_forgotten() -> None:
    """The commit may begin and end, and is not held up by it."""
    tasks = UploadTasks()
    async with PartTasks() as group:
        tasks.begin(group)
        tasks.stop(StorageError("too late"))
        tasks.require_no_failure()
        await turns(2)
        tasks.require_no_failure()
        ending = asyncio.create_task(tasks.end_stopping())
        await turns(2)
        assert ending.done()
        await ending
