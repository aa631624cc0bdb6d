"""However an upload ends: what its caller gets, and that nothing is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aios3._upload.source.readers import SourceReader
from aios3._upload.uploader import Uploader
from aios3.errors import (
    AccessDeniedError,
    CompletionUnknownError,
    ConfigurationError,
    ObjectTooLargeError,
    StorageError,
    UploadNotFoundError,
)
from aios3.models import UploadReceipt
from aios3.options import Timeouts
from tests.support.fakes import PART, SMALL_PARTS, Gate, RecordingSource, make_job, refusal, turns
from tests.support.upload_scene import UploadScene as Scene
from tests.support.upload_scene import content


@pytest.fixture
def scene() -> Scene:
    return Scene()


# failures


async def test_an_error_of_the_block_aborts(scene: Scene) -> None:
    """It is raised unchanged, with a note of what became of the upload."""
    error = KeyError("theirs")

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(3.5)))
        raise error

    with pytest.raises(KeyError) as caught:
        await scene.upload(add)
    assert caught.value is error
    assert error.__notes__ == ["aios3: multipart upload upload-1 of bucket/key: it was aborted"]
    scene.assert_nothing_is_left()


async def test_an_error_before_the_first_request_sends_nothing(scene: Scene) -> None:
    """There is nothing to abort."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(0.5)))
        raise KeyError("theirs")

    with pytest.raises(KeyError):
        await scene.upload(add)
    assert scene.store.operations == []
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("limit", [None, timedelta(hours=24)])
async def test_an_upload_that_the_store_has_lost_says_how_that_can_be(limit: timedelta | None) -> None:
    """Where the provider is known to abort old uploads by itself."""
    scene = Scene(provider=replace(SMALL_PARTS, aborts_uploads_after=limit))
    scene.store.on("UploadPart", refusal(404, "NoSuchUpload"))
    with pytest.raises(UploadNotFoundError) as caught:
        await scene.upload(content(2.5))
    told = "aios3: small aborts uploads after 1 day, 0:00:00"
    assert (told in caught.value.__notes__) == (limit is not None)


async def test_a_failing_part_ends_a_block_that_waits(scene: Scene) -> None:
    """The block is cancelled wherever it stands, and the part's error raised."""
    scene.store.on("UploadPart", refusal(403, "AccessDenied"))

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(2)))
        await asyncio.Event().wait()

    with pytest.raises(AccessDeniedError, match="part 1"):
        await scene.upload(add)
    assert scene.store.operations[-2:] == ["AbortMultipartUpload", "ListParts"]
    scene.assert_nothing_is_left()


async def test_a_failing_part_is_retried_alone(scene: Scene) -> None:
    """With the same bytes; the others go on."""
    scene.store.on("UploadPart", refusal(500, "InternalError"))
    await scene.upload(content(3))
    numbers = [dict(request.query)["partNumber"] for request in scene.store.requests("UploadPart")]
    assert sorted(numbers) == ["1", "1", "2", "3"]
    assert scene.object() == content(3)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "CompleteMultipartUpload"])
