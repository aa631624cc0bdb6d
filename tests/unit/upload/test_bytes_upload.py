"""An object whose bytes are at hand: one request in the caller's task, and nothing around it that could stay."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import weakref
from typing import Any

import pytest

from aios3._client.signers import OrdinarySigner
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan
from aios3._protocol.parts.put_plan import StreamPlan
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.bytes_upload import BytesUpload, is_whole
from aios3._upload.shared.job import UploadJob
from aios3.checkpoints import UploadCheckpoint, UploadSuspendedError
from aios3.credentials import Credentials
from aios3.errors import (
    AccessDeniedError,
    CompletionUnknownError,
    IntegrityError,
    TransportError,
    TransportTimeoutError,
)
from aios3.models import UploadReceipt
from aios3.options import Timeouts
from tests.support.fakes import PART, Gate, make_job, md5, refusal, turns
from tests.support.upload_scene import UploadScene, content

DATA = content(0.5)
LARGE = PartPlan(8 * SEGMENT_SIZE, 8 * SEGMENT_SIZE, 1000)
CHECKPOINT = UploadCheckpoint("bucket", "key", "upload-1", PART, (), None, None)


class Scene(UploadScene):
    """An engine on a fake store, and objects put whole there."""

    def __init__(self, **engine: Any) -> None:
        super().__init__(**engine)
        self.last: BytesUpload | None = None

    def slices_sent(self) -> list[Any]:
        """Return what will hold the slices of the next PutObject: the request lets them go when it is over."""
        slices: list[Any] = []
        self.store.on("PutObject", lambda request: slices.extend(request.body))
        return slices

    async def put(self, data: bytes = DATA, **job: Any) -> UploadReceipt:
        self.last = BytesUpload(self.engine, make_job(**job), data)
        return await self.last.run()

    async def begin(self, data: bytes = DATA, **job: Any) -> tuple[asyncio.Task[UploadReceipt], BytesUpload]:
        """Return when the request is held by whatever is scripted."""
        task = asyncio.create_task(self.put(data, **job))
        await turns()
        assert self.last is not None
        return task, self.last


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def gate(scene: Scene) -> Gate:
    """Holds the PutObject back."""
    gate = Gate()
    scene.store.on("PutObject", gate)
    return gate


# what is whole


class Word(bytes):
    """Bytes that may behave in ways of their own."""


@pytest.mark.parametrize("data", [b"", b"x", bytes(PART - 1), bytes(PART)], ids=len)
def test_bytes_of_at_most_one_part_are_whole(data: bytes) -> None:
    assert is_whole(data, make_job())
    assert is_whole(data, make_job(size=len(data), max_size=len(data)))
    assert is_whole(data, make_job(plan=StreamPlan(PART, PART, 1000, PART)))


@pytest.mark.parametrize(
    "source",
    [bytes(PART + 1), bytearray(b"x"), memoryview(b"x"), Word(b"x"), [b"x"], "x", None],
    ids=lambda source: type(source).__name__,
)
def test_more_than_a_part_and_what_may_change_is_not(source: object) -> None:
    """A bytearray may be changed while it is sent, and a subclass may lie about its length."""
    assert not is_whole(source, make_job())


@pytest.mark.parametrize(
    "job",
    [
        make_job(on_progress=lambda progress: None),
        make_job(resume=CHECKPOINT),
        make_job(size=2),
        make_job(size=0),
        make_job(max_size=0),
    ],
)
def test_what_has_to_be_counted_or_reported_is_not(job: UploadJob) -> None:
    assert not is_whole(b"x", job)


# what is sent


async def test_it_is_one_request_with_the_callers_own_bytes(scene: Scene) -> None:
    """No copy, no memory, and the receipt of any upload without parts."""
    slices = scene.slices_sent()
    receipt = await scene.put()
    assert scene.store.operations == ["PutObject"]
    assert slices[0] is DATA
    assert scene.store.sent[0].headers["content-type"] == "video/mp4"
    assert scene.store.sent[0].headers["if-none-match"] == "*"
    assert (receipt.bucket, receipt.key, receipt.size, receipt.etag) == ("bucket", "key", len(DATA), md5(DATA))
    assert (receipt.version_id, receipt.upload_id, receipt.parts, receipt.retries) == ("v1", None, (), 0)
    assert scene.object() == DATA
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("size", [SEGMENT_SIZE, SEGMENT_SIZE + 1, 2 * SEGMENT_SIZE, 8 * SEGMENT_SIZE])
async def test_many_bytes_go_out_in_slices_of_themselves(scene: Scene, size: int) -> None:
    """Each is one write; none is a copy."""
    data, body = bytes(size), scene.slices_sent()
    await scene.put(data, plan=LARGE)
    assert len(body) == -(-size // SEGMENT_SIZE)
    assert {len(piece) for piece in body[:-1]} <= {SEGMENT_SIZE}
    assert {id(piece.obj if isinstance(piece, memoryview) else piece) for piece in body} == {id(data)}
    assert scene.object() == data


async def test_nothing_is_an_object_too(scene: Scene) -> None:
    assert (await scene.put(b"")).size == 0
    assert (list(scene.store.sent[0].body), scene.object()) == ([], b"")


async def test_it_waits_for_nobodys_memory(scene: Scene, gate: Gate) -> None:
    """The bytes are the caller's; but the upload is one of those that run."""
    task, upload = await scene.begin()
    assert (scene.engine.memory.used, scene.engine.pool.idle_bytes) == (0, 0)
    assert scene.engine.running == {upload}
    assert not upload.ended.is_set()
    gate.opened.set()
    await task
    assert upload.ended.is_set()
    scene.assert_nothing_is_left()


