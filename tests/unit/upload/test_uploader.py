"""One upload: what is sent, in what bounds, and what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.journal_interface import NoJournal, NoRecord
from aios3._upload.source.readers import SourceReader
from aios3._upload.uploader import Uploader
from aios3.checkpoints import UploadCheckpoint, UploadSuspendedError
from aios3.errors import (
    AccessDeniedError,
    ConfigurationError,
    ObjectTooLargeError,
    PartLimitError,
    SizeMismatchError,
    StorageError,
    TransportError,
)
from aios3.models import UploadedPart, UploadProgress
from tests.support.fakes import PART, Gate, RecordingSource, md5, multipart_md5, refusal, turns
from tests.support.upload_scene import UploadScene as Scene
from tests.support.upload_scene import content


class FalsyError(Exception):
    """Has a length, and it is 0."""

    def __len__(self) -> int:
        return 0


async def test_an_upload_that_has_lost_bytes_to_a_falsy_error_takes_no_further_bytes() -> None:
    """Although the block caught the error: else the object would miss them."""
    scene = Scene()

    async def block(upload: Uploader) -> None:
        async with SourceReader(RecordingSource(b"abc", FalsyError(), b"lost")) as reader:
            with contextlib.suppress(FalsyError):
                while await upload.add_from(reader):
                    pass
        await upload.add(memoryview(b"tail"))

    with pytest.raises(FalsyError):
        await scene.upload(block)
    assert scene.store.objects == {}


@pytest.fixture
def scene() -> Scene:
    return Scene()


# what is sent


@pytest.mark.parametrize("parts", [0, 0.5, 1])
@pytest.mark.parametrize("size", [None, "declared"])
async def test_what_fits_one_part_is_one_put(scene: Scene, parts: float, size: str | None) -> None:
    """Also nothing at all, and exactly one part."""
    receipt = await scene.upload(content(parts), size=len(content(parts)) if size else None)
    assert scene.store.operations == ["PutObject"]
    assert scene.object() == content(parts)
    assert (receipt.size, receipt.upload_id, receipt.parts, receipt.version_id) == (parts * PART, None, (), "v1")
    assert receipt.etag == md5(content(parts))
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [1.25, 2, 3.5, 12])
@pytest.mark.parametrize("size", [None, "declared"])
async def test_more_is_a_multipart_upload(scene: Scene, parts: float, size: str | None) -> None:
    """Of equal parts but the last, committed once all are acknowledged."""
    body = content(parts)
    receipt = await scene.upload(body, size=len(body) if size else None)
    assert scene.object() == body
    assert scene.store.operations[0] == "CreateMultipartUpload"
    assert scene.store.operations[-1] == "CompleteMultipartUpload"
    pieces = [body[start : start + PART] for start in range(0, len(body), PART)]
    assert receipt.parts == tuple(UploadedPart(n, len(piece), md5(piece)) for n, piece in enumerate(pieces, 1))
    assert (receipt.size, receipt.upload_id, receipt.etag) == (len(body), "upload-1", multipart_md5(pieces))
    assert (receipt.bucket, receipt.key, receipt.request_id, receipt.retries) == ("bucket", "key", "commit", 0)
    scene.assert_nothing_is_left()


async def test_chunks_of_any_size_are_regrouped(scene: Scene) -> None:
    """Parts do not show how the source was cut."""
    body = content(5.3)

    async def add(upload: Uploader) -> None:
        position, step = 0, 1
        while position < len(body):
            await upload.add(memoryview(body[position : position + step]))
            position, step = position + step, step * 3 % 5000 + 1

    receipt = await scene.upload(add)
    assert scene.object() == body
    assert [part.size for part in receipt.parts] == [PART] * 5 + [len(body) - 5 * PART]


async def test_parts_grow_as_planned(scene: Scene) -> None:
    """The plan is asked for every part."""
    receipt = await scene.upload(content(8), plan=PartPlan(PART, 4 * PART, 8))
    assert [part.size // PART for part in receipt.parts] == [1, 1, 1, 1, 2, 2]
    assert scene.object() == content(8)


async def test_every_request_has_its_own_headers(scene: Scene) -> None:
    """What describes the object at Create, conditions at the commit."""
    await scene.upload(content(2))
    assert scene.store.requests("CreateMultipartUpload")[0].headers == {"content-type": "video/mp4"}
    assert scene.store.requests("UploadPart")[0].headers == {"x-part": "p"}
    assert scene.store.requests("CompleteMultipartUpload")[0].headers["if-none-match"] == "*"


async def test_an_abort_has_the_headers_that_every_request_has(scene: Scene) -> None:
    """Whoever pays for the upload pays for its end as well."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2)))
        raise KeyError("theirs")

    with pytest.raises(KeyError):
        await scene.upload(add)
    assert scene.store.requests("AbortMultipartUpload")[0].headers == {"x-every": "e"}


