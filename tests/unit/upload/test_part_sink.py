"""Sinks of parts: both kinds own every part that they get."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3._protocol.parts.part_plan import StreamPlan
from aios3._upload.multipart_sink import MultipartSink
from aios3._upload.part_sink import PartSink
from aios3._upload.put_sink import PutSink
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.length import SourceLength
from aios3._upload.upload_requests import UploadRequests
from aios3.errors import StorageError, UploadSuspendedError
from tests.support.fakes import PART, FakePart, make_job
from tests.support.stream_scene import StreamScene

JOBS: dict[type[Any], dict[str, Any]] = {
    MultipartSink: {},
    PutSink: {"plan": StreamPlan(PART, PART, 1 << 62, 1 << 40), "nonce": "n"},
}
KINDS = pytest.mark.parametrize("kind", JOBS)


class Scene(StreamScene):
    """Sink of one upload, on a fake store."""

    def __init__(self, kind: type[MultipartSink | PutSink], **job: Any) -> None:
        super().__init__()
        self.closed: list[int] = []
        self.tasks = UploadTasks()
        commit = UploadRequests(self.engine, make_job(**{**JOBS[kind], **job}), FailedAttempts())
        self.sink: PartSink = kind(commit, self.tasks, ProgressReporter(None, SourceLength(size=None, max_size=None)))

    def part(self, number: int) -> FakePart:
        return FakePart(number, bytes([number]) * PART, self.closed.append)


@KINDS
async def test_parts_become_the_object_in_their_order_and_are_closed(kind: type[Any]) -> None:
    scene = Scene(kind)
    async with scene.sink.guard, PartTasks() as group:
        scene.tasks.begin(group)
        assert not scene.sink.has_begun
        for number in (1, 2, 3):
            await scene.sink.send(scene.part(number))
        assert scene.sink.has_begun
        receipt = await scene.sink.complete(3, 3 * PART)
    assert scene.object() == b"".join(bytes([number]) * PART for number in (1, 2, 3))
    assert (receipt.size, receipt.upload_id is None) == (3 * PART, kind is PutSink)
    assert sorted(scene.closed) == [1, 2, 3]
    scene.assert_nothing_is_left()


@KINDS
async def test_a_part_passed_to_a_failed_upload_is_closed(kind: type[Any]) -> None:
    """The sink owns it, so its caller does not close it."""
    scene = Scene(kind)
    with pytest.raises(ValueError, match="source"):
        async with scene.sink.guard, PartTasks() as group:
            scene.tasks.begin(group)
            raise ValueError("source")
    with pytest.raises(StorageError, match="has failed"):
        await scene.sink.send(scene.part(1))
    assert scene.closed == [1]


@KINDS
async def test_an_aborted_sink_has_no_checkpoint_and_leaves_nothing(kind: type[Any]) -> None:
    scene = Scene(kind)
    scene.sink.suspend(UploadSuspendedError("not what ends it"))

    async def upload() -> None:
        async with scene.sink.guard, PartTasks() as group:
            scene.tasks.begin(group)
            await scene.sink.send(scene.part(1))
            await asyncio.Event().wait()

    task = asyncio.create_task(upload())
    while not scene.sink.has_begun:
        await asyncio.sleep(0)
    assert await scene.sink.abort() is True
    assert scene.sink.checkpoint() is None
    task.cancel()
    await asyncio.wait({task})
    assert scene.closed == [1]
    scene.assert_nothing_is_left()


@KINDS
async def test_the_first_part_is_not_wanted_before_the_upload_has_begun(kind: type[Any]) -> None:
    scene = Scene(kind)
    assert not scene.sink.is_starved
    assert not scene.sink.wants(is_full=True, is_last=False)