async def test_the_last_upload_clears_the_pool(scene: Scene) -> None:
    """Whoever it is."""
    scene.engine.pool.give_back((bytearray(SEGMENT_SIZE),))
    await scene.put()
    assert scene.engine.pool.idle_bytes == 0


async def test_the_nonce_and_the_checksum_go_along(scene: Scene) -> None:
    await scene.put(nonce="mark", checksum="crc32")
    headers = scene.store.sent[0].headers
    assert headers["x-amz-meta-aios3-nonce"] == "mark"
    assert "x-amz-checksum-crc32" in headers


async def test_many_at_once(scene: Scene) -> None:
    receipts = await asyncio.gather(*(scene.put(key=f"key-{number}") for number in range(1000)))
    assert {receipt.key for receipt in receipts} == set(scene.store.objects)
    assert len(scene.store.sent) == 1000
    scene.assert_nothing_is_left()


# failures


async def test_a_refusal_is_raised_and_leaves_nothing(scene: Scene) -> None:
    scene.store.on("PutObject", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        await scene.put()
    assert not hasattr(caught.value, "__notes__")
    assert scene.store.objects == {}
    scene.assert_nothing_is_left()


async def test_a_retry_sends_the_same_bytes(scene: Scene) -> None:
    scene.store.on("PutObject", refusal(503, "SlowDown"), TransportError("reset"))
    assert (await scene.put()).retries == 2
    assert scene.store.bodies == [DATA] * 3


async def test_a_lost_answer_is_settled(scene: Scene) -> None:
    """By the repetition, which ``if-none-match`` refuses, and a look."""
    scene.store.on("PutObject", scene.store.lose, refusal(412, "PreconditionFailed"))
    receipt = await scene.put()
    assert scene.store.operations == ["PutObject", "PutObject", "HeadObject"]
    assert (receipt.etag, receipt.retries) == (md5(DATA), 2)


async def test_another_checksum_is_an_error(scene: Scene) -> None:
    scene.store.on("PutObject", Response(200, {"etag": '"e"', "x-amz-checksum-crc32": "AAAAAA=="}))
    with pytest.raises(IntegrityError):
        await scene.put(checksum="crc32")
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("error", [TransportTimeoutError("nothing moved"), TimeoutError("theirs")])
async def test_a_timeout_that_is_not_the_drivers_end_is_raised_as_it_is(error: Exception) -> None:
    """A store's, or one that a credentials provider raises."""
    scene = Scene()
    scene.engine.client.policy = dataclasses.replace(scene.engine.client.policy, max_attempts=1)
    scene.store.on("PutObject", error)
    with pytest.raises(type(error)) as caught:
        await scene.put()
    assert caught.value is error
    scene.assert_nothing_is_left()


# cancellation


@pytest.mark.parametrize("cancels", [1, 2])
async def test_a_cancellation_drops_the_request(scene: Scene, gate: Gate, cancels: int) -> None:
    task, upload = await scene.begin()
    for _ in range(cancels):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (task.cancelled(), upload.ended.is_set()) == (True, True)
    assert (scene.store.objects, scene.store.operations) == ({}, ["PutObject"])
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("step", range(6))
async def test_a_cancellation_at_any_turn_ends_it(scene: Scene, step: int) -> None:
    task = asyncio.create_task(scene.put())
    await turns(step)
    is_over = task.done()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() is not is_over
    assert scene.store.objects.get("key", (DATA,))[0] == DATA
    scene.assert_nothing_is_left()


async def test_the_callers_own_timeout_stays_the_callers(scene: Scene, gate: Gate) -> None:
    """It is a `TimeoutError`, and no cancellation is left in its task."""

    async def limited() -> int:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0):
                await scene.put()
        assert type(caught.value) is TimeoutError
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert await asyncio.create_task(limited()) == 0
    scene.assert_nothing_is_left()


