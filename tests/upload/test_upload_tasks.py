"""The tasks of one upload: a failure in one ends the upload, and so does a stop, whenever it comes."""

from __future__ import annotations

import asyncio

import pytest

from aios3._upload.part_tasks import part_tasks
from aios3._upload.upload_tasks import UploadTasks
from aios3.errors import StorageError
from tests.fakes import turns


async def test_the_owner_and_the_work_are_of_the_upload() -> None:
    """As long as the work runs."""
    tasks = UploadTasks()
    assert tasks.includes(asyncio.current_task())
    async with part_tasks() as group:
        tasks.begin(group)
        work = tasks.run(asyncio.sleep(0, "done"), "work")
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
        async with part_tasks() as group:
            tasks.begin(group)
            tasks.run(fail(), "work")
            await asyncio.Event().wait()


async def test_an_upload_that_has_failed_takes_no_work() -> None:
    """The coroutine is closed, and whoever brings it is told."""
    tasks = UploadTasks()
    with pytest.raises(ValueError, match="source"):
        async with part_tasks() as group:
            tasks.begin(group)
            raise ValueError("source")
    with pytest.raises(StorageError, match="takes no more bytes"):
        tasks.run(asyncio.sleep(0), "late")
    tasks.stop(StorageError("late"))


async def test_a_stop_ends_the_upload_with_its_reason() -> None:
    """While the block waits."""
    tasks = UploadTasks()
    with pytest.raises(StorageError, match="the end"):
        async with part_tasks() as group:
            tasks.begin(group)
            tasks.stop(StorageError("the end"))
            await asyncio.Event().wait()


async def test_a_stop_before_the_beginning_is_not_lost() -> None:
    """The upload fails as soon as it has begun."""
    tasks = UploadTasks()
    tasks.stop(StorageError("the end"))
    with pytest.raises(StorageError, match="the end"):
        async with part_tasks() as group:
            tasks.begin(group)
            await asyncio.Event().wait()


async def test_a_stop_after_the_commit_comes_to_nothing() -> None:
    """The block ends as if it had not come."""
    tasks = UploadTasks()
    async with part_tasks() as group:
        tasks.begin(group)
        await tasks.end_stopping()
        tasks.stop(StorageError("too late"))
        await tasks.end_stopping()


async def test_a_stop_that_has_happened_is_not_undone() -> None:
    """It cancels the block at the turn that is given to it, not later in somebody else's code."""
    tasks = UploadTasks()
    with pytest.raises(StorageError, match="the end"):
        async with part_tasks() as group:
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
