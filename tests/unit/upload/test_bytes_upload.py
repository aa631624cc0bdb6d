"""Uploads of bytes that the caller holds: one request in the caller's task, and nothing around it."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan, StreamPlan
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.bytes_upload import BytesUpload, is_whole
from aios3.checkpoints import UploadCheckpoint, UploadSuspendedError
from aios3.errors import (
    AccessDeniedError,
    CompletionUnknownError,
    TransportTimeoutError,
)
from aios3.models import UploadReceipt
from tests.support.fakes import PART, Gate, make_job, md5, refusal, turns
from tests.support.upload_scene import UploadScene, content

DATA = content(0.5)
LARGE = PartPlan(8 * SEGMENT_SIZE, 8 * SEGMENT_SIZE, 1000)
CHECKPOINT = UploadCheckpoint("bucket", "key", "upload-1", PART, (), None, None)


class Scene(UploadScene):
    """Scene with uploads of bytes."""

    def __init__(self, **engine: Any) -> None:
        super().__init__(**engine)
        self.last: BytesUpload | None = None

    def slices_sent(self) -> list[Any]:
        """Return a list that will hold the slices of the next PutObject, which drops them at its end."""
        slices: list[Any] = []
        self.store.on("PutObject", lambda request: slices.extend(request.body))
        return slices

    async def put(self, data: bytes = DATA, **job: Any) -> UploadReceipt:
        self.last = BytesUpload(self.engine, make_job(**job), data)
        return await self.last.run()

    async def begin(self, data: bytes = DATA, **job: Any) -> tuple[asyncio.Task[UploadReceipt], BytesUpload]:
        """Return an upload that is in flight."""
        task = asyncio.create_task(self.put(data, **job))
        await turns()
        assert self.last is not None
        return task, self.last


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    scene.assert_nothing_is_left()


@pytest.fixture
def gate(scene: Scene) -> Gate:
    """Holds the PutObject back."""
    gate = Gate()
    scene.store.on("PutObject", gate)
    return gate


class Word(bytes):
    """Subclass, which may behave differently."""


@pytest.mark.parametrize(
    ("source", "job", "is_direct"),
    [
        *[(bytes(size), {}, True) for size in (0, 1, PART)],
        (b"x", {"size": 1, "max_size": 1}, True),
        (b"x", {"plan": StreamPlan(PART, PART, 1000, PART)}, True),
        *[(source, {}, False) for source in (bytes(PART + 1), bytearray(b"x"), Word(b"x"), [b"x"], None)],
        (b"x", {"on_progress": print}, False),
        (b"x", {"resume": CHECKPOINT}, False),
        *[(b"x", limits, False) for limits in ({"size": 2}, {"size": 0}, {"max_size": 0})],
    ],
)
def test_only_immutable_bytes_of_one_part_without_progress_are_put_directly(
    source: object, job: dict[str, Any], is_direct: bool
) -> None:
    assert is_whole(source, make_job(**job)) is is_direct


async def test_an_upload_is_one_request_with_the_callers_own_bytes(scene: Scene) -> None:
    """It takes no memory, and clears the pool like any last upload."""
    slices = scene.slices_sent()
    scene.engine.pool.give_back((bytearray(SEGMENT_SIZE),))
    receipt = await scene.put()
    assert scene.store.operations == ["PutObject"]
    assert slices[0] is DATA
    assert scene.store.sent[0].headers["content-type"] == "video/mp4"
    assert scene.store.sent[0].headers["if-none-match"] == "*"
    assert (receipt.bucket, receipt.key, receipt.size, receipt.etag) == ("bucket", "key", len(DATA), md5(DATA))
    assert (receipt.version_id, receipt.upload_id, receipt.parts, receipt.retries) == ("v1", None, (), 0)
    assert (await scene.put(b"", key="empty")).size == 0
    assert (list(scene.store.sent[1].body), scene.store.objects["empty"][0]) == ([], b"")


@pytest.mark.parametrize("size", [SEGMENT_SIZE, SEGMENT_SIZE + 1, 2 * SEGMENT_SIZE, 8 * SEGMENT_SIZE])
async def test_bytes_are_sent_in_slices_without_a_copy(scene: Scene, size: int) -> None:
    data, body = bytes(size), scene.slices_sent()
    await scene.put(data, plan=LARGE)
    assert len(body) == -(-size // SEGMENT_SIZE)
    assert {len(piece) for piece in body[:-1]} <= {SEGMENT_SIZE}
    assert {id(piece.obj if isinstance(piece, memoryview) else piece) for piece in body} == {id(data)}
    assert scene.object() == data


async def test_a_running_upload_holds_no_memory_and_is_not_stopped_or_aborted(scene: Scene, gate: Gate) -> None:
    """Its commit is in flight, so it can only be cut off."""
    task, upload = await scene.begin()
    assert (scene.engine.memory.used, scene.engine.pool.idle_bytes) == (0, 0)
    assert scene.engine.running == {upload}
    assert [upload.is_run_by(other) for other in (task, asyncio.current_task(), None)] == [True, False, False]
    upload.stop(UploadSuspendedError("closed"))
    await upload.abandon()
    assert not upload.ended.is_set()
    gate.opened.set()
    assert (await task).size == len(DATA)
    assert upload.ended.is_set()
    assert scene.store.operations == ["PutObject"]


# failures


async def test_a_refusal_is_raised_without_a_note(scene: Scene) -> None:
    scene.store.on("PutObject", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        await scene.put()
    assert not hasattr(caught.value, "__notes__")
    assert scene.store.objects == {}


@pytest.mark.parametrize("error", [TransportTimeoutError("nothing moved"), TimeoutError("theirs")])
async def test_a_timeout_of_others_is_raised_unchanged(error: Exception) -> None:
    """Of the store, or of a credentials provider."""
    scene = Scene()
    scene.engine.client.policy = dataclasses.replace(scene.engine.client.policy, max_attempts=1)
    scene.store.on("PutObject", error)
    with pytest.raises(type(error)) as caught:
        await scene.put()
    assert caught.value is error
    scene.assert_nothing_is_left()


# cancellation


@pytest.mark.parametrize("step", range(6))
async def test_a_cancellation_at_any_turn_leaves_nothing(scene: Scene, step: int) -> None:
    task = asyncio.create_task(scene.put())
    await turns(step)
    is_over = task.done()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() is not is_over
    assert scene.store.objects.get("key", (DATA,))[0] == DATA


# the end of the driver


@pytest.mark.parametrize("distance", range(3))
async def test_a_second_cut_off_has_no_effect(scene: Scene, gate: Gate, distance: int) -> None:
    task, upload = await scene.begin()
    upload.give_up_commit()
    await turns(distance)
    upload.give_up_commit()
    with pytest.raises(CompletionUnknownError):
        await task
    upload.give_up_commit()


@pytest.mark.parametrize("distance", range(-4, 5))
@pytest.mark.parametrize("answer", [None, TransportTimeoutError("nothing moved"), refusal(403, "AccessDenied")])
async def test_a_cut_off_and_a_response_in_any_order_end_in_one_of_the_two(answer: Any, distance: int) -> None:
    """Never in a cancellation or a timeout that is not the caller's."""
    scene, gate = Scene(), Gate(answer=answer)
    scene.engine.client.policy = dataclasses.replace(scene.engine.client.policy, max_attempts=1)
    scene.store.on("PutObject", gate)
    task, upload = await scene.begin()
    first, then = (upload.give_up_commit, gate.opened.set) if distance < 0 else (gate.opened.set, upload.give_up_commit)
    first()
    await turns(abs(distance) - (distance < 0))
    then()
    await asyncio.wait({task})
    assert (task.cancelled(), task.cancelling(), upload.ended.is_set()) == (False, 0, True)
    error = task.exception()
    if isinstance(answer, Exception):
        assert error is answer or isinstance(error, CompletionUnknownError)
    elif error is None:
        assert scene.object() == DATA
    else:
        assert isinstance(error, CompletionUnknownError | AccessDeniedError)
    assert isinstance(error, CompletionUnknownError) if distance < 0 else True
    scene.assert_nothing_is_left()


