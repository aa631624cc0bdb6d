"""The multipart upload is created once, beside the reading."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aios3._concurrency.task_group import UploadTasks
from aios3._protocol.operations import CreateMultipartUpload
from aios3._upload.multipart.create import Creation
from aios3.errors import StorageError
from tests.support.fakes import turns


class Guard:
    """Makes an upload when it is told to."""

    def __init__(self) -> None:
        self.upload_id: str | None = None
        self.may_have_parts = False
        self.asked = 0
        self.answer = asyncio.Event()
        self.failure: StorageError | None = None

    async def create(self, operation: CreateMultipartUpload) -> str:
        self.asked += 1
        await self.answer.wait()
        if self.failure is not None:
            raise self.failure
        self.upload_id = f"upload of {operation.key}"
        return self.upload_id


def make() -> tuple[Creation, Any, UploadTasks]:
    guard, tasks = Guard(), UploadTasks()
    creation = Creation(guard, tasks, lambda: CreateMultipartUpload("bucket", "key", {}), "create it")  # type: ignore[arg-type]
    return creation, guard, tasks


async def test_it_is_created_once_and_nobody_waits_for_it() -> None:
    """However often it is begun."""
    creation, guard, tasks = make()
    assert not creation.has_begun
    await creation.wait()  # for nothing
    async with asyncio.TaskGroup() as group:
        tasks.begin(group)
        creation.begin()
        creation.begin()
        assert creation.has_begun
        await turns()
        assert (guard.asked, guard.upload_id) == (1, None)
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "create it"] == ["create it"]
        guard.answer.set()
        assert await creation.id_for_part() == "upload of key"
    assert guard.asked == 1


async def test_parts_may_be_there_once_an_id_was_given_out() -> None:
    """Not before: an upload without parts needs no proof of its abort."""
    creation, guard, tasks = make()
    async with asyncio.TaskGroup() as group:
        tasks.begin(group)
        creation.begin()
        waiting = asyncio.create_task(creation.id_for_part())
        await turns()
        assert not guard.may_have_parts
        guard.answer.set()
        await waiting
    assert guard.may_have_parts


async def test_an_upload_that_is_open_already_is_not_created() -> None:
    """As when it goes on from a checkpoint."""
    creation, guard, _ = make()
    guard.upload_id = "of a checkpoint"
    creation.begin()
    await turns()
    assert creation.has_begun
    assert guard.asked == 0
    assert await creation.id_for_part() == "of a checkpoint"


async def test_who_waits_is_told_of_a_refusal() -> None:
    """Bare, as the store said it."""
    creation, guard, tasks = make()
    guard.failure = StorageError("no")
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            tasks.begin(group)
            creation.begin()
            waiting = asyncio.create_task(creation.wait())
            guard.answer.set()
            await asyncio.wait({waiting})
            assert waiting.exception() is guard.failure


async def test_a_creation_that_was_cancelled_is_no_cancellation_of_who_waits() -> None:
    """It means that the upload has failed."""
    creation, guard, tasks = make()
    with pytest.raises(ExceptionGroup, match="unhandled"):
        async with asyncio.TaskGroup() as group:
            tasks.begin(group)
            creation.begin()
            await turns()
            waiting = asyncio.create_task(creation.wait())
            await turns()
            tasks.stop(StorageError("the end"))
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.wait({waiting})
                assert "has failed" in str(waiting.exception())
