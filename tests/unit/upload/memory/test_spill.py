"""Parts on the disk: the same bytes, no wait for slow sources, limits, and nothing left behind."""

from __future__ import annotations

import asyncio
import base64
import errno
import threading
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aios3._concurrency import threads
from aios3._concurrency.threads import ThreadWork
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.wire.messages import Body
from aios3._upload.memory.budget import Reservation
from aios3._upload.memory.spill import DiskOverflow, SpillFile
from aios3._upload.source.readers import END
from aios3._upload.uploader import Uploader
from aios3.errors import ConfigurationError, StorageError
from tests.support.fakes import Gate, refusal, turns
from tests.support.spill_scene import SIZE, SpillScene, data, let_threads_take_turns
from tests.support.sweep import Turns
from tests.support.upload_scene import Block, spilled_files


def in_chunks(body: bytes, size: int) -> Block:
    async def feed(upload: Uploader) -> None:
        for start in range(0, len(body), size):
            await upload.add(memoryview(body)[start : start + size])

    return feed


class Reader:
    """Gives the bytes that it is asked for, and records the requests."""

    def __init__(self, body: bytes) -> None:
        self.left = body
        self.asked: list[int] = []

    async def pull(self, count: int) -> object:
        self.asked.append(count)
        chunk, self.left = self.left[:count], self.left[count:]
        return chunk or END

    async def feed(self, upload: Uploader) -> None:
        while await upload.add_from(self):  # type: ignore[arg-type]
            pass


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[SpillScene]:
    scene = SpillScene(tmp_path)
    yield scene
    scene.assert_nothing_is_left()


@pytest.fixture
async def holder(scene: SpillScene) -> AsyncIterator[Reservation]:
    """All memory, held by an unfinished part of another upload until the test has ended."""
    holder = scene.hold_memory()
    yield holder
    scene.let_go(holder)


# the same bytes