async def test_the_journal_is_told_of_every_step(scene: Scene) -> None:
    """Of the upload that was asked for, with the id that the store gave it."""
    events: list[object] = []

    class Log(NoRecord):
        async def creating(self) -> None:
            events.append("creating")

        async def created(self, upload_id: str) -> None:
            events.append(upload_id)

        def ended(self) -> None:
            events.append("ended")

    class Journal(NoJournal):
        def begin(self, job: UploadJob) -> NoRecord:
            events.append((job.bucket, job.key))
            return Log()

    scene.engine.journal = Journal()
    await scene.upload(content(2))
    assert events == [("bucket", "key"), "creating", "upload-1", "ended"]


async def test_checksums_are_sent_named_and_listed(scene: Scene) -> None:
    """With Create the algorithm, with each part its value, with the commit all of them."""
    receipt = await scene.upload(content(1.5), checksum="crc32")
    assert scene.store.requests("CreateMultipartUpload")[0].headers["x-amz-checksum-algorithm"] == "CRC32"
    sent = [request.headers["x-amz-checksum-crc32"] for request in scene.store.requests("UploadPart")]
    assert [part.checksum for part in receipt.parts] == sent
    for value in sent:
        assert f"<ChecksumCRC32>{value}</ChecksumCRC32>".encode() in scene.store.bodies[-1]


async def test_the_receipt_tells_how_it_went(scene: Scene) -> None:
    """Attempts beyond the first of all requests, and the time from the beginning."""
    scene.store.on("UploadPart", refusal(500, "InternalError"), TransportError("reset"))
    scene.store.on("CreateMultipartUpload", refusal(503, "SlowDown"))
    receipt = await scene.upload(content(3))
    assert receipt.retries == 3
    assert receipt.elapsed == sum(scene.clock.slept) > 0


# bounds


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_requests_in_flight_are_bounded(scene: Scene, concurrency: int) -> None:
    """And all of the allowance is used."""
    gate = Gate()
    scene.store.on("UploadPart", *[gate] * 20)
    task = await scene.start(content(20), concurrency=concurrency)
    assert scene.store.parts_in_flight == concurrency
    gate.opened.set()
    await task
    assert scene.store.most_parts_in_flight == concurrency


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_stuck_store_stops_the_source(scene: Scene, concurrency: int) -> None:
    """After `concurrency` parts in flight and one that waits; the source is not read ahead of that."""
    gate = Gate()
    scene.store.on("UploadPart", *[gate] * 100)
    source = RecordingSource(*[content(0.5)] * 100)
    reader = SourceReader(source)

    async def add(upload: Uploader) -> None:
        while await upload.add_from(reader):
            pass

    task = await scene.start(add, concurrency=concurrency)
    assert source.pulls == 2 * (concurrency + 1)
    assert scene.engine.memory.used == (concurrency + 1) * PART
    gate.opened.set()
    assert (await task).size == 50 * PART
    scene.assert_nothing_is_left()


async def test_the_memory_limit_is_for_all_uploads_together() -> None:
    """Also at its least, one part: they take turns, and nobody waits for ever."""
    scene = Scene(memory_limit=PART)
    most = 0
    grant = scene.engine.memory._grant

    def watch(*args: Any) -> None:
        nonlocal most
        grant(*args)
        most = max(most, scene.engine.memory.used)

    scene.engine.memory._grant = watch  # type: ignore[method-assign]
    uploads = [scene.upload(content(3.5), key=f"key{number}") for number in range(5)]
    receipts = await asyncio.gather(*uploads)
    assert [receipt.size for receipt in receipts] == [int(3.5 * PART)] * 5
    assert most == PART
    scene.assert_nothing_is_left()