async def test_a_refused_upload_leaves_nothing(scene: Scene, operation: str) -> None:
    """At its beginning and at its end."""
    scene.store.on(operation, refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.upload(content(3))
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_refused_put_leaves_nothing(scene: Scene) -> None:
    """Its memory comes back."""
    scene.store.on("PutObject", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.upload(b"abc")
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("cancels", [1, 2])
async def test_a_cancellation_leaves_nothing(scene: Scene, operation: str, cancels: int) -> None:
    """Whatever request is in flight; a Create is waited for."""
    gate = Gate()
    scene.store.on(operation, gate, gate)
    task = await scene.start(content(0.5 if operation == "PutObject" else 5))
    assert gate.entered.is_set()
    for _ in range(cancels):
        task.cancel()
        await turns(2)
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_cancellation_while_waiting_for_memory_leaves_nothing() -> None:
    """The place in the line is given up."""
    scene = Scene(memory_limit=PART)
    scene.store.on("PutObject", gate := Gate())
    holder = await scene.start(content(1), key="holder")
    task = await scene.start(b"abc")
    task.cancel()
    await asyncio.wait({task})
    gate.opened.set()
    await holder
    assert task.cancelled()
    scene.assert_nothing_is_left()


# errors that the block keeps to itself


async def test_a_lost_write_is_never_committed(scene: Scene) -> None:
    """A block that swallows the error and ends cleanly gets it again: its bytes are not all there."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(0.5)))
        for _ in range(2):
            with pytest.raises(ObjectTooLargeError):
                await upload.add(memoryview(content(1)))

    with pytest.raises(ObjectTooLargeError):
        await scene.upload(add, max_size=PART)
    assert scene.store.operations == []
    scene.assert_nothing_is_left()


async def test_a_refused_create_is_raised_by_the_write_that_needs_it(scene: Scene) -> None:
    """Nothing else is sent, and the same comes out of the block."""
    scene.store.on("CreateMultipartUpload", refusal(403, "AccessDenied"))

    async def add(upload: Uploader) -> None:
        with pytest.raises(AccessDeniedError):
            await upload.add(memoryview(content(1.5)))
        await asyncio.Event().wait()

    with pytest.raises(AccessDeniedError):
        await scene.upload(add)
    assert scene.store.operations == ["CreateMultipartUpload"]
    scene.assert_nothing_is_left()


async def test_a_source_is_read_on_while_the_upload_is_created(scene: Scene) -> None:
    """As far as slots and memory allow; and from the first byte on where the declared size is more than a part."""
    gate = Gate()
    scene.store.on("CreateMultipartUpload", gate)
    source = RecordingSource(content(0.25), content(1), content(1))

    async def add(upload: Uploader) -> None:
        reader = SourceReader(source)
        await upload.add_from(reader)
        await gate.entered.wait()
        await upload.add_from(reader)
        await upload.add_from(reader)
        gate.opened.set()

    receipt = await scene.upload(add, size=int(2.25 * PART))
    assert len(receipt.parts) == 3
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("parts", [0.5, 2.5])
async def test_a_write_that_was_cut_off_is_never_committed(parts: float) -> None:
    """A block that gives a slow write up by a timeout cannot go on as if nothing had happened."""
    scene = Scene(memory_limit=PART)
    release = asyncio.Event()

    async def hold(upload: Uploader) -> None:
        await upload.add(memoryview(content(1)))
        await release.wait()

    holder = await scene.start(hold, key="holder")

    async def add(upload: Uploader) -> None:
        writing = asyncio.create_task(upload.add(memoryview(content(parts))))
        await turns()
        writing.cancel()
        await asyncio.wait({writing})
        release.set()
        with pytest.raises(StorageError, match="cannot go on"):
            await upload.add(memoryview(b"more"))

    with pytest.raises(StorageError, match=r"cannot go on: CancelledError\(\)") as caught:
        await scene.upload(add)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    await holder
    assert list(scene.store.objects) == ["holder"]
    scene.assert_nothing_is_left()


async def test_a_source_that_broke_is_never_committed(scene: Scene) -> None:
    """Also if the block swallows what it raised."""
    error = OSError("source")
    reader = SourceReader(RecordingSource(b"abc", error))

    async def add(upload: Uploader) -> None:
        assert await upload.add_from(reader)
        with pytest.raises(OSError, match="source"):
            await upload.add_from(reader)

    with pytest.raises(OSError, match="source") as caught:
        await scene.upload(add)
    assert caught.value is error
    assert scene.store.operations == []


# writes of other tasks


async def test_a_write_that_has_begun_is_waited_for(scene: Scene) -> None:
    """Leaving the block cleanly commits it as well."""
    gate, others = Gate(), list[asyncio.Task[None]]()
    scene.store.on("CreateMultipartUpload", gate)

    async def add(upload: Uploader) -> None:
        others.append(asyncio.create_task(upload.add(memoryview(content(2.5)))))
        await turns(3)

    task = await scene.start(add)
    assert not task.done()
    gate.opened.set()
    assert (await task).size == len(content(2.5))
    await others[0]


async def test_a_write_after_the_end_is_refused(scene: Scene) -> None:
    """As soon as the block has been left, though the commit is still under way."""
    gate, box = Gate(), list[Uploader]()
    scene.store.on("CompleteMultipartUpload", gate)

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2)))

    task = await scene.start(add)
    with pytest.raises(ConfigurationError, match="ended"):
        await box[0].add(memoryview(b"late"))
    gate.opened.set()
    assert (await task).size == 2 * PART
    with pytest.raises(ConfigurationError, match="ended"):
        await box[0].add(memoryview(b"later"))
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("where", ["CreateMultipartUpload", "UploadPart", "source", "memory"])
async def test_a_block_that_fails_lets_go_of_other_tasks_writes(where: str) -> None:
    """Wherever they wait: they are told, and hold nothing afterwards."""
    scene = Scene(memory_limit=PART if where == "memory" else 64 * PART)
    gate, holding = Gate(), asyncio.Event()
    if where != "memory":
        scene.store.on(where, *[gate] * 20)
    holder = None
    if where == "memory":
        scene.store.on("PutObject", gate)
        holder = await scene.start(content(1), key="holder")
    source = RecordingSource(holding, *[content(1)] * 4)
    reader = SourceReader(source)
    others: list[asyncio.Task[Any]] = []

    async def write(upload: Uploader) -> None:
        if where == "source":
            while await upload.add_from(reader):
                pass
        for _ in range(20):
            await upload.add(memoryview(content(1.5)))

    async def add(upload: Uploader) -> None:
        others.append(asyncio.create_task(write(upload)))
        await turns()
        raise KeyError("theirs")

    task = await scene.start(add)
    gate.opened.set()
    holding.set()
    await asyncio.wait({task, *others, *([holder] if holder else [])})
    assert isinstance(task.exception(), KeyError)
    assert isinstance(others[0].exception(), StorageError)
    scene.assert_nothing_is_left()


async def test_a_failing_part_stops_other_tasks_writes(scene: Scene) -> None:
    """They get an error of ours, not of the machinery."""
    scene.store.on("UploadPart", refusal(403, "AccessDenied"))
    others: list[asyncio.Task[None]] = []

    async def write(upload: Uploader) -> None:
        for _ in range(100):
            await upload.add(memoryview(content(1)))

    async def add(upload: Uploader) -> None:
        others.append(asyncio.create_task(write(upload)))
        await asyncio.wait(others)

    with pytest.raises(AccessDeniedError):
        await scene.upload(add)
    await asyncio.wait(others)
    assert isinstance(others[0].exception(), StorageError)
    scene.assert_nothing_is_left()


# being stopped


async def test_a_stopped_upload_fails_with_the_reason(scene: Scene) -> None:
    """Its block is cancelled, its parts joined, its upload aborted."""
    reason, box = StorageError("the driver was closed"), list[Uploader]()

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))
        await asyncio.Event().wait()

    task = await scene.start(add)
    assert box[0].is_run_by(task)
    assert not box[0].is_run_by(asyncio.current_task())
    box[0].stop(reason)
    await asyncio.wait({task})
    assert task.exception() is reason
    assert box[0].ended.is_set()
    scene.assert_nothing_is_left()


async def test_a_stop_after_the_end_comes_to_nothing(scene: Scene) -> None:
    """The object is there."""
    box: list[Uploader] = []

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))

    receipt = await scene.upload(add)
    box[0].stop(StorageError("too late"))
    await turns()
    assert box[0].receipt == receipt
    Uploader(scene.engine, make_job()).stop(StorageError("too early"))


async def test_a_stop_while_it_is_failing_comes_to_nothing(scene: Scene) -> None:
    """The first error is the one that is raised."""
    gate, box = Gate(), list[Uploader]()
    scene.store.on("AbortMultipartUpload", gate)

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))
        raise KeyError("first")

    task = await scene.start(add)
    box[0].stop(StorageError("too late"))
    gate.opened.set()
    await asyncio.wait({task})
    assert isinstance(task.exception(), KeyError)


@pytest.mark.parametrize("turns_after", range(-1, 6))
async def test_a_stop_around_the_commit_is_one_or_the_other(scene: Scene, turns_after: int) -> None:
    """An error or a receipt, at whatever turn of the loop it comes; the caller's task owes nobody a cancellation."""
    box, left = list[Uploader](), list[int]()

    def stop() -> None:
        box[0].stop(StorageError("closed"))

    async def answer(request: object) -> None:
        if turns_after < 0:
            stop()
        else:
            asyncio.get_running_loop().call_soon(stop)
            await turns(turns_after)

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))

    async def call() -> UploadReceipt:
        try:
            return await scene.upload(add)
        finally:
            task = asyncio.current_task()
            assert task is not None
            left.append(task.cancelling())
            await asyncio.sleep(0)

    scene.store.on("CompleteMultipartUpload", answer)
    task = asyncio.create_task(call())
    await asyncio.wait({task})
    assert left == [0]
    if task.exception() is None:
        assert scene.object() == content(2.5)
    else:
        assert str(task.exception()) == "closed"
    scene.assert_nothing_is_left()


