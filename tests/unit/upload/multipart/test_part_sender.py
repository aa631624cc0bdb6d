"""Parts on their way: a bounded number, each recorded once it is acknowledged, and its memory given back once."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import zlib
from typing import Any

import pytest

from aios3._client.failed_attempts import FailedAttempts
from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3._protocol.operations import CreateMultipartUpload
from aios3._upload.multipart.create import Creation
from aios3._upload.multipart.part_sender import PartSender
from aios3._upload.shared.progress import ProgressReporter
from aios3.errors import AccessDeniedError, StorageError
from tests.conftest import EAGER_TASKS
from tests.support.fakes import (
    HEADERS,
    FakeClock,
    FakePart,
    FakeStore,
    Gate,
    make_engine,
    make_guard,
    make_job,
    md5,
    refusal,
    turns,
)


class SenderScene:
    """A sender for an upload that is open."""

    def __init__(self, **job: Any) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.store.open_upload("id")
        self.closed: list[int] = []
        self.failures = FailedAttempts()
        self.tasks = UploadTasks()
        self.progress = ProgressReporter(None, None)
        self.engine = make_engine(self.store, self.clock)
        guard = make_guard(self.engine.client, self.failures)
        guard.adopt("id")
        self.sender = PartSender(
            self.engine,
            make_job(**job),
            self.tasks,
            self.progress,
            self.failures,
            Creation(guard, self.tasks, lambda: CreateMultipartUpload("bucket", "key", {}), "create"),
        )

    async def send(self, number: int) -> None:
        await self.sender.send(FakePart(number, b"part", self.closed.append))


async def test_a_part_is_recorded_when_it_is_acknowledged() -> None:
    """With what the store said of it, and the caller's progress moves."""
    scene = SenderScene(checksum="crc32")
    async with PartTasks() as group:
        scene.tasks.begin(group)
        await scene.send(1)
        assert len(scene.sender.tracker) == 0
        await scene.sender.drain()
    (part,) = scene.sender.tracker.durable_parts()
    assert (part.number, part.size, part.etag, part.checksum) == (
        1,
        4,
        md5(b"part"),
        base64.b64encode(zlib.crc32(b"part").to_bytes(4, "big")).decode(),
    )
    assert (scene.progress.bytes_durable, scene.progress.parts_stored) == (4, 1)
    assert scene.closed == [1]


async def test_no_more_parts_are_on_their_way_than_there_are_slots() -> None:
    """The next one waits until one has come back."""
    scene = SenderScene(concurrency=2)
    gates = [Gate(), Gate()]
    scene.store.on("UploadPart", *gates)
    async with PartTasks() as group:
        scene.tasks.begin(group)
        await scene.send(1)
        await scene.send(2)
        third = asyncio.create_task(scene.send(3))
        await turns()
        assert not third.done()
        gates[1].opened.set()
        await third
        gates[0].opened.set()
        await scene.sender.drain()
    assert scene.store.most_parts_in_flight == 2
    assert [part.number for part in scene.sender.tracker.durable_parts()] == [1, 2, 3]


async def test_a_part_that_fails_ends_the_upload() -> None:
    """All memory comes back, that of parts that never began included."""
    scene = SenderScene(concurrency=3)
    scene.store.on("UploadPart", refusal(403, "AccessDenied"), Gate())
    with pytest.raises(AccessDeniedError):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            await scene.send(1)
            await scene.send(2)
            await asyncio.Event().wait()
    assert scene.closed == [1, 2]
    assert isinstance(scene.tasks.failure, AccessDeniedError)
    assert len(scene.failures) == 1


