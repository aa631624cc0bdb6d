"""The writer of an upload block: small writes, sources, and turns for other tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import pytest

from aios3._concurrency.fair_lock import FairLock
from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload import uploader
from aios3._upload.lifecycle import run_upload
from aios3._upload.source.closing_deadline import SourceOverdueError
from aios3._upload.source.readers import SourceReader
from aios3._upload.writer import UploadWriter
from aios3.errors import ObjectTooLargeError, StorageError
from aios3.options import KIB, MIB
from tests.conftest import EAGER_TASKS, LoopClock
from tests.support.fakes import PART, Gate, RecordingSource, make_job, turns
from tests.support.upload_scene import UploadScene as Scene
from tests.support.upload_scene import content

Block = Callable[[UploadWriter], Awaitable[object]]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.assert_nothing_is_left()


async def write(scene: Scene, block: Block, **job: Any) -> UploadWriter:
    async with run_upload(scene.engine, make_job(**job)) as upload:
        writer = UploadWriter(upload)
        await block(writer)
    return writer


@pytest.mark.parametrize("wrong", ["text", None, 5, [b"a"]])
async def test_a_block_may_go_on_after_a_write_of_something_else_than_bytes(scene: Scene, wrong: Any) -> None:
    async def block(writer: UploadWriter) -> None:
        with pytest.raises(TypeError, match="must be bytes-like"):
            await writer.write(wrong)
        await writer.write(b"abc")

    await write(scene, block)
    assert scene.object() == b"abc"


async def test_bytes_are_durable_if_the_store_has_all_bytes_before_them(scene: Scene) -> None:
    first, last = Gate(), Gate()
    scene.store.on("UploadPart", first, lambda request: None, last)
    durable: list[int] = []

    async def block(writer: UploadWriter) -> None:
        await writer.write(content(2.5))
        await turns(60)
        durable.append(writer.bytes_durable)
        first.opened.set()
        await turns(60)
        durable.append(writer.bytes_durable)
        last.opened.set()

    writer = await write(scene, block)
    assert [*durable, writer.bytes_durable] == [0, 2 * PART, 5 * PART // 2]


async def test_a_reader_that_is_lent_stays_open(scene: Scene) -> None:
    source = RecordingSource(b"abc")
    reader = SourceReader(source)
    await write(scene, lambda writer: writer.write_all(reader))
    assert (scene.object(), source.closed) == (b"abc", 0)


async def test_a_source_that_does_not_close_is_reported_by_its_name_and_its_object(
    scene: Scene, loop_clock: LoopClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Unending(RecordingSource):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    writing = asyncio.create_task(write(scene, lambda writer: writer.write_from(Unending(b"abc"))))
    await turns(60)
    for _ in range(7):
        await loop_clock.advance(1.0)
    with pytest.raises(SourceOverdueError, match="within 5 s"):
        await writing
    messages = [record.getMessage() for record in caplog.records]
    assert any(".Unending' of the upload to bucket/key has not ended" in message for message in messages)


async def test_a_source_that_exceeds_the_limit_is_closed_and_not_read_on(scene: Scene) -> None:
    source = RecordingSource(*[content(1)] * 50)
    with pytest.raises(ObjectTooLargeError):
        await write(scene, lambda writer: writer.write_from(source), max_size=2 * PART)
    assert (source.pulls, source.closed) == (3, 1)


@pytest.mark.parametrize(("count", "size", "expected"), [(640, 1, 10), (64, 64 * KIB, 8)])
async def test_other_tasks_run_after_64_chunks_or_512_kib_of_a_source_that_never_waits(
    count: int, size: int, expected: int
) -> None:
    scene, turns_of_others = Scene(memory_limit=32 * MIB), 0

    async def other() -> None:
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield bytes(size)

    async def block(writer: UploadWriter) -> None:
        task = asyncio.create_task(other())
        await writer.write_from(chunks())
        task.cancel()

    await write(scene, block, plan=PartPlan(16 * MIB, 16 * MIB, 10))
    assert turns_of_others == expected + EAGER_TASKS


@pytest.mark.parametrize("length", [100, PART // 2, 2 * PART])
async def test_a_producer_may_resize_its_buffer_for_the_next_chunk(scene: Scene, length: int) -> None:
    body = content(3)
    pieces = [body[start : start + length + start % 3] for start in range(0, 3 * PART, length)]

    async def chunks() -> AsyncIterator[bytearray]:
        buffer = bytearray()
        for piece in pieces:
            buffer.clear()
            buffer.extend(piece)
            yield buffer

    await write(scene, lambda writer: writer.write_from(chunks()))
    assert scene.object() == b"".join(pieces)


async def test_a_write_waits_for_one_chunk_of_a_source_at_most(scene: Scene) -> None:
    writing: list[asyncio.Task[None]] = []

    async def block(writer: UploadWriter) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for number in range(20):
                if number == 3:
                    writing.append(asyncio.create_task(writer.write(b"!")))
                    await turns()
                yield b"x"

        await writer.write_from(chunks())
        await writing[0]

    await write(scene, block)
    assert scene.object() == b"xxxx!" + 16 * b"x"


ROW = b"x" * 52


async def test_other_tasks_run_after_64_small_writes_or_512_kib() -> None:
    scene = Scene(memory_limit=64 * MIB)
    since = given = most = most_bytes = 0

    async def beat() -> None:
        nonlocal since, given
        while True:
            since = given = 0
            await asyncio.sleep(0)

    async def block(writer: UploadWriter) -> None:
        nonlocal since, given, most, most_bytes
        beating = asyncio.create_task(beat())
        for data in [ROW] * 5000 + [bytes(100 * KIB)] * 40:
            await writer.write(data)
            since, given = since + 1, given + len(data)
            most, most_bytes = max(most, since), max(most_bytes, given)
        beating.cancel()

    await write(scene, block, plan=PartPlan(32 * MIB, 32 * MIB, 10))
    assert scene.store.operations == ["PutObject"]
    assert most <= 65
    assert most_bytes <= 700 * KIB


async def test_small_writes_take_the_lock_no_more_often_than_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    class Counting(FairLock):
        async def acquire(self) -> Literal[True]:
            nonlocal asked
            asked += 1
            return await super().acquire()

    monkeypatch.setattr(uploader, "FairLock", Counting)

    async def rows(writer: UploadWriter) -> None:
        for _ in range(6400):
            await writer.write(ROW)

    async def source(writer: UploadWriter) -> None:
        await writer.write_from([ROW] * 6400)

    counts = []
    for block in (source, rows):
        asked, scene = 0, Scene()
        await write(scene, block, plan=PartPlan(150_000, 150_000, 10))
        assert scene.object() == 6400 * ROW
        counts.append(asked)
    assert counts[1] <= 1.5 * counts[0]


async def test_a_block_that_swallows_a_refused_write_does_not_commit(scene: Scene) -> None:
    async def block(writer: UploadWriter) -> None:
        await writer.write(b"1234")
        with pytest.raises(ObjectTooLargeError):
            await writer.write(b"567")
        await writer.write(b"8")

    with pytest.raises(ObjectTooLargeError):
        await write(scene, block, max_size=6)
    assert scene.store.objects == {}


async def test_a_small_write_waits_for_the_response_to_create(scene: Scene) -> None:
    gate = Gate()
    scene.store.on("CreateMultipartUpload", gate)
    written = 0

    async def block(writer: UploadWriter) -> None:
        nonlocal written
        await writer.write(content(1))
        for _ in range(10):
            await writer.write(ROW)
            written += 1

    writing = asyncio.create_task(write(scene, block))
    await gate.entered.wait()
    await turns()
    assert written == 0
    gate.opened.set()
    await writing
    assert scene.object() == content(1) + 10 * ROW


async def test_a_cancelled_small_write_commits_nothing(scene: Scene) -> None:
    async def block(writer: UploadWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        await writer.write(b"x")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            for _ in range(100):
                await writer.write(b"x")
        task.uncancel()

    with pytest.raises(StorageError, match="cannot continue"):
        await write(scene, block)
    assert scene.store.objects == {}