async def test_an_abandoned_upload_is_aborted_though_its_block_goes_on(scene: Scene) -> None:
    """As when the driver is closed by the very task that uploads."""
    box: list[Uploader] = []

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))
        await turns()
        await upload.abandon()
        assert scene.store.uploads == {}
        upload.stop(StorageError("closed"))
        await asyncio.Event().wait()

    with pytest.raises(StorageError, match="closed"):
        await scene.upload(add)
    assert scene.store.operations.count("AbortMultipartUpload") == 1
    scene.assert_nothing_is_left()


@pytest.mark.parametrize(("parts", "commit"), [(0.5, "PutObject"), (2.5, "CompleteMultipartUpload")])
async def test_a_commit_that_does_not_end_is_given_up(parts: float, commit: str) -> None:
    """When the driver has waited long enough; its caller is told what to look at, and nothing is left."""
    scene = Scene(timeouts=Timeouts(cleanup=0.05))
    gate = Gate()
    scene.store.on(commit, gate)
    task = await scene.start(content(parts))
    assert gate.entered.is_set()
    await scene.engine.stop_uploads(asyncio.current_task())
    with pytest.raises(CompletionUnknownError, match="HEAD shows whether it was") as caught:
        await task
    assert (caught.value.bucket, caught.value.key) == ("bucket", "key")
    scene.assert_nothing_is_left()