async def test_the_source_is_asked_after_memory_was_granted() -> None:
    """What it gives must have a place."""
    scene = Scene(memory_limit=PART)
    holding, release = asyncio.Event(), asyncio.Event()

    async def hold(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        holding.set()
        await release.wait()

    holder = await scene.start(hold, key="holder")
    await holding.wait()
    source = RecordingSource(b"abc")
    reader = SourceReader(source)
    task = await scene.start(lambda upload: upload.add_from(reader))
    assert source.pulls == 0
    release.set()
    await asyncio.gather(holder, task)
    assert scene.object() == b"abc"


async def test_a_full_first_part_looks_ahead_a_little(scene: Scene) -> None:
    """A reader is asked for no more than room, and for 64 KiB to learn whether anything follows."""
    hints: list[int] = []

    class Reader:
        async def read(self, size: int) -> bytes:
            hints.append(size)
            return content(1) if len(hints) == 1 else b""

    reader = SourceReader(Reader())

    async def add(upload: Uploader) -> None:
        while await upload.add_from(reader):
            pass

    await scene.upload(add)
    assert hints == [PART, PART]
    assert scene.store.operations == ["PutObject"]


# sizes


async def test_going_over_max_size_ends_at_once(scene: Scene) -> None:
    """Before anything more is sent; what was sent is aborted."""
    with pytest.raises(ObjectTooLargeError, match=f"max_size={2 * PART} bytes"):
        await scene.upload(content(2.5), max_size=2 * PART)
    assert scene.store.operations == []

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2)))
        await upload.add(memoryview(b"x"))

    with pytest.raises(ObjectTooLargeError):
        await scene.upload(add, max_size=2 * PART)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_max_size_itself_is_allowed(scene: Scene) -> None:
    """To the byte."""
    assert (await scene.upload(content(2), max_size=2 * PART)).size == 2 * PART


@pytest.mark.parametrize(("parts", "declared", "words"), [(2, 2.5, "ended after"), (0.5, 1, "ended after")])
async def test_a_short_source_is_not_committed(scene: Scene, parts: float, declared: float, words: str) -> None:
    """Neither as parts nor as one put."""
    with pytest.raises(SizeMismatchError, match=words):
        await scene.upload(content(parts), size=int(declared * PART))
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [0.5, 2.5])
async def test_a_long_source_is_not_committed(scene: Scene, parts: float) -> None:
    """One byte too many is enough."""
    with pytest.raises(SizeMismatchError, match="longer than its declared size"):
        await scene.upload(content(parts), size=len(content(parts)) - 1)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_declared_first_part_is_sent_without_waiting_for_more(scene: Scene) -> None:
    """It is known that more will come."""
    sent = asyncio.Event()
    checked = asyncio.Event()

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        sent.set()
        await checked.wait()
        await upload.add(memoryview(content(1)))

    task = await scene.start(add, size=2 * PART)
    assert sent.is_set()
    assert "UploadPart" in scene.store.operations
    checked.set()
    await task


async def test_too_many_parts_are_an_error(scene: Scene) -> None:
    """As soon as one byte does not fit; exactly full is fine."""
    assert (await scene.upload(content(3), plan=PartPlan(PART, PART, 3))).size == 3 * PART
    with pytest.raises(PartLimitError):
        await scene.upload(content(3) + b"x", plan=PartPlan(PART, PART, 3), key="longer")
    assert list(scene.store.objects) == ["key"]
    scene.assert_nothing_is_left()


async def test_a_source_at_the_limit_is_still_asked_for_its_end(scene: Scene) -> None:
    """One that ends there is complete, one that goes on is too long."""
    for more, error in ((), None), ((b"x",), PartLimitError):
        reader = SourceReader(RecordingSource(content(2), *more))

        async def add(upload: Uploader, reader: SourceReader = reader) -> None:
            while await upload.add_from(reader):
                pass

        if error is None:
            assert (await scene.upload(add, plan=PartPlan(PART, PART, 2))).size == 2 * PART
        else:
            with pytest.raises(error):
                await scene.upload(add, plan=PartPlan(PART, PART, 2))
    scene.assert_nothing_is_left()


# progress


@pytest.mark.parametrize("parts", [0.5, 4.5])
async def test_progress_only_grows_and_ends_at_the_size(scene: Scene, parts: float) -> None:
    """Whatever order the answers come in, and whatever is repeated."""
    scene.store.on("UploadPart", TransportError("reset"), refusal(500, "InternalError"))
    seen: list[UploadProgress] = []
    size = len(content(parts))
    await scene.upload(content(parts), on_progress=seen.append, size=size)
    for name in ("bytes_read", "bytes_stored", "parts_stored"):
        counts = [getattr(progress, name) for progress in seen]
        assert counts == sorted(counts)
    last = seen[-1]
    assert last == UploadProgress(size, size, size, 5 if parts > 1 else 0)
    assert seen[0].bytes_stored == 0


