"""Traces: what an upload and its operations report, and where their seconds count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aios3 import Observer, StorageError, TransportError, UploadTiming
from aios3._client.observing.guarded_observer import GuardedObserver
from aios3._client.observing.operation_trace import trace_operation
from aios3._client.observing.upload_trace import NO_UPLOAD
from aios3._protocol.operations import HeadBucket
from aios3._protocol.wire.messages import Request
from tests.support.fakes import PART, refusal, turns
from tests.support.upload_scene import UploadScene, adding, content, pulling


class Recorder(Observer):
    """Notes the name and the arguments of every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in vars(Observer) and not name.startswith("_"):
            return lambda *arguments: self.calls.append((name, *arguments))
        return super().__getattribute__(name)

    def told(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, *arguments in self.calls if called == name]  # type: ignore[misc]


class Scene(UploadScene):
    """An upload of which every step takes a different time."""

    def __init__(self, observer: Observer | None = None, **engine: Any) -> None:
        super().__init__(**engine)
        if observer is not None:
            self.engine.client.observer = GuardedObserver(observer, self.clock().monotonic)

    def respond_after(self, operation: str, seconds: float) -> None:
        def respond(_: object) -> None:
            self.clock.advance(seconds)

        self.store.on(operation, respond)

    async def source(self, *chunks: bytes, seconds: float = 0.0):
        for chunk in chunks:
            self.clock.advance(seconds)
            yield chunk


async def test_a_small_upload_is_source_and_response() -> None:
    scene = Scene()
    scene.respond_after("PutObject", 4)
    receipt = await scene.upload(pulling(scene.source(b"a", b"b", seconds=1)))
    assert receipt.timing == UploadTiming(source=2, response=4)
    assert receipt.elapsed == 6


async def test_a_body_is_sent_before_its_response_is_waited_for(monkeypatch) -> None:
    scene = Scene()
    scene.respond_after("PutObject", 4)
    send = scene.store.send

    async def send_slowly(request: Request, **options: Any) -> Any:
        scene.clock.advance(2)
        return await send(request, **options)

    monkeypatch.setattr(scene.store, "send", send_slowly)
    receipt = await scene.upload(b"x")
    assert receipt.timing == UploadTiming(sending=2, response=4)


async def test_a_turn_while_the_store_throttles_is_slot() -> None:
    scene = Scene()
    scene.engine.client.limiter.rate.on_throttled(0.0, 0.0, 1)
    scene.engine.client.limiter._is_open = False
    scene.store.on("PutObject", refusal(503, "SlowDown"))
    receipt = await scene.upload(b"x")
    assert receipt.timing.slot > 0
    assert receipt.timing.slot + receipt.timing.backoff == pytest.approx(sum(scene.clock.slept))
    assert receipt.timing.total == pytest.approx(receipt.timing.slot + receipt.timing.backoff)


async def test_a_backoff_counts_and_so_does_the_time_before_the_upload() -> None:
    scene = Scene()
    scene.store.on("PutObject", refusal(500, "InternalError"))
    scene.clock.random = 0.625
    scene.clock.advance(2)
    receipt = await scene.upload(b"x", began_at=0.5)
    assert receipt.timing == UploadTiming(preparing=1.5, backoff=0.125)


async def test_before_commit_and_complete_are_commit() -> None:
    scene = Scene()
    scene.respond_after("CompleteMultipartUpload", 2)
    receipt = await scene.upload(content(2.5), before_commit=lambda _: scene.clock.advance(1))
    assert receipt.timing == UploadTiming(commit=3)


async def test_a_full_part_that_waits_for_a_slot_is_slot() -> None:
    scene = Scene()

    async def respond_slowly(_: object) -> None:
        await turns()
        scene.clock.advance(1)

    scene.store.on("UploadPart", *[respond_slowly] * 3)
    receipt = await scene.upload(content(3), concurrency=1)
    assert receipt.timing == UploadTiming(slot=2, response=1)