@pytest.mark.parametrize("size", [1, SIZE, SIZE + 1, 3 * SIZE + 7])
@pytest.mark.parametrize("chunk", [9999, SEGMENT_SIZE, SIZE - 1, SIZE + 1, 5 * SIZE])
async def test_spilled_bytes_are_sent_unchanged(scene: SpillScene, holder: Reservation, size: int, chunk: int) -> None:
    receipt = await scene.upload(in_chunks(data(size), chunk))
    assert scene.object() == data(size)
    assert len(scene.files) == -(-size // SIZE)
    assert ("PutObject" in scene.store.operations) is (size <= SIZE)
    assert (receipt.size, receipt.parts[:1] == ()) == (size, size <= SIZE)


@pytest.mark.parametrize("in_memory", [1, SEGMENT_SIZE + 1, 2 * SEGMENT_SIZE])
@pytest.mark.parametrize("total", [SIZE, 2 * SIZE + 5])
async def test_a_part_that_moves_to_the_disk_releases_its_memory(scene: SpillScene, in_memory: int, total: int) -> None:
    body = memoryview(data(total))
    used: list[int] = []

    async def feed(upload: Uploader) -> None:
        await upload.add(body[:in_memory])
        holder = scene.hold_memory()
        await upload.add(body[in_memory : 2 * SEGMENT_SIZE + 1])
        used.append(scene.engine.memory.used - holder.held)
        await upload.add(body[2 * SEGMENT_SIZE + 1 :])
        scene.let_go(holder)

    await scene.upload(feed)
    assert scene.object() == data(total)
    assert used == [0]
    assert scene.files


async def test_the_part_after_a_spilled_one_begins_in_memory(scene: SpillScene) -> None:
    async def feed(upload: Uploader) -> None:
        holder = scene.hold_memory()
        await upload.add(memoryview(data(SIZE)))
        scene.let_go(holder)
        await upload.add(memoryview(data(SIZE)))

    await scene.upload(feed)
    assert scene.object() == 2 * data(SIZE)
    assert len(scene.files) == 1


@pytest.mark.parametrize(("total", "is_declared"), [(2 * SIZE, False), (2 * SIZE, True), (0, False)])
async def test_a_reader_whose_part_is_on_the_disk_is_never_asked_for_no_bytes(
    scene: SpillScene, holder: Reservation, total: int, is_declared: bool
) -> None:
    """The empty chunk would look like its end."""
    reader = Reader(data(total))
    await scene.upload(reader.feed, size=total if is_declared else None)
    assert scene.object() == data(total)
    assert min(reader.asked) >= 1
    assert max(reader.asked) <= SEGMENT_SIZE


async def test_a_spilled_part_is_retried_with_the_same_bytes_and_their_checksum(scene: SpillScene) -> None:
    holder, body = scene.hold_memory(), data(SIZE + 1)
    scene.store.on("UploadPart", refusal(500), refusal(503))
    receipt = await scene.upload(body, concurrency=1, checksum="crc32")
    sent = zip(scene.store.operations, scene.store.bodies, strict=True)
    assert [part for operation, part in sent if operation == "UploadPart"] == [body[:SIZE]] * 3 + [body[SIZE:]]
    checksums = [zlib.crc32(part).to_bytes(4, "big") for part in (body[:SIZE], body[SIZE:])]
    assert [base64.b64decode(part.checksum or "") for part in receipt.parts] == checksums
    scene.let_go(holder)


# waiting


async def test_no_part_is_spilled_for_want_of_bytes_in_flight(scene: SpillScene) -> None:
    gates = [Gate() for _ in range(4)]
    scene.store.on("UploadPart", *gates)
    uploading = await scene.start(data(6 * SIZE), concurrency=8)
    assert len(scene.store.requests("UploadPart")) == 4
    for gate in gates:
        gate.opened.set()
    await uploading
    assert not scene.files


async def test_one_task_can_feed_several_uploads_whose_parts_memory_cannot_hold(scene: SpillScene) -> None:
    async with scene.open("a") as a, scene.open("b") as b, scene.open("c") as c, scene.open("d") as d:
        for upload in (a, b, c, d):
            await upload.add(memoryview(data(SIZE - 1)))
        for upload in (a, b, c, d):
            await upload.add(memoryview(b"!"))
    assert {scene.store.objects[key][0] for key in "abcd"} == {data(SIZE - 1) + b"!"}
    assert scene.files


# bounds


@pytest.mark.parametrize("way", ["memory", "disk"])
async def test_an_upload_waits_for_memory_or_disk_if_both_are_full(tmp_path: Path, way: str) -> None:
    scene = SpillScene(tmp_path, spill_limit=SIZE)
    holder = scene.hold_memory()
    go_on = asyncio.Event()

    async def slow(upload: Uploader) -> None:
        await upload.add(memoryview(b"slow"))
        await go_on.wait()

    spilled = await scene.start(slow, key="slow")
    waiting = await scene.start(data(SIZE), key="waiting")
    assert (scene.spill.used, len(scene.files), scene.store.sent) == (SIZE, 1, [])
    if way == "memory":
        scene.let_go(holder)
        await waiting
        assert len(scene.files) == 1
        go_on.set()
        await spilled
    else:
        go_on.set()
        await asyncio.gather(spilled, waiting)
        assert len(scene.files) == 2
        scene.let_go(holder)
    assert scene.store.objects["waiting"][0] == data(SIZE)
    scene.assert_nothing_is_left()


async def test_of_two_uploads_that_wait_for_room_for_one_the_other_waits_on(tmp_path: Path) -> None:
    scene = SpillScene(tmp_path, spill_limit=SIZE)
    holder = scene.hold_memory()
    async with scene.open("first") as first:
        await first.add(memoryview(b"1"))
        waiting = [await scene.start(data(SIZE), key=key) for key in "ab"]
    await asyncio.gather(*waiting)
    assert {scene.store.objects[key][0] for key in "ab"} == {data(SIZE)}
    assert len(scene.files) == 3
    scene.let_go(holder)
    scene.assert_nothing_is_left()


async def test_a_part_larger_than_the_memory_for_reading_back_is_not_spilled(scene: SpillScene) -> None:
    holder = scene.hold_memory()
    waiting = await scene.start(data(10), plan=type(scene.plan)(SIZE + 1, SIZE + 1, 10))
    assert not waiting.done()
    scene.let_go(holder)
    await waiting
    assert not scene.files


async def test_memory_and_disk_stay_within_their_limits(tmp_path: Path) -> None:
    scene = SpillScene(tmp_path, parts=8, size=2 * SEGMENT_SIZE, spill_limit=10 * SIZE)
    most = 0

    def watch() -> None:
        nonlocal most
        most = max(most, scene.spill.used)
        assert scene.engine.memory.used <= 16 * SEGMENT_SIZE

    async def slow(upload: Uploader) -> None:
        for start in range(0, 5 * SEGMENT_SIZE, 50_000):
            await upload.add(memoryview(body)[start : min(start + 50_000, 5 * SEGMENT_SIZE)])
            watch()
            await turns(3)

    body = data(5 * SEGMENT_SIZE)
    await asyncio.gather(*(scene.upload(slow, key=str(number), concurrency=3) for number in range(30)))
    assert {stored[0] for stored in scene.store.objects.values()} == {body}
    assert scene.pool.most <= 16
    assert 0 < most <= 10 * SIZE
    scene.assert_nothing_is_left()


async def test_spilled_parts_are_read_back_one_after_the_other(scene: SpillScene, holder: Reservation) -> None:
    gates = [Gate(), Gate()]
    scene.store.on("UploadPart", *gates)
    uploading = await scene.start(data(2 * SIZE + 1), concurrency=8)
    await gates[0].entered.wait()
    await turns(50)
    assert len(scene.store.requests("UploadPart")) == 1
    for gate in gates:
        gate.opened.set()
    await uploading


async def test_no_memory_is_taken_for_a_spilled_part_before_create_ends(scene: SpillScene, holder: Reservation) -> None:
    """So a slow Create keeps no other part from being read back."""
    gate = Gate()
    scene.store.on("CreateMultipartUpload", gate)
    uploading = await scene.start(data(SIZE + 1))
    await gate.entered.wait()
    await turns(50)
    assert scene.engine.memory.used == holder.held
    gate.opened.set()
    await uploading


# failures


class Full(SpillFile):
    """Has room for `room` bytes."""

    room = 0

    def write(self, pieces: Body, offset: int) -> None:
        if offset + sum(len(piece) for piece in pieces) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(pieces, offset)


@pytest.mark.parametrize("room", [0, SEGMENT_SIZE, SIZE])
async def test_an_upload_whose_disk_is_full_ends_with_the_systems_error(scene: SpillScene, room: int) -> None:
    scene.make_file = type("Full", (Full,), {"room": room})
    bodies = data(3 * SIZE)

    async def feed(upload: Uploader) -> None:
        await upload.add(memoryview(bodies)[:SEGMENT_SIZE])
        holders.append(scene.hold_memory())
        for start in range(SEGMENT_SIZE, len(bodies), SEGMENT_SIZE):
            await upload.add(memoryview(bodies)[start : start + SEGMENT_SIZE])
            if start > SIZE:
                scene.make_file = Full

    holders: list[Reservation] = []
    with pytest.raises(OSError, match="No space left") as caught:
        await scene.upload(feed)
    assert caught.value.errno == errno.ENOSPC
    assert "key" not in scene.store.objects
    scene.let_go(holders[0])


@pytest.mark.parametrize("size", [SIZE, 3 * SIZE])
async def test_an_upload_whose_bytes_cannot_be_read_back_ends_with_the_systems_error(
    scene: SpillScene, holder: Reservation, size: int
) -> None:
    class Unreadable(SpillFile):
        def read(self, pieces: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

    scene.make_file = Unreadable
    with pytest.raises(OSError, match="Input/output"):
        await scene.upload(in_chunks(data(size), SEGMENT_SIZE))  # type: ignore[arg-type]
    assert "key" not in scene.store.objects


def held_up_files() -> tuple[type[SpillFile], threading.Event, threading.Event]:
    """Return a kind of files whose writes wait, an event for the first write, and one that lets them continue."""
    entered, may_write = threading.Event(), threading.Event()

    class HeldUp(SpillFile):
        def write(self, pieces: Body, offset: int) -> None:
            entered.set()
            may_write.wait()
            super().write(pieces, offset)

    return HeldUp, entered, may_write


async def test_an_upload_ends_after_the_last_thread_that_writes_for_it(scene: SpillScene, holder: Reservation) -> None:
    """Also if a task that outlives the block has begun the write, and if the upload is cancelled."""
    scene.make_file, entered, may_write = held_up_files()
    writing: list[asyncio.Task[None]] = []

    async def leave(upload: Uploader) -> None:
        writing.append(asyncio.create_task(upload.add(memoryview(b"bytes"))))
        while not entered.is_set():
            await asyncio.sleep(0)
        raise ValueError

    task = await scene.start(leave)
    while not entered.is_set():
        await asyncio.sleep(0)
    await turns(20)
    task.cancel()
    await turns(20)
    assert (task.done(), spilled_files(scene.spill.directory), scene.spill.used) == (False, 0, SIZE)
    may_write.set()
    await asyncio.wait({task, *writing})
    assert task.cancelled()
    assert isinstance(writing[0].exception(), ConfigurationError)


async def test_the_memory_of_a_moving_part_is_released_after_the_move(scene: SpillScene) -> None:
    """Although the upload is cancelled: the thread still reads it."""
    scene.make_file, entered, may_write = held_up_files()

    async def feed(upload: Uploader) -> None:
        await upload.add(memoryview(data(SEGMENT_SIZE)))
        holders.append(scene.hold_memory())
        await upload.add(memoryview(b"more"))

    holders: list[Reservation] = []
    task = asyncio.create_task(scene.upload(feed))
    while not entered.is_set():
        await asyncio.sleep(0)
    task.cancel()
    await turns(20)
    assert (task.done(), scene.pool.lent) == (False, 1)
    may_write.set()
    await asyncio.wait({task})
    assert task.cancelled()
    scene.let_go(holders[0])


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancellation_at_any_turn_leaves_nothing(tmp_path: Path, times: int) -> None:
    let_threads_take_turns()
    step = ended = 0
    files_seen: set[int] = set()

    def cancel() -> None:
        files_seen.add(spilled_files(scene.spill.directory))
        task.cancel()

    while not ended:
        scene = SpillScene(tmp_path)
        holders: list[Reservation] = []
        task = asyncio.create_task(scene.upload(moving(scene, holders), concurrency=1))
        plan = Turns(*((step + 3 * index, cancel) for index in range(times)))
        await asyncio.wait({task})
        plan.stop()
        ended = not task.cancelled()
        for holder in holders:
            scene.let_go(holder)
        assert scene.store.objects.get("key", (MOVED,))[0] == MOVED
        scene.assert_nothing_is_left()
        step += 1
    assert task.result().size == len(MOVED)
    assert files_seen == {0, 1, 2}
    assert step > 30  # 48 turns on Python 3.11, 41 on 3.14, and five fewer with eager tasks


MOVED = data(2 * SIZE + 5)


def moving(scene: SpillScene, holders: list[Reservation]) -> Block:
    async def feed(upload: Uploader) -> None:
        await upload.add(memoryview(MOVED)[:SEGMENT_SIZE])
        holders.append(scene.hold_memory())
        await in_chunks(MOVED[SEGMENT_SIZE:], SIZE // 2)(upload)  # type: ignore[misc]

    return feed


async def test_a_file_is_closed_at_once_if_there_are_no_threads_left(
    scene: SpillScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = scene.spill.begin(1, SIZE, ThreadWork())
    await part.write(memoryview(b"bytes"))
    assert spilled_files(scene.spill.directory) == 1
    gone = ThreadPoolExecutor()
    gone.shutdown()
    monkeypatch.setattr(threads, "_pool", gone)
    part.end()
    part.close()
    assert spilled_files(scene.spill.directory) == 0


def test_the_overflow_is_open_while_the_part_fits_and_may_open_while_others_are_in_flight(tmp_path: Path) -> None:
    scene = SpillScene(tmp_path, spill_limit=3 * SIZE)
    room = DiskOverflow(scene.spill, SIZE)
    assert (room.is_open(), room.may_open()) == (True, False)
    part = scene.spill.begin(1, SIZE, ThreadWork())
    part.size = 10
    scene.spill.begin(2, 2 * SIZE, ThreadWork())
    assert (room.is_open(), room.may_open()) == (False, False)
    part.end()
    assert (room.is_open(), room.may_open(), scene.spill.used) == (False, True, 2 * SIZE + 10)
    assert not DiskOverflow(scene.spill, SIZE + 1).is_open()


async def test_a_put_that_waits_to_be_read_back_can_be_stopped(scene: SpillScene, holder: Reservation) -> None:
    """It is no commit yet, which would be allowed to end."""
    gate = Gate()
    scene.store.on("UploadPart", gate)
    first = await scene.start(data(SIZE + 1), key="first", concurrency=1)
    await gate.entered.wait()
    waiting = await scene.start(data(SIZE), key="waiting")
    for upload in scene.engine.running:
        upload.stop(StorageError("stopped"))
    await asyncio.wait({first, waiting})
    assert [str(task.exception()) for task in (first, waiting)] == ["stopped", "stopped"]
    assert scene.store.objects == {}