async def test_what_is_stored_behind_a_gap_is_not_durable(scene: Scene) -> None:
    """It could not be gone on from."""
    first, seen = Gate(), list[int]()
    scene.store.on("UploadPart", first)

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        await turns()
        seen.append(upload.bytes_durable)
        first.opened.set()
        await turns()
        seen.append(upload.bytes_durable)

    await scene.upload(add)
    assert seen == [0, 2 * PART]


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_a_failing_progress_callback_fails_the_upload(scene: Scene, call: int) -> None:
    """With its own error, when a part was read or when one was stored."""
    calls = 0

    def count(progress: UploadProgress) -> None:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise ValueError("theirs")

    with pytest.raises(ValueError, match="theirs"):
        await scene.upload(content(3.5), on_progress=count)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_callback_that_fails_after_the_commit_says_so(scene: Scene) -> None:
    """There is nothing left to undo: its error comes out unchanged, but with a note."""
    error = ValueError("theirs")

    def fail(progress: UploadProgress) -> None:
        if progress.bytes_stored:
            raise error

    with pytest.raises(ValueError, match="theirs") as caught:
        await scene.upload(content(0.5), on_progress=fail)
    assert caught.value is error
    assert error.__notes__ == ["aios3: the object was committed"]
    assert scene.object() == content(0.5)


# going on from a checkpoint


def left_open(scene: Scene, parts: int) -> UploadCheckpoint:
    """Let the store have an upload with so many parts of `content`, and return how to go on from there."""
    pieces = [content(parts)[number * PART :][:PART] for number in range(parts)]
    scene.store.open_upload("before", at=scene.clock.moment)
    scene.store.uploads["before"][2].update(enumerate(pieces, 1))
    stored = tuple(UploadedPart(number, PART, md5(piece)) for number, piece in enumerate(pieces, 1))
    return UploadCheckpoint("bucket", "key", "before", PART, stored)


@pytest.mark.parametrize("size", [None, int(4.5 * PART)])
async def test_what_a_checkpoint_lacks_is_sent_and_all_is_committed(scene: Scene, size: int | None) -> None:
    """Nothing is created, no part is sent twice, and the receipt tells of the whole object."""
    checkpoint = left_open(scene, 2)
    body = content(4.5)
    receipt = await scene.upload(body[2 * PART :], resume=checkpoint, size=size)
    assert scene.store.operations == [*["UploadPart"] * 3, "CompleteMultipartUpload"]
    assert [dict(request.query)["partNumber"] for request in scene.store.requests("UploadPart")] == ["3", "4", "5"]
    assert scene.object() == body
    assert (receipt.size, receipt.upload_id) == (len(body), "before")
    assert receipt.parts[:2] == checkpoint.parts
    assert [part.number for part in receipt.parts] == [1, 2, 3, 4, 5]
    scene.assert_nothing_is_left()


async def test_a_checkpoint_may_lack_nothing(scene: Scene) -> None:
    """The source had ended with its last part, and only the commit was missing."""
    seen: list[UploadProgress] = []
    receipt = await scene.upload(b"", resume=left_open(scene, 2), on_progress=seen.append)
    assert scene.store.operations == ["CompleteMultipartUpload"]
    assert (scene.object(), receipt.size) == (content(2), 2 * PART)
    assert seen == [UploadProgress(2 * PART, 2 * PART, None, 2, 2 * PART)]


@pytest.mark.parametrize("body", [b"", b"abc", content(1)])
async def test_a_checkpoint_without_parts_is_a_multipart_upload_all_the_same(scene: Scene, body: bytes) -> None:
    """However little comes: the upload is there, and must be ended."""
    await scene.upload(body, resume=left_open(scene, 0))
    assert scene.store.operations == ["UploadPart", "CompleteMultipartUpload"]
    assert scene.object() == body
    scene.assert_nothing_is_left()


