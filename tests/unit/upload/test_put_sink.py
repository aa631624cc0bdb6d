"""An upload as one streamed PutObject: the promises of any other, without parts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aios3._upload.memory.budget import Reservation
from aios3._upload.source.readers import SourceReader
from aios3._upload.uploader import Uploader
from aios3.errors import (
    AccessDeniedError,
    CompletionUnknownError,
    ObjectTooLargeError,
    SizeMismatchError,
    StorageError,
    ThrottledError,
    TransportError,
)
from aios3.models import UploadProgress
from tests.conftest import EAGER_TASKS
from tests.support.fakes import PART, Gate, RecordingSource, md5, refusal, turns
from tests.support.stream_scene import LIMIT
from tests.support.stream_scene import StreamScene as Scene
from tests.support.upload_scene import content

SIZES = pytest.mark.parametrize("is_declared", [False, True], ids=["chunked", "declared"])


@pytest.fixture
def scene() -> Scene:
    return Scene()


def pulling(source: object):
    reader = SourceReader(source)

    async def add(upload: Uploader) -> None:
        while await upload.add_from(reader):
            pass

    return add


# what is sent


@pytest.mark.parametrize("parts", [0, 0.5, 1])
@SIZES
async def test_what_fits_one_part_is_an_ordinary_put(scene: Scene, parts: float, is_declared: bool) -> None:
    """Buffered and repeated as ever."""
    scene.store.on("PutObject", refusal(503, "SlowDown"))
    receipt = await scene.upload(content(parts), size=int(parts * PART) if is_declared else None)
    assert scene.store.lengths == []
    assert scene.object() == content(parts)
    assert (receipt.size, receipt.upload_id, receipt.parts, receipt.retries) == (parts * PART, None, (), 1)
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [1.001, 2, 3.5, 12])
@SIZES
async def test_more_is_one_streamed_put(scene: Scene, parts: float, is_declared: bool) -> None:
    """With its length where that was declared."""
    body = content(parts)
    receipt = await scene.upload(body, size=len(body) if is_declared else None)
    assert scene.store.operations == ["PutObject"]
    assert scene.store.lengths == [len(body) if is_declared else None]
    assert scene.object() == body
    assert (receipt.size, receipt.upload_id, receipt.parts, receipt.etag) == (len(body), None, (), md5(body))
    assert (receipt.bucket, receipt.key, receipt.version_id, receipt.retries) == ("bucket", "key", "v1", 0)
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("step", [1, 700, PART, 3 * PART])
@SIZES
async def test_chunks_of_any_size_go_out(scene: Scene, step: int, is_declared: bool) -> None:
    """Byte for byte."""
    body = content(2.3)
    source = RecordingSource(*[body[at : at + step] for at in range(0, len(body), step)])
    await scene.upload(pulling(source), size=len(body) if is_declared else None)
    assert scene.object() == body


async def test_the_headers_are_those_of_the_commit_too(scene: Scene) -> None:
    """There is one request for all of them; it is not signed by the body, and has no checksum."""
    await scene.upload(content(2))
    headers = scene.store.requests("PutObject")[0].headers
    assert headers == {"content-type": "video/mp4", "if-none-match": "*", "x-amz-meta-aios3-nonce": "n"}
    assert scene.store.read_timeouts == [scene.engine.timeouts.complete]


# progress


@SIZES
async def test_progress_counts_stored_bytes_only_when_the_store_has_said_so(scene: Scene, is_declared: bool) -> None:
    """None, then all."""
    told: list[UploadProgress] = []
    size = 3 * PART
    await scene.upload(content(3), on_progress=told.append, size=size if is_declared else None)
    assert [progress.bytes_read for progress in told] == sorted(progress.bytes_read for progress in told)
    assert [progress.bytes_stored for progress in told[:-1]] == [0] * (len(told) - 1)
    assert len(told) > 2
    assert told[-1] == UploadProgress(size, size, size if is_declared else None, 0)


async def test_a_progress_callback_that_raises_ends_the_upload(scene: Scene) -> None:
    """At any of its calls; nothing is committed."""
    for count in range(3):
        calls = iter(range(10))

        def fail(_: object, calls: Any = calls, count: int = count) -> None:
            if next(calls) == count:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await scene.upload(content(2.5), on_progress=fail)
        assert scene.store.objects == {}
        scene.assert_nothing_is_left()


async def test_a_callback_that_fails_after_the_commit_says_so(scene: Scene) -> None:
    """Its error has a note."""

    def fail(progress: UploadProgress) -> None:
        if progress.bytes_stored:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await scene.upload(content(2.5), on_progress=fail)
    assert caught.value.__notes__ == ["aios3: the object was committed"]
    assert scene.object() == content(2.5)


# bounds


async def test_a_stuck_socket_stops_the_source(scene: Scene) -> None:
    """After what is in flight and the piece that waits: the source is not read ahead of that."""
    scene.store.may_read.clear()
    source = RecordingSource(*[content(0.5)] * 60)
    task = await scene.start(pulling(source))
    assert source.pulls == 3  # the beginning, and the chunk that showed that more comes
    assert scene.engine.memory.used == PART
    task.cancel()
    await asyncio.wait({task})
    scene.assert_nothing_is_left()


async def test_a_socket_that_is_stuck_in_the_middle_stops_the_source(scene: Scene) -> None:
    """Three pieces are held: one goes out, one follows it, one is being filled."""
    source = RecordingSource(*[content(0.5)] * 40)
    begun = asyncio.Event()

    async def stop_reading() -> None:
        while len(scene.store.received) < 4 * PART:
            await asyncio.sleep(0)
        scene.store.may_read.clear()
        begun.set()

    watching = asyncio.create_task(stop_reading())
    task = await scene.start(pulling(source))
    await begun.wait()
    await turns(100)
    held = source.pulls * PART // 2 - len(scene.store.received)
    assert 0 < held <= 4 * PART
    assert scene.engine.memory.used <= 3 * PART
    pulls = source.pulls
    await turns(50)
    assert source.pulls == pulls < 40
    scene.store.may_read.set()
    assert (await task).size == 20 * PART
    await watching
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("uploads", [1, 3])
async def test_memory_for_one_part_is_enough(uploads: int) -> None:
    """For any number of uploads: what goes out comes back."""
    scene = Scene(memory_limit=PART)
    tasks = [
        asyncio.create_task(scene.upload(pulling(RecordingSource(*[content(0.3)] * 20)), key=f"key-{number}"))
        for number in range(uploads)
    ]
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert {len(body) for body, *_ in scene.store.objects.values()} == {20 * len(content(0.3))}
    scene.assert_nothing_is_left()


async def test_memory_is_granted_before_the_source_is_asked(scene: Scene) -> None:
    """A budget that is used up by others stops the source, in the middle too."""
    source = RecordingSource(*[content(0.5)] * 10)
    reader = SourceReader(source)

    async def add(upload: Uploader) -> None:
        for _ in range(3):
            await upload.add(memoryview(content(0.5)))
        await turns()
        scene.engine.memory.limit = scene.engine.memory.used
        pulls = source.pulls
        taking = [asyncio.create_task(upload.add_from(reader)) for _ in range(2)]
        await turns()
        assert source.pulls <= pulls + 1  # for which there was room
        scene.engine.memory.limit = 64 * PART
        scene.engine.memory._serve()
        await asyncio.gather(*taking)

    assert (await scene.upload(add)).size == 13 * PART // 2


async def test_a_live_source_does_not_wait_for_a_full_piece(scene: Scene) -> None:
    """What has come goes out as soon as nothing else does, or the store would close a silent connection."""
    received: list[int] = []

    async def add(upload: Uploader) -> None:
        for piece in (content(1), *[b"x"] * 4):
            await upload.add(memoryview(piece))
            await turns()
            received.append(len(scene.store.received))

    await scene.upload(add)
    assert received == [0, *range(PART + 1, PART + 5)]


async def test_what_comes_while_the_socket_is_busy_goes_out_together(scene: Scene) -> None:
    """A source of small chunks is not held up by each of them."""
    written = 0

    async def add(upload: Uploader) -> None:
        nonlocal written
        await upload.add(memoryview(content(1.5)))
        await turns()
        scene.store.may_read.clear()
        for written in range(1, 11):
            await upload.add(memoryview(b"x"))
            await turns()

    task = await scene.start(add)
    await turns(300)
    assert written == 10
    scene.store.may_read.set()
    await task
    assert scene.object() == content(1.5) + b"x" * 10


async def test_a_source_that_is_never_waited_for_lets_the_socket_have_each_piece(scene: Scene) -> None:
    """Before it makes the next one: else it would keep the loop from sending."""
    received: list[int] = []
    await scene.upload(content(9), on_progress=lambda _: received.append(len(scene.store.received) // PART))
    assert received == ([1, *range(1, 10)] if EAGER_TASKS else [*range(10)])


@SIZES
async def test_the_first_part_is_kept_until_more_comes(scene: Scene, is_declared: bool) -> None:
    """Until then it can be sent again; also where it is known that more will come."""
    lengths: list[list[int | None]] = []

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        await turns(50)
        lengths.append([*scene.store.lengths])
        await upload.add(memoryview(b"x"))

    await scene.upload(add, size=PART + 1 if is_declared else None)
    assert lengths == [[]]


async def test_the_last_declared_byte_waits_for_the_end_of_the_source(scene: Scene) -> None:
    """With it the store has a whole request, and the source may still fail."""
    size = 2 * PART + 5

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        await upload.add(memoryview(bytes(10)))
        await upload.add(memoryview(bytes(PART - 10)))
        await upload.add(memoryview(bytes(5)))
        await turns()
        assert len(scene.store.received) < size
        raise KeyError("the source")

    with pytest.raises(KeyError):
        await scene.upload(add, size=size)
    assert scene.store.objects == {}
    assert len(scene.store.received) < size


# all or nothing


@SIZES
@pytest.mark.parametrize("chunks", [0, 1, 2, 3, 7])
async def test_a_source_that_fails_leaves_nothing(scene: Scene, chunks: int, is_declared: bool) -> None:
    """Its error comes out unchanged; the store has no whole request."""
    error = KeyError("the source")
    source = RecordingSource(*[content(0.5)] * chunks, error)
    with pytest.raises(KeyError) as caught:
        await scene.upload(pulling(source), size=10 * PART if is_declared else None)
    assert caught.value is error
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("difference", [-1, 1, -PART, PART])
async def test_a_source_of_another_size_leaves_nothing(scene: Scene, difference: int) -> None:
    """Also by one byte, and at a border."""
    with pytest.raises(SizeMismatchError):
        await scene.upload(content(3), size=3 * PART + difference)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_source_over_max_size_leaves_nothing(scene: Scene) -> None:
    """In the middle of the stream."""
    with pytest.raises(ObjectTooLargeError, match="max_size"):
        await scene.upload(content(3), max_size=3 * PART - 1)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_stream_over_the_stores_limit_fails_at_once(scene: Scene) -> None:
    """Before the byte is taken; what the limit is of is said."""
    source = RecordingSource(*[content(1)] * (LIMIT // PART + 5))
    with pytest.raises(ObjectTooLargeError, match=r"the store takes in one PutObject.*no parts"):
        await scene.upload(pulling(source))
    assert source.pulls == LIMIT // PART + 1
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()
    assert (await scene.upload(bytes(LIMIT))).size == LIMIT


@SIZES
@pytest.mark.parametrize("step", range(0, 60, 3))
async def test_a_cancelled_upload_leaves_nothing(scene: Scene, step: int, is_declared: bool) -> None:
    """At any turn before the commit."""
    source = RecordingSource(*[content(0.5)] * 20)
    size = 10 * PART if is_declared else None
    scene.store.on("PutObject", Gate())
    task = asyncio.create_task(scene.upload(pulling(source), size=size))
    await turns(step)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_swallowed_error_cannot_be_committed(scene: Scene) -> None:
    """Bytes were lost."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2)))
        with pytest.raises(ObjectTooLargeError):
            await upload.add(memoryview(content(2)))

    with pytest.raises(ObjectTooLargeError):
        await scene.upload(add, max_size=3 * PART)
    assert scene.store.objects == {}