async def test_an_error_before_the_cut_off_takes_effect_is_raised(scene: Scene) -> None:
    """Also a timeout, because the outcome of the request is known."""
    scene.engine.client.policy = dataclasses.replace(scene.engine.client.policy, max_attempts=1)
    error = TransportTimeoutError("no connection")
    error.was_sent = False

    def give_up_and_fail(request: Request) -> Response:
        assert scene.last is not None
        scene.last.give_up_commit()
        raise error

    scene.store.on("PutObject", give_up_and_fail)
    with pytest.raises(TransportTimeoutError) as caught:
        await scene.put()
    assert caught.value is error


async def test_a_cancellation_in_the_turn_of_the_cut_off_is_raised(scene: Scene, gate: Gate) -> None:
    task, upload = await scene.begin()
    upload.give_up_commit()
    await turns(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_error_of_a_cut_off_names_the_object(scene: Scene, gate: Gate) -> None:
    task, upload = await scene.begin()
    upload.give_up_commit()
    with pytest.raises(CompletionUnknownError, match="HEAD shows whether it was") as caught:
        await task
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", None)
    assert task.cancelling() == 0


async def test_an_upload_is_freed_at_its_end_without_the_garbage_collector(scene: Scene) -> None:
    gc.disable()
    try:
        await scene.put()
        assert scene.last is not None
        reference, scene.last = weakref.ref(scene.last), None
        assert reference() is None
    finally:
        gc.enable()