async def test_a_full_part_after_a_checkpoint_is_sent_at_once(scene: Scene) -> None:
    """It is known that there are parts, so nothing has to follow."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        await turns()
        assert scene.store.operations == ["UploadPart"]

    await scene.upload(add, resume=left_open(scene, 1))


async def test_bounds_count_what_the_checkpoint_holds(scene: Scene) -> None:
    """The sizes are those of the whole object."""
    with pytest.raises(ObjectTooLargeError):
        await scene.upload(content(1) + b"x", resume=left_open(scene, 2), max_size=3 * PART)
    with pytest.raises(SizeMismatchError, match=f"ended after {3 * PART} of its declared {4 * PART} bytes"):
        await scene.upload(content(1), resume=left_open(scene, 2), size=4 * PART)
    assert scene.store.objects == {}
    assert (await scene.upload(content(1), resume=left_open(scene, 2), max_size=3 * PART)).size == 3 * PART
    scene.assert_nothing_is_left()


async def test_progress_goes_on_from_the_checkpoint(scene: Scene) -> None:
    """From its first report on, what was stored before is read, stored and durable."""
    seen: list[UploadProgress] = []
    durable: list[int] = []

    async def add(upload: Uploader) -> None:
        durable.append(upload.bytes_durable)
        await upload.add(memoryview(content(1.5)))

    await scene.upload(add, resume=left_open(scene, 2), on_progress=seen.append)
    assert durable == [2 * PART]
    assert seen[0] == UploadProgress(int(3.5 * PART), 2 * PART, None, 2, 2 * PART)
    assert seen[-1] == UploadProgress(int(3.5 * PART), int(3.5 * PART), None, 4, int(3.5 * PART))


async def test_progress_from_a_checkpoint_without_parts_begins_at_nothing(scene: Scene) -> None:
    """Also if the source has nothing either, and was never counted."""
    seen: list[UploadProgress] = []
    reader = SourceReader(RecordingSource())
    await scene.upload(lambda upload: upload.add_from(reader), resume=left_open(scene, 0), on_progress=seen.append)
    assert [(progress.bytes_read, progress.bytes_stored) for progress in seen] == [(0, 0), (0, 0)]


async def test_an_upload_that_fails_after_a_checkpoint_is_aborted(scene: Scene) -> None:
    """What goes on from a checkpoint ends it; that its parts are gone is proved although none was sent just now."""

    async def add(upload: Uploader) -> None:
        assert scene.engine.known_uploads == {"before"}
        raise KeyError("theirs")

    with pytest.raises(KeyError) as caught:
        await scene.upload(add, resume=left_open(scene, 2))
    assert scene.store.operations == ["AbortMultipartUpload", "ListParts"]
    assert caught.value.__notes__ == ["aios3: multipart upload before of bucket/key: it was aborted"]
    scene.assert_nothing_is_left()


# being suspended


@pytest.mark.parametrize("job", [{}, {"size": 9 * PART, "checksum": "crc32"}], ids=["plain", "declared"])
async def test_a_suspended_upload_stays_open_and_tells_how_to_go_on(scene: Scene, job: dict[str, Any]) -> None:
    """With all that the store has acknowledged; the rest can be sent later."""

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
    scene.assert_nothing_is_left()


async def test_a_suspended_upload_without_parts_has_nothing_to_go_on_from(scene: Scene) -> None:
    """It is ended like any other."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(0.5)))
        upload.stop(UploadSuspendedError("closed"))
        await turns()

    with pytest.raises(UploadSuspendedError) as caught:
        await scene.upload(add)
    assert caught.value.checkpoint is None
    scene.assert_nothing_is_left()


# the end, for whoever else holds the upload


async def test_a_failed_upload_takes_nothing_more(scene: Scene) -> None:
    """Not even nothing, and its source is not asked any more."""
    box: list[Uploader] = []

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(0.5)))
        raise KeyError("theirs")

    with pytest.raises(KeyError):
        await scene.upload(add)
    assert box[0].receipt is None
    with pytest.raises(ConfigurationError, match=r"^the upload has ended; write inside its block$"):
        await box[0].add(memoryview(b""))
    source = RecordingSource(b"late")
    with pytest.raises(ConfigurationError, match=r"^the upload has ended; write inside its block$"):
        await box[0].add_from(SourceReader(source))
    assert source.pulls == 0
    scene.assert_nothing_is_left()


async def test_a_task_that_waits_for_the_create_learns_that_the_upload_has_failed(scene: Scene) -> None:
    """Which is no cancellation of its own."""
    gate, others = Gate(), list[asyncio.Task[None]]()
    scene.store.on("CreateMultipartUpload", gate)

    async def add(upload: Uploader) -> None:
        others.append(asyncio.create_task(upload.add(memoryview(content(1.5)))))
        await gate.entered.wait()
        raise KeyError("theirs")

    task = await scene.start(add)
    gate.opened.set()
    with pytest.raises(StorageError, match=r"^the upload has failed, and takes no further bytes$"):
        await others[0]
    with pytest.raises(KeyError):
        await task
    scene.assert_nothing_is_left()


async def test_a_task_that_writes_learns_why_a_part_failed(scene: Scene) -> None:
    """By the part's own error, while the owner of the upload, who is cancelled for it, waits for that task."""
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
    scene.assert_nothing_is_left()


async def test_a_block_that_ignores_a_failed_part_is_not_committed(scene: Scene) -> None:
    """It took no notice of its cancellation, and left cleanly."""
    scene.store.on("UploadPart", refusal(403, "AccessDenied"))

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(AccessDeniedError, match="part 1") as caught:
        await scene.upload(add)
    assert [note for note in caught.value.__notes__ if "failed as well" in note] == []
    assert "CompleteMultipartUpload" not in scene.store.operations
    scene.assert_nothing_is_left()