# the end of the driver


async def test_a_stop_lets_it_end(scene: Scene, gate: Gate) -> None:
    """Its commit is on its way: the caller is to learn what came of it."""
    task, upload = await scene.begin()
    upload.stop(UploadSuspendedError("closed"))
    gate.opened.set()
    assert (await task).size == len(DATA)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_commit_that_does_not_end_is_given_up(times: int) -> None:
    """Its caller is told what to look at; to be told so twice changes nothing."""
    scene = Scene(timeouts=Timeouts(cleanup=0.05))
    scene.store.on("PutObject", Gate())
    task, _ = await scene.begin()
    await asyncio.gather(*(scene.engine.stop_uploads(asyncio.current_task()) for _ in range(times)))
    with pytest.raises(CompletionUnknownError, match="HEAD shows whether it was") as caught:
        await task
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", None)
    assert task.cancelling() == 0
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("distance", range(3))
async def test_giving_up_again_changes_nothing(scene: Scene, gate: Gate, distance: int) -> None:
    """Before it has struck, when it has, and after the end."""
    task, upload = await scene.begin()
    upload.give_up_commit()
    await turns(distance)
    upload.give_up_commit()
    with pytest.raises(CompletionUnknownError):
        await task
    upload.give_up_commit()
    scene.assert_nothing_is_left()


@pytest.mark.parametrize("distance", range(-4, 5))
@pytest.mark.parametrize("answer", [None, TransportTimeoutError("nothing moved"), refusal(403, "AccessDenied")])
async def test_giving_up_races_the_answer(answer: Any, distance: int) -> None:
    """Whichever comes first, the caller gets it whole: never somebody else's cancellation or timeout."""
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


async def test_an_error_that_comes_before_the_cut_is_the_callers(scene: Scene) -> None:
    """Also if it is a timeout: it is known what became of the request."""
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


async def test_a_cancellation_that_comes_with_it_is_not_lost(scene: Scene, gate: Gate) -> None:
    """It is the caller's; the driver's end is only ours."""
    task, upload = await scene.begin()
    upload.give_up_commit()
    await turns(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    scene.assert_nothing_is_left()


async def test_its_own_task_may_end_the_driver() -> None:
    """As a callback within the request could: nothing waits for itself."""
    scene = Scene()

    class Closing:
        async def get_credentials(self) -> Credentials:
            owner = asyncio.current_task()
            finished = await finish_despite_cancellation(
                lambda: scene.engine.stop_uploads(owner), deadline=15.0, name="aios3: close the driver"
            )
            assert finished.error is None
            if finished.cancellation is None:  # it comes at the next turn
                await asyncio.Event().wait()
            raise finished.cancellation

    scene.engine.client.signer = OrdinarySigner(Closing())
    async with asyncio.timeout(2):
        with pytest.raises(CompletionUnknownError):
            await scene.put()
    assert scene.store.sent == []
    scene.assert_nothing_is_left()


async def test_whose_it_is(scene: Scene, gate: Gate) -> None:
    task, upload = await scene.begin()
    assert upload.is_run_by(task)
    assert not upload.is_run_by(asyncio.current_task())
    assert not upload.is_run_by(None)
    gate.opened.set()
    await task


async def test_there_is_nothing_to_abandon(scene: Scene, gate: Gate) -> None:
    """Who does not end is not waited for."""
    task, upload = await scene.begin()
    await upload.abandon()
    assert not task.done()
    gate.opened.set()
    await task
    assert scene.store.operations == ["PutObject"]


async def test_it_is_gone_when_it_has_ended(scene: Scene) -> None:
    """Not when the collector comes round: small objects are many."""
    gc.disable()
    try:
        await scene.put()
        assert scene.last is not None
        reference, scene.last = weakref.ref(scene.last), None
        assert reference() is None
    finally:
        gc.enable()
