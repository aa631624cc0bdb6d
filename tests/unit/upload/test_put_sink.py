"""Uploads as one streamed PutObject: the promises of any other upload, without parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aios3._upload.memory.budget import Reservation
from aios3._upload.source.readers import SourceReader
from aios3._upload.uploader import Uploader
from aios3.errors import (
    AccessDeniedError,
    ObjectTooLargeError,
    StorageError,
    ThrottledError,
    TransportError,
)
from aios3.models import UploadProgress
from tests.conftest import EAGER_TASKS
from tests.support.fakes import PART, RecordingSource, md5, refusal, turns
from tests.support.stream_scene import LIMIT
from tests.support.stream_scene import StreamScene as Scene
from tests.support.upload_scene import adding, content, pulling

SIZES = pytest.mark.parametrize("is_declared", [False, True], ids=["chunked", "declared"])


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [0, 0.5, 1, 1.001, 2, 12])
@SIZES
async def test_a_source_of_more_than_one_part_is_one_streamed_put(
    scene: Scene, parts: float, is_declared: bool
) -> None:
    """A shorter one is an ordinary PutObject."""
    body = content(parts)
    size = len(body) if is_declared else None
    source = RecordingSource(*[body[at : at + 700] for at in range(0, len(body), 700)])
    receipt = await scene.upload(pulling(source), size=size)
    (request,) = scene.store.sent
    assert request.headers == {"content-type": "video/mp4", "if-none-match": "*", "x-amz-meta-aios3-nonce": "n"}
    assert scene.store.lengths == [size] * (parts > 1)
    assert scene.store.read_timeouts == [scene.engine.timeouts.complete] * (parts > 1)
    assert scene.object() == body
    assert (receipt.bucket, receipt.key, receipt.size, receipt.etag) == ("bucket", "key", len(body), md5(body))
    assert (receipt.upload_id, receipt.parts, receipt.version_id, receipt.retries) == (None, (), "v1", 0)


@SIZES
async def test_no_byte_is_stored_before_the_response(scene: Scene, is_declared: bool) -> None:
    seen: list[UploadProgress] = []
    size = 3 * PART
    await scene.upload(content(3), on_progress=seen.append, size=size if is_declared else None)
    assert [progress.bytes_read for progress in seen] == sorted(progress.bytes_read for progress in seen)
    assert [progress.bytes_stored for progress in seen[:-1]] == [0] * (len(seen) - 1)
    assert len(seen) > 2
    assert seen[-1] == UploadProgress(size, size, size if is_declared else None, 0)


@pytest.mark.parametrize("call", range(3))
async def test_an_error_of_any_call_of_the_callback_commits_nothing(scene: Scene, call: int) -> None:
    calls = iter(range(10))

    def fail(_: object) -> None:
        if next(calls) == call:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await scene.upload(content(2.5), on_progress=fail)
    assert scene.store.objects == {}


# limits


async def test_a_source_is_read_for_three_pieces_while_the_socket_is_stuck(scene: Scene) -> None:
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


@pytest.mark.parametrize("uploads", [1, 3])
async def test_memory_for_one_part_is_enough(uploads: int) -> None:
    scene = Scene(memory_limit=PART)
    tasks = [
        asyncio.create_task(scene.upload(pulling(RecordingSource(*[content(0.3)] * 20)), key=f"key-{number}"))
        for number in range(uploads)
    ]
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert {len(body) for body, *_ in scene.store.objects.values()} == {20 * len(content(0.3))}
    scene.assert_nothing_is_left()


async def test_a_source_is_asked_only_after_memory_was_granted(scene: Scene) -> None:
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


async def test_bytes_of_a_live_source_are_sent_as_soon_as_no_other_are(scene: Scene) -> None:
    """The store would close a silent connection."""
    received: list[int] = []

    async def add(upload: Uploader) -> None:
        for piece in (content(1), *[b"x"] * 4):
            await upload.add(memoryview(piece))
            await turns()
            received.append(len(scene.store.received))

    await scene.upload(add)
    assert received == [0, *range(PART + 1, PART + 5)]


async def test_small_chunks_that_come_while_the_socket_is_busy_are_sent_together(scene: Scene) -> None:
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


async def test_each_piece_of_a_source_that_never_waits_is_sent_before_the_next(scene: Scene) -> None:
    received: list[int] = []
    await scene.upload(content(9), on_progress=lambda _: received.append(len(scene.store.received) // PART))
    assert received == ([1, *range(1, 10)] if EAGER_TASKS else [*range(10)])


@SIZES
async def test_the_first_part_is_kept_until_a_byte_follows_it(scene: Scene, is_declared: bool) -> None:
    more = asyncio.Event()
    source = RecordingSource(content(1), more, b"x")
    task = await scene.start(pulling(source), size=PART + 1 if is_declared else None)
    assert scene.store.lengths == []
    more.set()
    await task


async def test_the_last_declared_byte_is_sent_only_after_a_clean_end(scene: Scene) -> None:
    """It would make the request complete, and the source may still fail."""
    size, fail = 2 * PART + 5, asyncio.Event()
    source = RecordingSource(content(1), bytes(10), bytes(PART - 10), bytes(5), fail, KeyError("the source"))
    task = await scene.start(pulling(source), size=size)
    assert len(scene.store.received) < size
    fail.set()
    with pytest.raises(KeyError):
        await task
    assert scene.store.objects == {}
    assert len(scene.store.received) < size


async def test_a_stream_longer_than_one_put_fails_before_the_byte_is_taken(scene: Scene) -> None:
    source = RecordingSource(*[content(1)] * (LIMIT // PART + 5))
    with pytest.raises(ObjectTooLargeError, match=r"the store takes in one PutObject.*no parts"):
        await scene.upload(pulling(source))
    assert source.pulls == LIMIT // PART + 1
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()
    assert (await scene.upload(bytes(LIMIT))).size == LIMIT


# failures


@pytest.mark.parametrize("received", [0, 1, PART])
@pytest.mark.parametrize("failure", [refusal(503, "SlowDown"), TransportError("refused")], ids=["503", "refused"])
async def test_a_failure_within_the_first_part_is_retried(scene: Scene, received: int, failure: Any) -> None:
    scene.store.failures = [(received, failure)] * 2
    receipt = await scene.upload(content(3))
    assert scene.object() == content(3)
    assert receipt.retries == 2


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (refusal(503, "SlowDown"), ThrottledError),
        (refusal(403, "AccessDenied"), AccessDeniedError),
        (TransportError("reset"), TransportError),
    ],
)
@SIZES
async def test_a_failure_after_the_first_part_ends_the_upload_and_its_source(
    scene: Scene, failure: Any, expected: type, is_declared: bool
) -> None:
    scene.store.failures = [(PART + 1, failure)]
    source = RecordingSource(*[content(0.5)] * 5, asyncio.Event(), content(1))
    with pytest.raises(expected) as caught:
        await scene.upload(pulling(source), size=20 * PART if is_declared else None)
    assert type(caught.value) is expected
    assert source.pulls <= 6
    assert scene.store.operations == ["PutObject"]


async def test_the_error_that_came_first_is_raised(scene: Scene) -> None:
    scene.store.failures = [(PART + 1, refusal(403, "AccessDenied"))]
    with pytest.raises(KeyError):
        await scene.upload(adding(1.5, KeyError("the source")))


# other tasks and the end of the driver


async def test_a_write_of_another_task_ends_with_a_failed_upload(scene: Scene) -> None:
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


async def test_a_block_that_swallows_a_failure_gets_it_again_at_every_write(scene: Scene) -> None:
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


async def test_a_block_that_swallows_its_own_error_gets_it_again(scene: Scene) -> None:
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


async def test_a_stopped_upload_begins_no_request(scene: Scene) -> None:
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


@pytest.mark.parametrize("parts", [0.5, 3])
async def test_an_upload_whose_own_task_closes_the_driver_commits_nothing(scene: Scene, parts: float) -> None:
    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(parts)))
        await scene.engine.stop_uploads(asyncio.current_task())
        await upload.add(memoryview(content(1)))

    with pytest.raises(StorageError, match="closed"):
        await scene.upload(add)
    assert scene.store.objects == {}


@pytest.mark.parametrize("parts", [0.5, 1, 3])
async def test_a_stream_is_spilled_rather_than_wait_for_slow_sources(tmp_path: Path, parts: float) -> None:
    scene = Scene(spill_directory=tmp_path)
    memory, holder = scene.engine.memory, Reservation()
    free = memory.limit - memory.reserve
    assert memory.acquire_nowait(holder, free - 1, free)
    await scene.upload(content(parts))
    assert scene.object() == content(parts)
    memory.release(memory.detach(holder))
    scene.assert_nothing_is_left()
