"""What a block writes to: accepted in order, waited for, and refused after the end."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import pytest

from aios3._concurrency.fair_lock import FairLock
from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload import uploader
from aios3._upload.lifecycle import run_upload
from aios3._upload.source.readers import SourceReader
from aios3._upload.writer import UploadWriter
from aios3.errors import ConfigurationError, ObjectTooLargeError, StorageError
from aios3.options import KIB, MIB
from tests.conftest import EAGER_TASKS
from tests.support.fakes import PART, Gate, RecordingSource, make_job, turns
from tests.support.upload_scene import UploadScene as Scene
from tests.support.upload_scene import content

Block = Callable[[UploadWriter], Awaitable[object]]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def write(scene: Scene, block: Block, **job: Any) -> UploadWriter:
    async with run_upload(scene.engine, make_job(**job)) as upload:
        writer = UploadWriter(upload)
        await block(writer)
    return writer


async def test_what_is_written_is_committed(scene: Scene) -> None:
    """Bytes-like data of any kind and length, in order; its buffer may be reused at once."""

    async def block(writer: UploadWriter) -> None:
        buffer = bytearray(b"abc")
        await writer.write(buffer)
        buffer[:] = b"xyz"
        await writer.write(b"")
        await writer.write(memoryview(content(1.5))[:10])
        await writer.write(array.array("H", b"ab"))  # type: ignore[arg-type]
        await writer.write(content(1.5)[10:])

    await write(scene, block)
    assert scene.object() == b"abc" + content(1.5)[:10] + b"ab" + content(1.5)[10:]


@pytest.mark.parametrize("wrong", ["text", None, 5, [b"a"]])
async def test_what_is_not_bytes_is_refused(scene: Scene, wrong: Any) -> None:
    """Nothing of it was taken, so the block may go on."""

    async def block(writer: UploadWriter) -> None:
        with pytest.raises(TypeError, match="must be bytes-like"):
            await writer.write(wrong)
        await writer.write(b"abc")

    await write(scene, block)
    assert scene.object() == b"abc"


async def test_the_receipt_is_there_after_the_block(scene: Scene) -> None:
    """Not before, and not if nothing was committed."""

    async def block(writer: UploadWriter) -> None:
        await writer.write(b"abc")
        with pytest.raises(ConfigurationError, match="no receipt"):
            _ = writer.receipt

    writer = await write(scene, block)
    assert writer.receipt.size == 3
    box: list[UploadWriter] = []

    async def fail(writer: UploadWriter) -> None:
        box.append(writer)
        raise KeyError("theirs")

    with pytest.raises(KeyError):
        await write(scene, fail)
    with pytest.raises(ConfigurationError, match="no receipt"):
        _ = box[0].receipt


async def test_a_writer_does_nothing_after_its_block(scene: Scene) -> None:
    """Every way to write is refused."""
    writer = await write(scene, lambda writer: writer.write(b"abc"))
    source = RecordingSource(b"x")
    with pytest.raises(ConfigurationError, match="ended"):
        await writer.write(b"")
    with pytest.raises(ConfigurationError, match="ended"):
        await writer.write_from(source)
    assert (source.pulls, source.closed) == (0, 1)
    assert scene.object() == b"abc"


async def test_writes_wait_while_the_store_is_slow(scene: Scene) -> None:
    """The next write returns when there is room for it."""
    gate = Gate()
    scene.store.on("UploadPart", *[gate] * 20)
    accepted = 0

    async def block(writer: UploadWriter) -> None:
        nonlocal accepted
        for _ in range(10):
            await writer.write(content(1))
            accepted += 1

    task = asyncio.create_task(write(scene, block, concurrency=2))
    await turns(60)
    assert accepted == 2
    gate.opened.set()
    await task
    assert scene.object() == content(1) * 10


async def test_bytes_are_durable_without_a_gap_before_them(scene: Scene) -> None:
    """Neither those that were only taken, nor those that the store has behind a part that is on its way."""
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


async def test_writes_of_several_tasks_do_not_mix(scene: Scene) -> None:
    """Each one's bytes are together, however many parts they fill."""
    letters = b"abcdefgh"

    async def block(writer: UploadWriter) -> None:
        async with asyncio.TaskGroup() as group:
            for letter in letters:
                group.create_task(writer.write(bytes([letter]) * int(1.7 * PART)))

    await write(scene, block)
    assert scene.object() == b"".join(bytes([letter]) * int(1.7 * PART) for letter in letters)


async def test_a_source_is_written_to_its_end_and_closed(scene: Scene) -> None:
    """And more may follow."""
    source = RecordingSource(content(1), b"", b"abc")

    async def block(writer: UploadWriter) -> None:
        await writer.write(b"first ")
        await writer.write_from(source)
        await writer.write_from(b" last")

    await write(scene, block)
    assert scene.object() == b"first " + content(1) + b"abc last"
    assert source.closed == 1


async def test_a_source_stays_open_if_only_its_reader_was_lent(scene: Scene) -> None:
    """Whoever made the reader closes it."""
    source = RecordingSource(b"abc")
    reader = SourceReader(source)
    await write(scene, lambda writer: writer.write_all(reader))
    assert (scene.object(), source.closed) == (b"abc", 0)