async def test_a_part_that_is_cancelled_before_its_first_step_gives_all_back() -> None:
    """No code of its own has run."""
    scene = SenderScene()
    with pytest.raises(ValueError, match="source"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            await scene.send(1)
            raise ValueError("source")
    assert scene.closed == [1]
    assert isinstance(scene.tasks.failure, asyncio.CancelledError)
    assert scene.store.sent == [] or EAGER_TASKS
    await scene.sender.drain()


async def test_an_upload_that_has_failed_sends_nothing() -> None:
    """The slot and the part stay with the caller."""
    scene = SenderScene()
    with pytest.raises(ValueError, match="source"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            raise ValueError("source")
    with pytest.raises(StorageError, match="takes no further bytes"):
        await scene.send(1)
    assert scene.closed == []


async def test_a_part_is_for_the_key_and_carries_its_checksum() -> None:
    """And its task is named after it."""
    scene = SenderScene(checksum="crc32")
    names: list[str] = []
    scene.store.on("UploadPart", lambda _: names.append(asyncio.current_task().get_name()))  # type: ignore[union-attr]
    async with PartTasks() as group:
        scene.tasks.begin(group)
        await scene.send(1)
        await scene.sender.drain()
    (request,) = scene.store.sent
    assert request.path == "/bucket/key"
    assert request.headers["x-amz-checksum-crc32"] == base64.b64encode(zlib.crc32(b"part").to_bytes(4, "big")).decode()
    assert names == ["aios3: part 1 of 'key'"]


async def test_a_part_of_a_locked_object_carries_its_md5() -> None:
    """S3 wants it where no checksum is sent."""
    headers = dataclasses.replace(HEADERS, create={"x-amz-object-lock-mode": "GOVERNANCE"})
    scene = SenderScene(headers=headers)
    async with PartTasks() as group:
        scene.tasks.begin(group)
        await scene.send(1)
        await scene.sender.drain()
    (request,) = scene.store.sent
    assert base64.b64decode(request.headers["content-md5"]).hex() == md5(b"part")


async def test_adaptive_uploads_share_what_is_worth_it() -> None:
    """One that has slots of its own waits for the others' parts, and what is found out is the driver's."""
    scene = SenderScene(concurrency=9, is_adaptive=True)
    gates = [Gate() for _ in range(9)]
    scene.store.on("UploadPart", *gates)
    search = scene.engine.concurrency.search
    async with PartTasks() as group:
        scene.tasks.begin(group)
        for number in range(1, search.level + 1):
            await scene.send(number)
        waiting = asyncio.create_task(scene.send(9))
        await turns()
        assert (search.level, waiting.done(), scene.engine.concurrency.in_flight) == (8, False, 8)
        scene.clock.advance(1.0)
        for gate in gates:
            gate.opened.set()
        await waiting
        await scene.sender.drain()
    assert (search.level, scene.engine.concurrency.in_flight) == (16, 0)


async def test_a_part_that_had_to_be_repeated_is_trouble_for_all() -> None:
    """The next parts of every adaptive upload go out fewer at once."""
    scene = SenderScene(concurrency=9, is_adaptive=True)
    scene.store.on("UploadPart", refusal(500, "InternalError"))
    async with PartTasks() as group:
        scene.tasks.begin(group)
        await scene.send(1)
        await scene.sender.drain()
    assert (scene.engine.concurrency.search.level, scene.engine.concurrency.in_flight, len(scene.failures)) == (6, 0, 1)


async def test_a_part_that_fails_is_trouble_for_all() -> None:
    """Though its upload learns nothing from it any more."""
    scene = SenderScene(concurrency=9, is_adaptive=True)
    scene.store.on("UploadPart", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            await scene.send(1)
            await asyncio.Event().wait()
    assert (scene.engine.concurrency.search.level, scene.engine.concurrency.in_flight) == (6, 0)


async def test_a_part_that_is_cancelled_at_the_gate_gives_its_slot_back() -> None:
    """And one that is cancelled on its way says nothing of the store."""
    scene = SenderScene(concurrency=9, is_adaptive=True)
    scene.engine.concurrency.search.level = 1
    scene.store.on("UploadPart", Gate())
    with pytest.raises(StorageError, match="enough"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            await scene.send(1)
            waiting = asyncio.create_task(scene.send(2))
            await turns()
            waiting.cancel()
            await asyncio.wait({waiting})
            assert (waiting.cancelled(), scene.engine.concurrency.in_flight) == (True, 1)
            raise StorageError("enough")
    await scene.sender.drain()
    assert (scene.engine.concurrency.search.level, scene.engine.concurrency.in_flight) == (1, 0)


async def test_an_upload_that_cannot_send_leaves_the_gate() -> None:
    """One that has failed while it waited."""
    scene = SenderScene(concurrency=9, is_adaptive=True)
    with pytest.raises(StorageError, match="the end"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            scene.tasks.stop(StorageError("the end"))
            try:
                await asyncio.Event().wait()
            finally:
                with pytest.raises(StorageError, match="takes no further bytes"):
                    await scene.send(1)
    await scene.sender.drain()
    assert scene.engine.concurrency.in_flight == 0