async def test_a_source_that_gets_no_memory_is_memory() -> None:
    recorder = Recorder()
    scene = Scene(recorder, memory_limit=PART)
    held = await scene.start(adding(0.5, None))
    waiting = await scene.start(content(0.75))
    scene.clock.advance(3)
    held.cancel()
    receipt = await waiting
    assert receipt.timing == UploadTiming(memory=3)
    assert [arguments[1:] for arguments in recorder.told("waited")] == [["memory", 3]]
    with pytest.raises(asyncio.CancelledError):
        await held


async def test_a_failed_upload_reports_its_timing_and_its_error() -> None:
    recorder = Recorder()
    scene = Scene(recorder)
    scene.respond_after("AbortMultipartUpload", 2)
    error = KeyError("source")

    async def failing():
        yield content(2)
        scene.clock.advance(1)
        raise error

    with pytest.raises(KeyError):
        await scene.upload(pulling(failing()), size=8 * PART)
    ((upload, end),) = recorder.told("upload_ended")
    assert (upload.bucket, upload.key, upload.call, upload.size) == ("bucket", "key", "upload", 8 * PART)
    assert (end.receipt, end.error) == (None, error)
    assert end.timing == UploadTiming(source=1, response=2)


async def test_attempts_retries_parts_and_the_end_are_reported_in_order() -> None:
    recorder = Recorder()
    scene = Scene(recorder)
    scene.store.on("UploadPart", refusal(503, "SlowDown"))
    receipt = await scene.upload(content(2), concurrency=1)
    ((operation, retry),) = recorder.told("retrying")
    assert [name for name, *arguments in recorder.calls if arguments[0] is operation] == [
        "operation_began",
        *("attempt_began", "attempt_ended", "throttling_began", "retrying"),
        *("attempt_began", "attempt_ended", "operation_ended"),
    ]
    assert recorder.calls[0][0] == "upload_began"
    assert recorder.calls[-1][0] == "upload_ended"
    assert (retry.reason, retry.repair) == ("SlowDown", None)
    attempts = [attempt for attempted, attempt in recorder.told("attempt_ended") if attempted is operation]
    assert [(attempt.number, attempt.status) for attempt in attempts] == [(1, 503), (2, 200)]
    assert [part for _, part, _ in recorder.told("part_stored")] == list(receipt.parts)
    assert {operation.upload for operation, *_ in recorder.told("operation_began")} == {
        upload for (upload,) in recorder.told("upload_began")
    }
    assert recorder.told("upload_ended")[0][1].receipt is receipt


async def test_a_cancelled_attempt_ends_with_its_cancellation() -> None:
    recorder = Recorder()
    scene = Scene(recorder)
    scene.store.on("PutObject", lambda _: asyncio.Event().wait())  # type: ignore[arg-type, return-value]
    task = await scene.start(b"x")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ((_, attempt),) = recorder.told("attempt_ended")
    ((_, _, error),) = recorder.told("operation_ended")
    assert isinstance(attempt.error, asyncio.CancelledError)
    assert error is attempt.error
    assert (attempt.status, attempt.request_id) == (None, None)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(refusal(503, "SlowDown"), "SlowDown"), (refusal(500), "500"), (TransportError("reset"), "TransportError")],
)
async def test_the_reason_of_a_retry_is_the_code_the_status_or_the_class(failure, reason) -> None:
    recorder = Recorder()
    scene = Scene(recorder)
    scene.store.on("PutObject", failure)
    await scene.upload(b"x")
    assert [retry.reason for _, retry in recorder.told("retrying")] == [reason]


def test_an_operation_without_an_upload_has_none() -> None:
    recorder = Recorder()
    request = Request("HeadBucket", "HEAD", "https", "store.test", "/bucket")
    guard = GuardedObserver(recorder, lambda: 1.0)
    with pytest.raises(StorageError), trace_operation(HeadBucket("bucket"), request, NO_UPLOAD, guard, lambda _: "r"):
        raise StorageError("no")
    ((operation,),) = recorder.told("operation_began")
    assert (operation.name, operation.upload, operation.region, operation.size) == ("HeadBucket", None, "r", 0)