# failures


@pytest.mark.parametrize("received", [0, 1, PART])
@pytest.mark.parametrize("failure", [refusal(503, "SlowDown"), TransportError("refused")], ids=["503", "refused"])
async def test_the_beginning_is_sent_again(scene: Scene, received: int, failure: Any) -> None:
    """Until all of it has left; each attempt counts."""
    scene.store.failures = [(received, failure)] * 2
    receipt = await scene.upload(content(3))
    assert scene.object() == content(3)
    assert receipt.retries == 2
    scene.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (refusal(503, "SlowDown"), ThrottledError),
        (refusal(403, "AccessDenied"), AccessDeniedError),
        (TransportError("reset"), TransportError),
    ],
)
@SIZES
async def test_later_a_failure_is_the_end(scene: Scene, failure: Any, expected: type, is_declared: bool) -> None:
    """The source is stopped, also if it is being waited for, and is not asked again."""
    scene.store.failures = [(PART + 1, failure)]
    source = RecordingSource(*[content(0.5)] * 5, asyncio.Event(), content(1))
    with pytest.raises(expected) as caught:
        await scene.upload(pulling(source), size=20 * PART if is_declared else None)
    assert type(caught.value) is expected
    assert source.pulls <= 6
    assert scene.store.operations == ["PutObject"]
    scene.assert_nothing_is_left()


