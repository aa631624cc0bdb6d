"""Creation of the multipart upload: once, while the source is read."""

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


async def test_an_upload_is_created_once_in_the_background() -> None:
    """Parts may exist from the moment that its id is given out, and not before."""
    creation, guard, tasks = make()
    assert not creation.has_begun
    await creation.wait()  # returns at once
    async with asyncio.TaskGroup() as group:
        tasks.begin(group)
        creation.begin()
        creation.begin()
        assert creation.has_begun
        await turns()
        assert (guard.asked, guard.upload_id) == (1, None)
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "create it"] == ["create it"]
        guard.answer.set()
        await creation.wait()
        assert not guard.may_have_parts
        assert await creation.id_for_part() == "upload of key"
        assert guard.may_have_parts
    assert guard.asked == 1


async def test_a_resumed_upload_is_not_created() -> None:
    creation, guard, _ = make()
    guard.upload_id = "of a checkpoint"
    creation.begin()
    await turns()
    assert creation.has_begun
    assert guard.asked == 0
    assert await creation.id_for_part() == "of a checkpoint"


async def test_a_task_that_waits_gets_the_refusal_of_the_store() -> None:
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


async def test_a_cancelled_creation_is_an_error_for_a_task_that_waits() -> None:
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
