"""One upload: its requests, its limits, its progress, and its resumption."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload.lifecycle import run_upload
from aios3._upload.shared.job import PartRange
from aios3._upload.shared.journal_interface import NoJournal
from aios3._upload.source.readers import SourceReader
from aios3._upload.uploader import Uploader
from aios3.checkpoints import MultipartUpload, UploadCheckpoint, UploadSuspendedError
from aios3.errors import (
    AccessDeniedError,
    ConfigurationError,
    DriverClosedError,
    ObjectTooLargeError,
    PartLimitError,
    SizeMismatchError,
    StorageError,
    TransportError,
)
from aios3.models import UploadedPart, UploadProgress
from tests.support.fakes import PART, Gate, RecordingSource, make_job, md5, multipart_md5, refusal, turns
from tests.support.stream_scene import StreamScene
from tests.support.upload_scene import UploadScene as Scene
from tests.support.upload_scene import adding, content, pulling


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.assert_nothing_is_left()


class FalsyError(Exception):
    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("error", [FalsyError(), OSError("source")], ids=["falsy", "usual"])
async def test_a_block_that_swallows_an_error_of_its_source_does_not_commit(scene: Scene, error: Exception) -> None:
    async def block(upload: Uploader) -> None:
        async with SourceReader(RecordingSource(b"abc", error, b"lost")) as reader:
            with contextlib.suppress(type(error)):
                while await upload.add_from(reader):
                    pass
        await upload.add(memoryview(b"tail"))

    with pytest.raises(type(error)) as caught:
        await scene.upload(block)
    assert caught.value is error
    assert scene.store.objects == {}


# requests


@pytest.mark.parametrize("parts", [0, 0.5, 1, 1.25, 2, 12])
@pytest.mark.parametrize("is_declared", [False, True])
async def test_a_source_of_at_most_one_part_is_one_put_and_a_longer_one_a_multipart_upload(
    scene: Scene, parts: float, is_declared: bool
) -> None:
    body = content(parts)
    receipt = await scene.upload(body, size=len(body) if is_declared else None)
    pieces = [body[start : start + PART] for start in range(0, len(body), PART)] if parts > 1 else []
    assert scene.object() == body
    assert scene.store.operations == (
        ["CreateMultipartUpload", *["UploadPart"] * len(pieces), "CompleteMultipartUpload"] if pieces else ["PutObject"]
    )
    assert receipt.parts == tuple(UploadedPart(n, len(piece), md5(piece)) for n, piece in enumerate(pieces, 1))
    assert (receipt.bucket, receipt.key, receipt.size, receipt.retries) == ("bucket", "key", len(body), 0)
    assert (receipt.upload_id, receipt.version_id, receipt.request_id, receipt.etag) == (
        ("upload-1", None, "commit", multipart_md5(pieces)) if pieces else (None, "v1", None, md5(body))
    )


async def test_parts_have_the_planned_sizes(scene: Scene) -> None:
    receipt = await scene.upload(content(8), plan=PartPlan(PART, 4 * PART, 8))
    assert [part.size // PART for part in receipt.parts] == [1, 1, 1, 1, 2, 2]
    assert scene.object() == content(8)


async def test_the_receipt_has_the_retries_of_all_requests_and_the_elapsed_time(scene: Scene) -> None:
    scene.store.on("UploadPart", refusal(500, "InternalError"), TransportError("reset"))
    scene.store.on("CreateMultipartUpload", refusal(503, "SlowDown"))
    receipt = await scene.upload(content(3))
    assert receipt.retries == 3
    assert receipt.elapsed == sum(scene.clock.slept) > 0


# limits


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_source_is_read_for_concurrency_plus_one_parts_exactly(scene: Scene, concurrency: int) -> None:
    gate, source = Gate(), RecordingSource(*[content(0.5)] * 100)
    scene.store.on("UploadPart", *[gate] * 100)
    task = await scene.start(pulling(source), concurrency=concurrency)
    assert source.pulls == 2 * (concurrency + 1)
    assert scene.engine.memory.used == (concurrency + 1) * PART
    gate.opened.set()
    assert (await task).size == 50 * PART


async def test_a_source_is_asked_only_after_memory_was_granted() -> None:
    scene, gate, source = Scene(memory_limit=PART), Gate(), RecordingSource(b"abc")
    scene.store.on("PutObject", gate)
    holder = await scene.start(content(1), key="holder")
    task = await scene.start(pulling(source))
    assert source.pulls == 0
    scene.clock.advance(5.0)
    gate.opened.set()
    await holder
    assert (await task).timing.memory == 5.0
    assert scene.object() == b"abc"


async def test_a_reader_is_asked_for_little_to_learn_whether_a_full_part_is_the_last(scene: Scene) -> None:
    hints: list[int] = []

    class Reader:
        async def read(self, size: int) -> bytes:
            hints.append(size)
            return content(1) if len(hints) == 1 else b""

    await scene.upload(pulling(Reader()))
    assert hints == [PART, PART]
    assert scene.store.operations == ["PutObject"]


async def test_an_upload_asks_its_source_only_while_it_waits_for_a_chunk() -> None:
    """Not before, not while it waits for the store, and not after the source has failed."""
    scene, gate, asked, more = Scene(), Gate(), list[bool](), asyncio.Event()
    scene.store.on("UploadPart", gate, gate)

    async def chunks() -> AsyncIterator[bytes]:
        asked.append(scene.uploader.is_asking)
        yield content(1.5)
        asked.append(scene.uploader.is_asking)
        await more.wait()
        yield content(1)
        raise KeyError

    async def block(upload: Uploader) -> None:
        asked.append(upload.is_asking)
        await pulling(chunks())(upload)

    task = await scene.start(block, concurrency=1)
    more.set()
    await turns()
    assert (scene.uploader.is_asking, task.done()) == (False, False)
    gate.opened.set()
    with pytest.raises(KeyError):
        await task
    assert (asked, scene.uploader.is_asking) == ([False, True, True], False)


async def test_the_wait_for_the_store_is_no_wait_for_the_source(scene: Scene) -> None:
    """Neither after the end of the source, nor after an error."""

    def delay(_: object) -> None:
        scene.clock.advance(3.0)

    scene.store.on("UploadPart", lambda _: None, delay)
    timing = (await scene.upload(content(1.5))).timing
    assert (timing.response, timing.source) == (3.0, 0.0)
    scene.store.on("AbortMultipartUpload", delay)
    with pytest.raises(KeyError):
        await scene.upload(adding(1.5, KeyError("theirs")))
    timing = scene.uploader.trace.timeline.snapshot()
    assert (timing.response, timing.source) == (3.0, 0.0)


# sizes


@pytest.mark.parametrize(("parts", "is_streamed"), [(0.5, False), (2.5, False), (2.5, True)])
async def test_before_commit_is_asked_with_the_size_of_the_object(parts: float, is_streamed: bool) -> None:
    scene, asked = StreamScene(), list[int]()
    plan = {} if is_streamed else {"plan": PartPlan(PART, PART, 1000)}
    await scene.upload(content(parts), before_commit=lambda request: asked.append(request.size), **plan)
    assert asked == [len(content(parts))]
    scene.assert_nothing_is_left()


async def test_the_next_byte_is_written_at_the_end_and_nowhere_else(scene: Scene) -> None:
    async def block(upload: Uploader) -> None:
        await upload.add(memoryview(b"abc"))
        await upload.seek(3)
        with pytest.raises(ConfigurationError, match=r"^cannot seek to byte 2: this upload is written in order; open"):
            await upload.seek(2)
        await upload.add(memoryview(b"def"))

    await scene.upload(block)
    assert scene.object() == b"abcdef"


@pytest.mark.parametrize(
    ("sizes", "limits", "error", "words"),
    [
        ([2.5], {"max_size": 2 * PART}, ObjectTooLargeError, f"max_size={2 * PART} bytes"),
        ([2, b"x"], {"max_size": 2 * PART}, ObjectTooLargeError, f"max_size={2 * PART} bytes"),
        ([2], {"size": 2 * PART + 1}, SizeMismatchError, "ended after"),
        ([0.5], {"size": PART}, SizeMismatchError, "ended after"),
        ([0.5, b"x"], {"size": PART // 2}, SizeMismatchError, "longer than its declared size"),
        ([2.5, b"x"], {"size": 5 * PART // 2}, SizeMismatchError, "longer than its declared size"),
        ([2, b"x"], {"plan": PartPlan(PART, PART, 2)}, PartLimitError, "parts"),
    ],
)
async def test_a_source_of_another_length_than_allowed_is_not_committed(
    scene: Scene, sizes: list[float | bytes], limits: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await scene.upload(adding(*sizes), **limits)
    assert scene.store.objects == {}


async def test_the_first_part_of_a_declared_longer_source_is_sent_at_once(scene: Scene) -> None:
    more = asyncio.Event()
    task = await scene.start(pulling(RecordingSource(content(1), more, content(1))), size=2 * PART)
    assert "UploadPart" in scene.store.operations
    more.set()
    await task


@pytest.mark.parametrize("more", [[], [b"x"]])
async def test_a_source_at_the_limit_of_parts_is_asked_for_its_end(scene: Scene, more: list[bytes]) -> None:
    with pytest.raises(PartLimitError) if more else contextlib.nullcontext():
        await scene.upload(pulling(RecordingSource(content(2), *more)), plan=PartPlan(PART, PART, 2))
    assert bool(scene.store.objects) is not bool(more)


# progress


@pytest.mark.parametrize("parts", [0.5, 4.5])
async def test_progress_never_goes_down_and_ends_at_the_size(scene: Scene, parts: float) -> None:
    scene.store.on("UploadPart", TransportError("reset"), refusal(500, "InternalError"))
    seen: list[UploadProgress] = []
    size = len(content(parts))
    await scene.upload(content(parts), on_progress=seen.append, size=size)
    for name in ("bytes_read", "bytes_stored", "parts_stored"):
        counts = [getattr(progress, name) for progress in seen]
        assert counts == sorted(counts)
    assert seen[0].bytes_stored == 0
    assert seen[-1] == UploadProgress(size, size, size, 5 if parts > 1 else 0)


async def test_an_error_of_the_callback_after_the_commit_has_a_note(scene: Scene) -> None:
    error = ValueError("theirs")

    def fail(progress: UploadProgress) -> None:
        if progress.bytes_stored:
            raise error

    with pytest.raises(ValueError, match="theirs") as caught:
        await scene.upload(content(0.5), on_progress=fail)
    assert caught.value is error
    assert error.__notes__ == ["aios3: the object was committed"]
    assert scene.object() == content(0.5)


# resumption


def left_open(scene: Scene, parts: int) -> UploadCheckpoint:
    """Return a checkpoint of an open upload that has this number of parts of `content`."""
    pieces = [content(parts)[number * PART :][:PART] for number in range(parts)]
    scene.store.open_upload("before", at=scene.clock.moment)
    scene.store.uploads["before"][2].update(enumerate(pieces, 1))
    stored = tuple(UploadedPart(number, PART, md5(piece)) for number, piece in enumerate(pieces, 1))
    return UploadCheckpoint("bucket", "key", "before", PART, stored)


@pytest.mark.parametrize("size", [None, int(4.5 * PART)])
async def test_a_resumed_upload_sends_the_missing_parts_and_commits_all(scene: Scene, size: int | None) -> None:
    checkpoint = left_open(scene, 2)
    body = content(4.5)
    receipt = await scene.upload(body[2 * PART :], resume=checkpoint, size=size)
    assert scene.store.operations == [*["UploadPart"] * 3, "CompleteMultipartUpload"]
    assert [dict(request.query)["partNumber"] for request in scene.store.requests("UploadPart")] == ["3", "4", "5"]
    assert scene.object() == body
    assert (receipt.size, receipt.upload_id) == (len(body), "before")
    assert receipt.parts[:2] == checkpoint.parts
    assert [part.number for part in receipt.parts] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("parts", "body"), [(2, b""), (0, b""), (0, b"abc"), (0, content(1)), (1, content(1))])
async def test_a_resumed_upload_without_a_longer_rest_is_committed_as_parts(
    scene: Scene, parts: int, body: bytes
) -> None:
    """The upload is open, so it is never one PutObject. A full part is sent at once."""
    seen: list[UploadProgress] = []

    async def add(upload: Uploader) -> None:
        await upload.add_from(SourceReader(RecordingSource(*[body] * bool(body))))
        await turns()
        assert ("UploadPart" in scene.store.operations) is (len(body) == PART)

    receipt = await scene.upload(add, resume=left_open(scene, parts), on_progress=seen.append)
    sends_part = bool(body) or parts == 0
    assert scene.store.operations == [*["UploadPart"] * sends_part, "CompleteMultipartUpload"]
    size, count = parts * PART + len(body), parts + sends_part
    assert (scene.object(), receipt.size) == (content(parts) + body, size)
    assert seen[-1] == UploadProgress(size, size, None, count, size)


async def test_sizes_of_a_resumed_upload_count_from_the_beginning(scene: Scene) -> None:
    with pytest.raises(ObjectTooLargeError):
        await scene.upload(content(1) + b"x", resume=left_open(scene, 2), max_size=3 * PART)
    with pytest.raises(SizeMismatchError, match=f"ended after {3 * PART} of its declared {4 * PART} bytes"):
        await scene.upload(content(1), resume=left_open(scene, 2), size=4 * PART)
    assert scene.store.objects == {}
    assert (await scene.upload(content(1), resume=left_open(scene, 2), max_size=3 * PART)).size == 3 * PART


async def test_progress_of_a_resumed_upload_starts_at_the_checkpoint(scene: Scene) -> None:
    seen: list[UploadProgress] = []
    task = await scene.start(adding(None), resume=left_open(scene, 2))
    assert scene.uploader.bytes_durable == 2 * PART
    task.cancel()
    await asyncio.wait({task})
    await scene.upload(content(1.5), resume=left_open(scene, 2), on_progress=seen.append)
    assert seen[0] == UploadProgress(int(3.5 * PART), 2 * PART, None, 2, 2 * PART)
    assert seen[-1] == UploadProgress(int(3.5 * PART), int(3.5 * PART), None, 4, int(3.5 * PART))


async def test_a_resumed_upload_that_fails_is_aborted_with_proof(scene: Scene) -> None:
    """Although it has sent no part."""
    with pytest.raises(KeyError) as caught:
        await scene.upload(adding(KeyError("theirs")), resume=left_open(scene, 2))
    assert scene.store.operations == ["AbortMultipartUpload", "ListParts"]
    assert caught.value.__notes__ == ["aios3: multipart upload before of bucket/key: it was aborted"]


@pytest.mark.parametrize("job", [{}, {"size": 9 * PART, "checksum": "crc32"}], ids=["plain", "declared"])
async def test_a_suspended_upload_stays_open_and_can_be_resumed(scene: Scene, job: dict[str, Any]) -> None:
    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        await turns()
        upload.stop(UploadSuspendedError("closed"))
        await turns()

    with pytest.raises(UploadSuspendedError) as caught:
        await scene.upload(add, **job)
    checkpoint = caught.value.checkpoint
    assert checkpoint is not None
    assert (checkpoint.bucket, checkpoint.key, checkpoint.upload_id) == ("bucket", "key", "upload-1")
    assert (checkpoint.part_size, checkpoint.offset, checkpoint.size) == (PART, 2 * PART, job.get("size"))
    assert checkpoint.checksum == job.get("checksum")
    assert list(scene.store.uploads) == ["upload-1"]
    assert (scene.engine.known_uploads, scene.engine.memory.used) == (set(), 0)
    await scene.upload(content(9)[checkpoint.offset :], **job, resume=checkpoint)
    assert scene.object() == content(9)


@pytest.mark.parametrize(("is_suspendable", "error"), [(True, UploadSuspendedError), (False, DriverClosedError)])
async def test_the_end_of_a_driver_with_a_journal_suspends_only_uploads_that_may_be_suspended(
    scene: Scene, is_suspendable: bool, error: type[Exception]
) -> None:
    class Journal(NoJournal):
        keeps = True

    scene.engine.journal = Journal()
    task = await scene.start(adding(2.5, None), is_suspendable=is_suspendable)
    await scene.engine.stop_uploads(asyncio.current_task())
    assert type(task.exception()) is error
    assert list(scene.store.uploads) == ["upload-1"] * is_suspendable
    scene.store.uploads.clear()


@pytest.mark.parametrize("is_last", [False, True])
async def test_a_range_of_an_open_upload_may_end_early_unless_it_is_the_last(scene: Scene, is_last: bool) -> None:
    """Its parts are numbered from its first."""
    scene.store.open_upload("open")
    parts = PartRange(MultipartUpload("bucket", "key", "open", PART), 3, is_last)
    with pytest.raises(SizeMismatchError) if is_last else contextlib.nullcontext():
        async with run_upload(scene.engine, make_job(range=parts, size=4 * PART)) as upload:
            await upload.add(memoryview(content(2.5)))
            await turns()
    assert scene.store.operations == ["UploadPart"] * 2
    _, _, stored = scene.store.uploads.pop("open")
    assert stored == {3: content(1), 4: content(2)[PART:]}


# failures


async def test_a_failed_upload_takes_no_bytes_and_asks_no_source(scene: Scene) -> None:
    with pytest.raises(KeyError):
        await scene.upload(adding(0.5, KeyError("theirs")))
    assert scene.uploader.receipt is None
    source = RecordingSource(b"late")
    for block in (adding(b""), pulling(source)):
        with pytest.raises(ConfigurationError, match=r"^the upload has ended; write inside its block$"):
            await block(scene.uploader)
    assert source.pulls == 0


async def test_a_task_that_writes_gets_the_error_of_the_failed_part(scene: Scene) -> None:
    """While the block, which is cancelled for it, waits for that task."""
    scene.store.on("UploadPart", refusal(403, "AccessDenied"))
    learnt: list[object] = []

    async def write(upload: Uploader) -> None:
        await upload.add(memoryview(content(1.5)))
        await turns()
        for _ in range(2):
            try:
                await upload.add(memoryview(b"more"))
            except StorageError as error:
                learnt.append(error)

    async def add(upload: Uploader) -> None:
        writing = asyncio.create_task(write(upload))
        try:
            await asyncio.Event().wait()
        finally:
            await writing

    with pytest.raises(AccessDeniedError, match="part 1") as caught:
        await scene.upload(add)
    assert learnt == [caught.value] * 2


async def test_a_block_that_swallows_the_cancellation_by_a_failed_part_does_not_commit(scene: Scene) -> None:
    scene.store.on("UploadPart", refusal(403, "AccessDenied"))

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(AccessDeniedError, match="part 1") as caught:
        await scene.upload(add)
    assert [note for note in caught.value.__notes__ if "failed as well" in note] == []
    assert "CompleteMultipartUpload" not in scene.store.operations
