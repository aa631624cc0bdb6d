"""Copy in parts, while a driver stops it."""

from __future__ import annotations

import asyncio
import re

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._protocol.operations import CopySource
from aios3._protocol.wire.messages import Response
from aios3._upload.multipart_copy import MultipartCopy
from aios3.errors import CompletionUnknownError, DriverClosedError
from tests.support.fakes import PART, FakeClock, FakeStore, Gate, make_engine, make_job, turns

COPIED = Response(200, {}, b"<CopyPartResult><ETag>&quot;etag&quot;</ETag></CopyPartResult>")


class Scene:
    def __init__(self, parts: int = 3) -> None:
        clock = FakeClock()
        self.store = FakeStore(clock)
        self.engine = make_engine(self.store, clock)
        self.size = parts * PART

    async def run(self) -> object:
        source = CopySource("from", "key")
        self.copy = MultipartCopy(self.engine, make_job(concurrency=2), source, self.size, FailedAttempts())
        return await self.copy.run()

    async def run_until(self, gate: Gate) -> asyncio.Task[object]:
        task = asyncio.create_task(self.run())
        await gate.entered.wait()
        await turns(20)
        return task


async def test_only_as_many_parts_as_allowed_are_in_flight() -> None:
    scene, gate = Scene(5), Gate(answer=COPIED)
    scene.store.on("UploadPartCopy", gate, gate, COPIED, COPIED, COPIED)
    task = await scene.run_until(gate)
    assert len(scene.store.requests("UploadPartCopy")) == 2
    assert scene.copy.is_run_by(task)
    scene.store.on("CompleteMultipartUpload", Response(200, {}, b"<CompleteMultipartUploadResult/>"))
    scene.store.put("key", bytes(5 * PART))
    gate.opened.set()
    await task
    ranges = [request.headers["x-amz-copy-source-range"] for request in scene.store.requests("UploadPartCopy")]
    assert [tuple(map(int, re.findall("[0-9]+", each))) for each in ranges] == [
        (start, start + PART - 1) for start in range(0, 5 * PART, PART)
    ]
    assert not scene.engine.running


async def test_copy_that_is_stopped_is_aborted() -> None:
    scene, gate = Scene(), Gate()
    scene.store.on("UploadPartCopy", gate, gate)
    task = await scene.run_until(gate)
    reason = DriverClosedError("closed")
    scene.copy.give_up_commit()  # has no effect before the commit
    scene.copy.stop(reason)
    with pytest.raises(DriverClosedError) as caught:
        await task
    assert caught.value is reason
    await scene.copy.abandon()
    assert not scene.store.uploads


async def test_copy_that_is_abandoned_is_aborted_although_its_caller_is_busy() -> None:
    scene, gate = Scene(), Gate()
    scene.store.on("UploadPartCopy", gate, gate)
    task = await scene.run_until(gate)
    await scene.copy.abandon()
    assert not scene.store.uploads
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_commit_that_is_given_up_is_unknown() -> None:
    scene, gate = Scene(), Gate()
    scene.store.on("UploadPartCopy", COPIED, COPIED, COPIED)
    scene.store.on("CompleteMultipartUpload", gate)
    task = await scene.run_until(gate)
    scene.copy.stop(DriverClosedError("closed"))  # has no effect during the commit
    abandoned = asyncio.create_task(scene.copy.abandon())
    scene.copy.give_up_commit()
    with pytest.raises(CompletionUnknownError):
        await task
    await abandoned