@pytest.mark.parametrize("error", [OSError("source"), asyncio.CancelledError()])
async def test_a_broken_source_is_closed_and_its_error_raised(scene: Scene, error: BaseException) -> None:
    """Unchanged, and nothing is committed."""
    source = RecordingSource(content(2), error)
    with pytest.raises(type(error)) as caught:
        await write(scene, lambda writer: writer.write_from(source))
    assert caught.value is error
    assert source.closed == 1
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("wrong", [None, "text"])
async def test_a_wrong_chunk_aborts(scene: Scene, wrong: Any) -> None:
    """`None` is no end."""
    source = RecordingSource(content(2), wrong)
    with pytest.raises(TypeError, match="must be bytes-like"):
        await write(scene, lambda writer: writer.write_from(source))
    assert scene.store.objects == {}
    assert scene.store.operations == ["CreateMultipartUpload", "AbortMultipartUpload"]


async def test_what_is_no_source_is_refused_at_once(scene: Scene) -> None:
    """Before anything is sent; the block may go on."""

    async def block(writer: UploadWriter) -> None:
        with pytest.raises(TypeError, match="cannot read from int"):
            await writer.write_from(5)
        await writer.write(b"abc")

    await write(scene, block)
    assert scene.object() == b"abc"


async def test_a_source_that_goes_over_the_limit_is_closed(scene: Scene) -> None:
    """At once: the rest of it is not read."""
    source = RecordingSource(*[content(1)] * 50)
    with pytest.raises(ObjectTooLargeError):
        await write(scene, lambda writer: writer.write_from(source), max_size=2 * PART)
    assert (source.pulls, source.closed) == (3, 1)
    scene.assert_nothing_is_left()


async def test_a_source_that_never_waits_lets_others_have_their_turn(scene: Scene) -> None:
    """After 64 chunks; more often would make every small chunk dear."""
    turns_of_others = 0
    is_running = True

    async def other() -> None:
        nonlocal turns_of_others
        while is_running:
            turns_of_others += 1
            await asyncio.sleep(0)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(640):
            yield b"x"

    async def block(writer: UploadWriter) -> None:
        await asyncio.sleep(0)
        before = turns_of_others
        await writer.write_from(chunks())
        assert turns_of_others - before == 10

    task = asyncio.create_task(other())
    await write(scene, block)
    is_running = False
    await task


@pytest.mark.parametrize("length", [10, PART // 2, 2 * PART])
async def test_a_producer_may_resize_its_buffer_for_the_next_chunk(scene: Scene, length: int) -> None:
    """No view of the last one is held when it is asked."""
    pieces = [content(3)[start : start + length + start % 3] for start in range(0, 3 * PART, length)]

    async def chunks() -> AsyncIterator[bytearray]:
        buffer = bytearray()
        for piece in pieces:
            buffer.clear()
            buffer.extend(piece)
            yield buffer

    await write(scene, lambda writer: writer.write_from(chunks()))
    assert scene.object() == b"".join(pieces)


async def test_who_wants_to_write_waits_for_one_chunk_at_most(scene: Scene) -> None:
    """However many more a source has."""
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


async def test_large_chunks_let_others_have_their_turn_more_often() -> None:
    """Every 512 KiB, or the source would outrun what is sent."""
    scene = Scene(memory_limit=32 << 20)
    turns_of_others = 0

    async def other() -> None:
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(64 << 10)

    async def block(writer: UploadWriter) -> None:
        task = asyncio.create_task(other())
        await writer.write_from(chunks())
        task.cancel()

    await write(scene, block, plan=PartPlan(16 << 20, 16 << 20, 10))
    assert turns_of_others == 8 + EAGER_TASKS


ROW = b"x" * 52


async def test_small_writes_let_others_have_their_turn_before_the_first_part() -> None:
    """At the latest after 64 of them, or 512 KiB, although none has to wait."""
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


async def test_small_writes_cost_no_more_than_a_source_of_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing has to be waited for, neither a lock nor a coroutine stands between a row and its part."""
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


async def test_a_small_write_that_is_too_much_spoils_the_upload(scene: Scene) -> None:
    """Also if the caller goes on."""

    async def block(writer: UploadWriter) -> None:
        await writer.write(b"1234")
        with pytest.raises(ObjectTooLargeError):
            await writer.write(b"567")
        await writer.write(b"8")

    with pytest.raises(ObjectTooLargeError):
        await write(scene, block, max_size=6)
    assert scene.store.objects == {}


async def test_a_small_write_finds_the_upload_open_or_refused(scene: Scene) -> None:
    """It does not overtake the answer to Create."""
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


async def test_a_cancelled_write_spoils_the_upload_whenever_it_comes(scene: Scene) -> None:
    """Also in the turn that a caller of many small writes gives to others."""

    async def block(writer: UploadWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        await writer.write(b"x")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            for _ in range(100):
                await writer.write(b"x")
        task.uncancel()

    with pytest.raises(StorageError, match="cannot go on"):
        await write(scene, block)
    assert scene.store.objects == {}
