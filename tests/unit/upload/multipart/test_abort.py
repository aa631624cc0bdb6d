"""The abort of one upload: what the store says to it, and whether that holds."""

from __future__ import annotations

import logging

import pytest

from aios3._client.failed_attempts import FailedAttempts
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
        self.failures = FailedAttempts()
        client = make_client(self.store, self.clock, attempts=1)
        self.abort = Abort(client, ("bucket", "key", "id"), {"x-every": "e"}, self.failures)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_stores_word_is_the_outcome(scene: Scene) -> None:
    """An upload that is gone is ended, too."""
    assert await scene.abort.send() is AbortOutcome.ABORTED
    assert await scene.abort.send() is AbortOutcome.GONE
    assert scene.store.requests("AbortMultipartUpload")[0].headers == {"x-every": "e"}


async def test_every_abort_leaves_a_line_in_the_log(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """An upload that stays open is a warning, because it is billed."""
    caplog.set_level(logging.INFO, "aios3")
    await scene.abort.send()
    scene.store.on("AbortMultipartUpload", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.abort.send()
    aborted, failed = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert aborted == ("INFO", "multipart upload 'id' of bucket/'key': it was aborted")
    assert failed[0] == "WARNING"
    assert failed[1].startswith("multipart upload 'id' of bucket/'key' could not be aborted: AbortMultipartUpload")


async def test_what_an_abort_without_an_answer_may_have_ended_has_vanished(scene: Scene) -> None:
    """That is no sign that it was gone before; a refusal that was clear changes nothing."""
    scene.store.on("AbortMultipartUpload", refusal(429, "SlowDown"), scene.store.lose)
    assert await scene.abort.send() is AbortOutcome.VANISHED
    scene.store.on("AbortMultipartUpload", refusal(429, "SlowDown"))
    assert await scene.abort.send() is AbortOutcome.GONE
    assert len(scene.failures) == 5


async def test_it_is_repeated_whatever_the_policy_says(scene: Scene) -> None:
    """Attempts that failed count; a refusal is one."""
    scene.store.on("AbortMultipartUpload", RESET, refusal(503, "SlowDown"))
    assert await scene.abort.send() is AbortOutcome.ABORTED
    assert len(scene.failures) == 2
    scene.store.on("AbortMultipartUpload", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.abort.send()


@pytest.mark.parametrize(
    ("answers", "is_gone", "aborts"),
    [
        ([], True, 0),
        ([refusal(403, "AccessDenied")], True, 0),
        ([refusal(501, "NotImplemented")], True, 0),
        ([RESET, RESET, refusal(503, "SlowDown")], True, 0),
        ([STILL_THERE, STILL_THERE], True, 2),
        ([STILL_THERE, *[refusal(403, "AccessDenied")] * 5], False, 6),
        ([STILL_THERE] * 6, False, 6),
    ],
    ids=["404", "403", "501", "404 in the end", "twice", "then 403", "for ever"],
)
async def test_the_proof(scene: Scene, answers: list[Response | Exception], is_gone: bool, aborts: int) -> None:
    """Only what the store says of the upload itself counts once it was seen."""
    await scene.abort.send()
    scene.store.on("ListParts", *answers)
    assert await scene.abort.prove() is is_gone
    assert scene.store.operations.count("AbortMultipartUpload") == 1 + aborts
    assert scene.store.requests("ListParts")[0].headers == {"x-every": "e"}


@pytest.mark.parametrize(("answer", "error"), [(RESET, TransportError), (refusal(503, "SlowDown"), ThrottledError)])
async def test_without_an_answer_there_is_no_proof(
    scene: Scene, answer: Response | Exception, error: type[Exception]
) -> None:
    """After all attempts of a clean-up."""
    scene.store.on("ListParts", *[answer] * 6)
    with pytest.raises(error):
        await scene.abort.prove()
    assert len(scene.store.sent) == 6


async def test_every_request_is_about_the_upload(scene: Scene) -> None:
    """Its bucket, its key, its id, also in the proof."""
    scene.store.on("ListParts", STILL_THERE)
    assert await scene.abort.prove()
    sent = [*scene.store.requests("AbortMultipartUpload"), *scene.store.requests("ListParts")]
    assert len(sent) == 3
    for request in sent:
        assert request.path == "/bucket/key"
        assert ("uploadId", "id") in request.query


async def test_the_pause_before_each_round_is_twice_the_last_one(scene: Scene) -> None:
    """A part may be stored a moment after the abort, or a little later."""
    scene.store.on("ListParts", *[STILL_THERE] * 6)
    assert not await scene.abort.prove()
    first, *others = scene.clock.slept
    assert first > 0
    assert others == [first * 2**number for number in range(1, 6)]
