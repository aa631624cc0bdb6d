"""Multipart sink: creates its upload once, while the source is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3._upload.multipart_sink import MultipartSink
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.length import SourceLength
from aios3._upload.upload_requests import UploadRequests
from aios3.checkpoints import UploadCheckpoint
from aios3.errors import AccessDeniedError, StorageError
from tests.support.fakes import PART, FakeClock, FakeStore, Gate, make_engine, make_job, refusal, turns


class Scene:
    """Sink on a store that holds back its response to Create."""

    def __init__(self, **job: Any) -> None:
        clock = FakeClock()
        self.store = FakeStore(clock)
        self.response = Gate()
        self.store.on("CreateMultipartUpload", self.response)
        self.tasks = UploadTasks()
        requests = UploadRequests(make_engine(self.store, clock), make_job(**job), FailedAttempts())
        self.sink = MultipartSink(requests, self.tasks, ProgressReporter(None, SourceLength(size=None, max_size=None)))

    def begin(self) -> None:
        self.sink.expect(PART + 1)


async def test_an_upload_is_created_once_in_the_background() -> None:
    """Parts may exist from the moment that its id is given to a part, and not before."""
    scene = Scene()
    scene.sink.expect(PART)
    assert not scene.sink.has_begun
    await scene.sink.wait_until_open()  # returns at once
    async with PartTasks() as group:
        scene.tasks.begin(group)
        scene.begin()
        scene.begin()
        assert (scene.sink.has_begun, scene.sink.is_settled) == (True, False)
        await scene.response.entered.wait()
        assert scene.sink.upload_id is None
        assert "aios3: create 'key'" in [task.get_name() for task in asyncio.all_tasks()]
        scene.response.opened.set()
        await scene.sink.wait_until_open()
        assert (scene.sink.has_begun, scene.sink.is_settled) == (True, True)
        assert not scene.sink.guard.may_have_parts
        assert [await scene.sink.id_for_part()] == list(scene.store.uploads)
        assert scene.sink.guard.may_have_parts
    assert scene.store.operations == ["CreateMultipartUpload"]


async def test_a_resumed_upload_is_not_created() -> None:
    scene = Scene(resume=UploadCheckpoint("bucket", "key", "of a checkpoint", PART, (), None, None))
    scene.begin()
    await turns()
    assert scene.sink.has_begun
    assert await scene.sink.id_for_part() == "of a checkpoint"
    assert scene.store.operations == []


async def test_a_task_that_waits_gets_the_refusal_of_the_store() -> None:
    scene = Scene()
    scene.response.answer = refusal(403, "AccessDenied")
    with pytest.raises(AccessDeniedError) as raised:
        async with PartTasks() as group:
            scene.tasks.begin(group)
            scene.begin()
            waiting = asyncio.create_task(scene.sink.wait_until_open())
            scene.response.opened.set()
            await asyncio.wait({waiting})
    assert waiting.exception() is raised.value


async def test_a_cancelled_creation_is_an_error_for_a_task_that_waits() -> None:
    scene = Scene()
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            scene.begin()
            await scene.response.entered.wait()
            waiting = asyncio.create_task(scene.sink.wait_until_open())
            await turns()
            scene.tasks.stop(StorageError("the end"))
            try:
                await asyncio.Event().wait()
            finally:
                scene.response.opened.set()
                await asyncio.wait({waiting})
    assert "has failed" in str(waiting.exception())
