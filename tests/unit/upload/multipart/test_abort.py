"""The abort of one upload: its outcome, and the proof that nothing remained."""

from __future__ import annotations

import logging

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._client.observing.timeline import Timeline
from aios3._client.observing.upload_trace import UploadTrace
from aios3._protocol.wire.messages import Response
from aios3._upload.multipart.abort import Abort, AbortOutcome
from aios3.errors import AccessDeniedError, ThrottledError, TransportError
from tests.support.fakes import FakeClock, FakeStore, make_client, refusal

STILL_THERE = Response(200, {}, b"<ListPartsResult></ListPartsResult>")
RESET = TransportError("reset")


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.store.open_upload("id")
        self.timeline = Timeline(self.clock().monotonic)
        self.failures = FailedAttempts(upload=UploadTrace(self.timeline))
        client = make_client(self.store, self.clock, attempts=1)
        self.abort = Abort(client, ("bucket", "key", "id"), {"x-every": "e"}, self.failures)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_outcome_of_an_abort_is_the_stores_response(scene: Scene) -> None:
    assert await scene.abort.send() is AbortOutcome.ABORTED
    assert await scene.abort.send() is AbortOutcome.GONE
    assert scene.store.requests("AbortMultipartUpload")[0].headers == {"x-every": "e"}


async def test_every_abort_is_logged_and_a_failed_one_as_a_warning(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aios3")
    await scene.abort.send()
    scene.store.on("AbortMultipartUpload", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.abort.send()
    aborted, failed = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert aborted == ("INFO", "multipart upload 'id' of bucket/'key': it was aborted")
    assert failed[0] == "WARNING"
    assert failed[1].startswith("multipart upload 'id' of bucket/'key' could not be aborted: AbortMultipartUpload")


async def test_an_upload_that_our_own_lost_abort_may_have_ended_has_vanished(scene: Scene) -> None:
    """A clear refusal before it changes nothing."""
    scene.store.on("AbortMultipartUpload", refusal(429, "SlowDown"), scene.store.lose)
    assert await scene.abort.send() is AbortOutcome.VANISHED
    scene.store.on("AbortMultipartUpload", refusal(429, "SlowDown"))
    assert await scene.abort.send() is AbortOutcome.GONE
    assert len(scene.failures) == 5


@pytest.mark.parametrize(
    ("answers", "is_gone", "aborts"),
    [
        ([], True, 0),
        ([refusal(403, "AccessDenied")], True, 0),
        ([RESET, RESET, refusal(503, "SlowDown")], True, 0),
        ([STILL_THERE, STILL_THERE], True, 2),
        ([STILL_THERE, *[refusal(403, "AccessDenied")] * 5], False, 6),
        ([STILL_THERE] * 6, False, 6),
    ],
    ids=["404", "403", "404 in the end", "twice", "then 403", "always"],
)
async def test_an_upload_that_was_seen_is_gone_only_if_the_store_says_so(
    scene: Scene, answers: list[Response | Exception], is_gone: bool, aborts: int
) -> None:
    await scene.abort.send()
    scene.store.on("ListParts", *answers)
    assert await scene.abort.prove() is is_gone
    assert scene.store.operations.count("AbortMultipartUpload") == 1 + aborts
    for request in scene.store.sent:
        assert (request.path, dict(request.query)["uploadId"]) == ("/bucket/key", "id")
        assert request.headers == {"x-every": "e"}


@pytest.mark.parametrize(("answer", "error"), [(RESET, TransportError), (refusal(503, "SlowDown"), ThrottledError)])
async def test_without_a_response_there_is_no_proof(
    scene: Scene, answer: Response | Exception, error: type[Exception]
) -> None:
    scene.store.on("ListParts", *[answer] * 6)
    with pytest.raises(error):
        await scene.abort.prove()
    assert len(scene.store.sent) == 6


async def test_the_pause_doubles_before_each_round_of_the_proof(scene: Scene) -> None:
    scene.store.on("ListParts", *[STILL_THERE] * 6)
    assert not await scene.abort.prove()
    first, *others = scene.clock.slept
    assert first > 0
    assert others == [first * 2**number for number in range(1, 6)]


async def test_abort_and_proof_are_in_the_timing_of_the_upload(scene: Scene) -> None:
    scene.store.on("AbortMultipartUpload", lambda _: scene.clock.advance(2.0))
    scene.store.on("ListParts", lambda _: scene.clock.advance(3.0))
    await scene.abort.send()
    assert await scene.abort.prove()
    assert scene.timeline.snapshot().response == 5.0
