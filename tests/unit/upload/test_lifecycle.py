"""The ends of an upload: the error that its caller gets, and nothing left."""

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


@pytest.mark.parametrize("limit", [None, timedelta(hours=24)])
async def test_a_note_on_a_lost_upload_says_when_the_provider_aborts_uploads(limit: timedelta | None) -> None:
    scene = Scene(provider=replace(SMALL_PARTS, aborts_uploads_after=limit))
    scene.store.on("UploadPart", refusal(404, "NoSuchUpload"))
    with pytest.raises(UploadNotFoundError) as caught:
        await scene.upload(content(2.5))
    told = "aios3: small aborts uploads after 1 day, 0:00:00"
    assert (told in caught.value.__notes__) == (limit is not None)


@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "CompleteMultipartUpload"])
async def test_a_refused_request_leaves_nothing(scene: Scene, operation: str) -> None:
    scene.store.on(operation, refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.upload(content(0.5 if operation == "PutObject" else 3))
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_cancelled_wait_for_memory_leaves_nothing() -> None:
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


# lost bytes


async def test_an_upload_of_more_than_a_part_is_created_with_the_first_byte_and_read_on(scene: Scene) -> None:
    """If the size is declared."""
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
async def test_a_cancelled_write_is_never_committed(parts: float) -> None:
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


# other tasks


async def test_a_write_of_another_task_that_has_begun_is_committed(scene: Scene) -> None:
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


async def test_a_write_after_the_block_is_refused_during_the_commit_and_later(scene: Scene) -> None:
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
async def test_writes_of_other_tasks_end_with_a_failed_block_wherever_they_wait(where: str) -> None:
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


# stops


async def test_a_stopped_upload_fails_with_the_reason(scene: Scene) -> None:
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


async def test_a_stop_before_the_beginning_or_after_the_end_has_no_effect(scene: Scene) -> None:
    box: list[Uploader] = []

    async def add(upload: Uploader) -> None:
        box.append(upload)
        await upload.add(memoryview(content(2.5)))

    receipt = await scene.upload(add)
    box[0].stop(StorageError("too late"))
    await turns()
    assert box[0].receipt == receipt
    Uploader(scene.engine, make_job()).stop(StorageError("too early"))


async def test_a_stop_of_a_failing_upload_has_no_effect(scene: Scene) -> None:
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
async def test_a_stop_at_any_turn_of_the_commit_ends_in_an_error_or_a_receipt(scene: Scene, turns_after: int) -> None:
    """The caller's task owes no cancellation."""
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


async def test_an_abandoned_upload_is_aborted_although_its_block_goes_on(scene: Scene) -> None:
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
async def test_a_commit_that_does_not_end_is_cut_off(parts: float, commit: str) -> None:
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


async def test_an_upload_that_is_being_aborted_is_not_aborted_again() -> None:
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
