"""Parts in flight: a bounded number, each recorded when it is acknowledged, and closed once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._client.observing.timeline import Timeline
from aios3._client.observing.upload_trace import UploadTrace
from aios3._concurrency.task_group import PartTasks, UploadTasks
from aios3._protocol.parts.part_plan import PartPlan
from aios3._protocol.wire.messages import Response
from aios3._upload.multipart.part_sender import PartSender
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.length import SourceLength
from aios3.checkpoints import UploadCheckpoint
from aios3.errors import AccessDeniedError, StorageError
from aios3.models import UploadedPart
from tests.conftest import EAGER_TASKS
from tests.support.fakes import (
    HEADERS,
    FakeClock,
    FakePart,
    FakeStore,
    Gate,
    make_engine,
    make_job,
    md5,
    refusal,
    turns,
)


class OpenUpload:
    async def id_for_part(self) -> str:
        return "id"


class RecordingTrace(UploadTrace):
    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__(Timeline(monotonic))
        self.stored: list[tuple[UploadedPart, float]] = []

    def part_stored(self, part: UploadedPart, seconds: float) -> None:
        self.stored.append((part, seconds))


class SenderScene:
    """Sender for an open upload."""

    def __init__(self, **job: Any) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.store.open_upload("id")
        self.closed: list[int] = []
        self.trace = RecordingTrace(self.clock().monotonic)
        self.failures = FailedAttempts(upload=self.trace)
        self.tasks = UploadTasks()
        self.progress = ProgressReporter(None, SourceLength(size=None, max_size=None))
        self.engine = make_engine(self.store, self.clock)
        self.sender = PartSender(self.engine, make_job(**job), self.tasks, self.progress, self.failures, OpenUpload())

    async def send(self, number: int, content: bytes = b"part") -> None:
        await self.sender.send(FakePart(number, content, self.closed.append))


MD5 = base64.b64encode(bytes.fromhex(md5(b"part"))).decode()


@pytest.mark.parametrize(
    ("checksum", "digest"), [("crc32", {"x-amz-checksum-crc32": "SQ9wxg=="}), (None, {"content-md5": MD5})]
)
async def test_a_part_is_recorded_when_it_is_acknowledged(checksum: str | None, digest: dict[str, str]) -> None:
    """Under an object lock it is sent with its checksum, or else with its MD5."""
    headers = dataclasses.replace(HEADERS, create={"x-amz-object-lock-mode": "GOVERNANCE"})
    scene, names = SenderScene(checksum=checksum, headers=headers), list[str]()

    def process(_: object) -> None:
        scene.clock.advance(2.0)
        names.append(asyncio.current_task().get_name())  # type: ignore[union-attr]

    scene.clock.advance(1.0)
    scene.store.on("UploadPart", process)
    async with PartTasks() as group:
        scene.tasks.begin(group)
        await scene.send(1)
        assert len(scene.sender.tracker) == 0
        await scene.sender.drain()
    part = UploadedPart(1, 4, md5(b"part"), digest.get("x-amz-checksum-crc32"))
    assert scene.sender.tracker.durable_parts() == (part,)
    assert scene.trace.stored == [(part, 2.0)]
    (request,) = scene.store.sent
    assert (request.path, names) == ("/bucket/key", ["aios3: part 1 of 'key'"])
    assert request.headers == {"x-part": "p", **digest}
    assert (scene.progress.bytes_durable, scene.progress.parts_stored) == (4, 1)
    assert scene.closed == [1]


async def test_a_further_part_waits_for_a_slot() -> None:
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
        scene.clock.advance(3.0)
        assert scene.engine.concurrency.in_flight == 0  # parts of adaptive uploads only
        gates[1].opened.set()
        await third
        gates[0].opened.set()
        await scene.sender.drain()
    assert scene.store.most_parts_in_flight == 2
    assert scene.trace.timeline.snapshot().slot == 3.0
    assert [part.number for part in scene.sender.tracker.durable_parts()] == [1, 2, 3]


async def test_a_failed_part_ends_the_upload_and_closes_every_part() -> None:
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


async def test_a_part_cancelled_before_its_first_step_is_closed() -> None:
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


async def test_adaptive_uploads_share_the_concurrency_of_the_driver() -> None:
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


@pytest.mark.parametrize(
    "answer", [refusal(500, "InternalError"), refusal(403, "AccessDenied")], ids=["retried", "failed"]
)
async def test_a_part_that_needs_a_retry_or_fails_lowers_the_shared_concurrency(answer: Response) -> None:
    scene = SenderScene(concurrency=9, is_adaptive=True)
    scene.store.on("UploadPart", answer)
    with contextlib.suppress(AccessDeniedError):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            await scene.send(1)
            await scene.sender.drain()
    assert (scene.engine.concurrency.search.level, scene.engine.concurrency.in_flight, len(scene.failures)) == (6, 0, 1)


@pytest.mark.parametrize("is_adaptive", [False, True])
async def test_an_upload_that_has_failed_sends_no_part_and_holds_no_slot(is_adaptive: bool) -> None:
    """The caller keeps the part."""
    scene = SenderScene(concurrency=9, is_adaptive=is_adaptive)
    with pytest.raises(ValueError, match="source"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            raise ValueError("source")
    with pytest.raises(StorageError, match="takes no further bytes"):
        await scene.send(1)
    await scene.sender.drain()
    assert (scene.closed, scene.engine.concurrency.in_flight) == ([], 0)


async def test_a_part_cancelled_while_it_waits_for_the_driver_gives_its_slot_back() -> None:
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


async def test_parts_that_are_cancelled_in_flight_prove_nothing_about_the_store() -> None:
    scene = SenderScene(concurrency=9, is_adaptive=True)
    search = scene.engine.concurrency.search
    scene.store.on("UploadPart", *[Gate() for _ in range(search.level)])
    with pytest.raises(StorageError, match="enough"):
        async with PartTasks() as group:
            scene.tasks.begin(group)
            for number in range(1, search.level + 1):
                await scene.send(number)
            await turns()
            scene.clock.advance(1.0)
            raise StorageError("enough")
    assert (search.level, search.epoch, scene.engine.concurrency.in_flight) == (8, 0, 0)


@pytest.mark.parametrize(("checksum", "digest"), [("crc32", "SQ9wxg=="), (None, None)])
async def test_a_checkpoint_has_all_parts_but_a_short_last_one(checksum: str | None, digest: str | None) -> None:
    scene = SenderScene(checksum=checksum, size=10, plan=PartPlan(4, 4, 1000))
    async with PartTasks() as group:
        scene.tasks.begin(group)
        for number, content in enumerate([b"part", b"part", b"pa"], 1):
            await scene.send(number, content)
        await scene.sender.drain()
    parts = tuple(UploadedPart(number, 4, md5(b"part"), digest) for number in (1, 2))
    assert scene.sender.checkpoint("id") == UploadCheckpoint("bucket", "key", "id", 4, parts, checksum, 10)
