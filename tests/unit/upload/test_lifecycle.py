"""The ends of an upload: the error that its caller gets, and nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
from aios3.options import Timeouts
from tests.support.fakes import PART, SMALL_PARTS, Gate, RecordingSource, make_job, refusal, turns
from tests.support.upload_scene import UploadScene as Scene
from tests.support.upload_scene import adding, content, pulling


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.assert_nothing_is_left()


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
    reader = SourceReader(RecordingSource(content(0.25), content(1), content(1)))

    async def add(upload: Uploader) -> None:
        await upload.add_from(reader)
        await gate.entered.wait()
        await upload.add_from(reader)
        await upload.add_from(reader)
        gate.opened.set()

    assert len((await scene.upload(add, size=int(2.25 * PART))).parts) == 3


@pytest.mark.parametrize("parts", [0.5, 2.5])
async def test_a_cancelled_write_is_never_committed(parts: float) -> None:
    scene = Scene(memory_limit=PART)
    holder = await scene.start(adding(1, None), key="holder")

    async def add(upload: Uploader) -> None:
        writing = asyncio.create_task(upload.add(memoryview(content(parts))))
        await turns()
        writing.cancel()
        await asyncio.wait({writing})
        with pytest.raises(StorageError, match="cannot continue"):
            await upload.add(memoryview(b"more"))

    with pytest.raises(StorageError, match=r"cannot continue: CancelledError\(\)") as caught:
        await scene.upload(add)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)
    holder.cancel()
    await asyncio.wait({holder})
    assert scene.store.objects == {}
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
    gate = Gate()
    scene.store.on("CompleteMultipartUpload", gate)
    task = await scene.start(content(2))
    with pytest.raises(ConfigurationError, match="ended"):
        await scene.uploader.add(memoryview(b"late"))
    gate.opened.set()
    assert (await task).size == 2 * PART
    with pytest.raises(ConfigurationError, match="ended"):
        await scene.uploader.add(memoryview(b"later"))


@pytest.mark.parametrize("where", ["CreateMultipartUpload", "UploadPart", "source", "memory"])
async def test_writes_of_other_tasks_end_with_a_failed_block_wherever_they_wait(where: str) -> None:
    scene, gate, others = Scene(memory_limit=PART if where == "memory" else 64 * PART), Gate(), list[Any]()
    held = asyncio.Event()
    scene.store.on("PutObject" if where == "memory" else where, *[gate] * 20)
    if where == "memory":
        others.append(await scene.start(content(1), key="holder"))
    source = RecordingSource(*[held] * (where == "source"), *[content(1.5)] * 20)

    async def add(upload: Uploader) -> None:
        others.append(asyncio.create_task(pulling(source)(upload)))  # type: ignore[arg-type]
        await turns()
        raise KeyError("theirs")

    task = await scene.start(add)
    gate.opened.set()
    held.set()
    await asyncio.wait({task, *others})
    assert isinstance(task.exception(), KeyError)
    assert isinstance(others[-1].exception(), StorageError)
    is_sending = where in ("CreateMultipartUpload", "UploadPart")
    words = "failed, and takes no further bytes" if is_sending else "ended; write inside its block"
    assert str(others[-1].exception()) == f"the upload has {words}"
    scene.assert_nothing_is_left()


# stops


async def test_a_stopped_upload_fails_with_the_reason(scene: Scene) -> None:
    reason = StorageError("the driver was closed")
    task = await scene.start(adding(2.5, None))
    assert scene.uploader.is_run_by(task)
    assert not scene.uploader.is_run_by(asyncio.current_task())
    scene.uploader.stop(reason)
    await asyncio.wait({task})
    assert task.exception() is reason
    assert scene.uploader.ended.is_set()


async def test_a_stop_before_the_beginning_or_after_the_end_has_no_effect(scene: Scene) -> None:
    Uploader(scene.engine, make_job()).stop(StorageError("too early"))
    receipt = await scene.upload(content(2.5))
    scene.uploader.stop(StorageError("too late"))
    await turns()
    assert scene.uploader.receipt == receipt


async def test_an_upload_that_is_being_aborted_is_neither_stopped_nor_aborted_again(scene: Scene) -> None:
    gate = Gate()
    scene.store.on("AbortMultipartUpload", gate)
    task = await scene.start(adding(2.5, KeyError("first")))
    scene.uploader.stop(StorageError("too late"))
    abandoning = asyncio.create_task(scene.uploader.abandon())
    await turns()
    gate.opened.set()
    await abandoning
    with pytest.raises(KeyError):
        await task
    assert scene.store.operations.count("AbortMultipartUpload") == 1


@pytest.mark.parametrize("turns_after", range(-1, 6))
async def test_a_stop_at_any_turn_of_the_commit_ends_in_an_error_or_a_receipt(scene: Scene, turns_after: int) -> None:
    """The caller's task owes no cancellation."""

    def stop() -> None:
        scene.uploader.stop(StorageError("closed"))

    async def answer(request: object) -> None:
        if turns_after < 0:
            stop()
        else:
            asyncio.get_running_loop().call_soon(stop)
            await turns(turns_after)

    scene.store.on("CompleteMultipartUpload", answer)
    task = asyncio.create_task(scene.upload(content(2.5)))
    await asyncio.wait({task})
    assert task.cancelling() == 0
    if task.exception() is None:
        assert scene.object() == content(2.5)
    else:
        assert str(task.exception()) == "closed"


async def test_an_abandoned_upload_is_aborted_although_its_block_goes_on(scene: Scene) -> None:
    task = await scene.start(adding(2.5, None))
    await scene.uploader.abandon()
    assert scene.store.uploads == {}
    scene.uploader.stop(StorageError("closed"))
    with pytest.raises(StorageError, match="closed"):
        await task
    assert scene.store.operations.count("AbortMultipartUpload") == 1


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
    assert caught.value.upload_id == (None if parts < 1 else "upload-1")
    scene.assert_nothing_is_left()


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