async def test_an_upload_that_is_being_ended_is_not_ended_twice() -> None:
    """The abort that is on its way is waited for."""
    scene = Scene(timeouts=Timeouts(cleanup=0.05))
    gate = Gate()
    scene.store.on("AbortMultipartUpload", gate)
    box: list[Uploader] = []

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))
        raise KeyError("theirs")

    task = await scene.start(add)
    await gate.entered.wait()
    abandoning = asyncio.create_task(box[0].abandon())
    await turns()
    assert scene.store.operations.count("AbortMultipartUpload") == 1
    gate.opened.set()
    await abandoning
    with pytest.raises(KeyError):
        await task
    assert scene.store.operations.count("AbortMultipartUpload") == 1


@pytest.mark.parametrize("parts", [0.5, 2.5])
async def test_no_commit_begins_after_a_stop(scene: Scene, parts: float) -> None:
    """Also if it comes at the very turn at which the commit would begin."""

    async def add(upload: Uploader) -> None:
        await upload.add(memoryview(content(parts)))
        drain = upload.sink._sender.drain

        async def drain_and_stop() -> None:
            await drain()
            upload.stop(StorageError("closed"))

        upload.sink._sender.drain = drain_and_stop  # type: ignore[method-assign]
        if parts < 1:
            upload.stop(StorageError("closed"))

    with pytest.raises(StorageError, match="closed"):
        await scene.upload(add)
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()