async def test_attempts_are_bounded(scene: Scene) -> None:
    """By the retry policy, as those of any request."""
    scene.store.failures = [(1, refusal(503, "SlowDown"))] * 9
    with pytest.raises(ThrottledError):
        await scene.upload(content(3))
    assert len(scene.store.sent) == 4
    scene.assert_nothing_is_left()


async def test_a_lost_answer_is_settled(scene: Scene) -> None:
    """By what the key holds."""
    scene.store.on("PutObject", scene.store.lose)
    receipt = await scene.upload(content(3))
    assert (receipt.etag, receipt.retries) == (md5(content(3)), 1)
    assert scene.store.operations == ["PutObject", "HeadObject"]
    assert scene.store.requests("HeadObject")[0].headers == {"x-part": "p"}


async def test_an_object_of_the_same_size_that_was_there_a_moment_before_is_not_ours(scene: Scene) -> None:
    """Success is not said of bytes that may be somebody else's."""
    scene.store.put("key", bytes(3 * PART))
    scene.store.on("PutObject", refusal(500, "InternalError"))
    with pytest.raises(CompletionUnknownError, match="may be it"):
        await scene.upload(content(3))
    scene.assert_nothing_is_left()


async def test_an_answer_that_cannot_be_settled_is_said_to_be_unknown(scene: Scene) -> None:
    """Not guessed."""
    scene.store.on("PutObject", TransportError("reset"))
    with pytest.raises(CompletionUnknownError) as caught:
        await scene.upload(content(3))
    assert caught.value.upload_id is None
    scene.assert_nothing_is_left()


async def test_the_first_error_is_raised_when_the_request_fails_too(scene: Scene) -> None:
    """The source's, if it came first."""
    scene.store.failures = [(PART + 1, refusal(403, "AccessDenied"))]

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1.5)))
        raise KeyError("the source")

    with pytest.raises(KeyError):
        await scene.upload(add)
    scene.assert_nothing_is_left()


# other tasks, and the end of the driver


async def test_a_write_of_another_task_is_told_of_the_failure(scene: Scene) -> None:
    """It is not cancelled by the upload, and must not wait for ever."""
    scene.store.may_read.clear()
    writes: list[asyncio.Task[None]] = []

    async def add(upload: Uploader) -> None:
        writes.append(asyncio.create_task(upload.add(memoryview(content(3)))))
        await turns()
        raise KeyError("the source")

    with pytest.raises(KeyError):
        await scene.upload(add)
    with pytest.raises(StorageError):
        await writes[0]
    scene.assert_nothing_is_left()


async def test_a_block_that_swallows_the_failure_meets_it_again(scene: Scene) -> None:
    """With every write, and when it is left."""
    scene.store.failures = [(PART + 1, refusal(403, "AccessDenied"))]
    met: list[BaseException] = []

    async def add(upload: Uploader) -> None:
        with pytest.raises(asyncio.CancelledError):
            await upload.add(memoryview(content(1.5)))
            await asyncio.Event().wait()
        for _ in range(2):
            try:
                await upload.add(memoryview(content(1.5)))
            except StorageError as error:
                met.append(error)

    with pytest.raises(AccessDeniedError) as caught:
        await scene.upload(add)
    assert met == [caught.value] * 2
    scene.assert_nothing_is_left()


async def test_a_block_that_swallows_its_own_error_meets_that(scene: Scene) -> None:
    """Not that of the request, which came after it."""
    met: list[BaseException] = []

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1.5)))
        with pytest.raises(ObjectTooLargeError) as caught:
            await upload.add(memoryview(content(2)))
        upload.stop(StorageError("stopped"))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await upload.add(memoryview(b"x"))
        except StorageError as error:
            met.extend([caught.value, error])

    with pytest.raises(StorageError):
        await scene.upload(add, max_size=3 * PART)
    first, again = met
    assert again is first


async def test_an_upload_whose_group_ends_begins_no_request(scene: Scene) -> None:
    """Its memory comes back; a task of the caller's that goes on writing is told."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        upload.stop(StorageError("stopped"))
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(StorageError, match="takes no further bytes"):
                await upload.add(memoryview(content(1)))

    with pytest.raises(StorageError, match="stopped"):
        await scene.upload(add)
    assert scene.store.sent == []
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [0.5, 3])
async def test_a_driver_that_closes_cuts_the_connection(scene: Scene, parts: float) -> None:
    """Also if the upload's own task is the one that closes it."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(parts)))
        await scene.engine.stop_uploads(asyncio.current_task())
        await upload.add(memoryview(content(1)))

    with pytest.raises(StorageError, match="closed"):
        await scene.upload(add)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [0.5, 1, 3])
async def test_a_stream_goes_over_the_disk_rather_than_wait_for_slow_sources(tmp_path: Path, parts: float) -> None:
    """Its beginning and each piece after it; they are read back to be sent."""
    scene = Scene(spill_directory=tmp_path)
    memory, holder = scene.engine.memory, Reservation()
    free = memory.limit - memory.reserve
    assert memory.acquire_nowait(holder, free - 1, free)
    await scene.upload(content(parts))
    assert scene.object() == content(parts)
    memory.release(memory.detach(holder))
    scene.assert_nothing_is_left()
