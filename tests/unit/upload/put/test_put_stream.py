"""One streamed PutObject: its outcome after every response that can be lost."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._protocol.operations import Committed, PutObject
from aios3._protocol.wire.messages import Response
from aios3._upload.put.body_channel import BodyChannel
from aios3._upload.put.put_stream import put_stream
from aios3.errors import CompletionUnknownError, ResponseError, ThrottledError, TransportError
from tests.support.fakes import Answer, FakeClock, FakePart, make_client, md5, refusal
from tests.support.stream_scene import StreamStore

BODY = b"the body"


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = StreamStore(self.clock)
        self.client = make_client(self.store, self.clock)
        self.failures = FailedAttempts()

    async def put(self, *answers: Answer, has_ended: bool = True, nonce: str = "n") -> Committed:
        """Put `BODY`. Its beginning is given up; its end was passed on if `has_ended`."""
        channel = BodyChannel(FakePart(1, BODY), length=None)
        if has_ended:
            channel.end()
        self.store.on("PutObject", *answers)
        self.store.on_body_read = channel._drop_beginning
        self.store.waits_for_the_end = has_ended
        try:
            return await put_stream(
                self.client,
                PutObject("bucket", "key", {"if-none-match": "*"}, ()),
                channel,
                log=self.failures,
                read_timeout=300.0,
                head_headers={"x-head": "h"},
                nonce=nonce,
            )
        finally:
            channel.close()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_response_with_an_etag_is_believed_without_a_look(scene: Scene) -> None:
    committed = await scene.put()
    assert (committed.etag, committed.version_id) == (f'"{md5(BODY)}"', "v1")
    assert scene.store.operations == ["PutObject"]
    assert scene.store.sent[0].headers == {"if-none-match": "*"}
    assert scene.store.read_timeouts == [300.0]


async def test_a_lost_response_is_settled_by_the_key(scene: Scene) -> None:
    def lose(request: object) -> None:
        scene.store.put("key", BODY, '"of-its-own"', nonce="n")
        raise TransportError("reset")

    committed = await scene.put(lose)
    assert (committed.etag, committed.version_id) == ("of-its-own", "v2")
    assert scene.store.requests("HeadObject")[0].headers == {"x-head": "h"}
    assert [type(failure) for failure in scene.failures] == [TransportError]


@pytest.mark.parametrize(
    "answer", [TransportError("reset"), refusal(500, "InternalError"), Response(200, {})], ids=["reset", "500", "200"]
)
@pytest.mark.parametrize("etag", ['"of-its-own"', f'"{md5(b"another.")}"'], ids=["of its own", "of other bytes"])
async def test_size_and_age_alone_prove_nothing(scene: Scene, answer: Response | Exception, etag: str) -> None:
    """The object may be of another writer, or ours if it is encrypted."""
    scene.store.put("key", b"another.", etag)
    with pytest.raises(CompletionUnknownError, match="may be it, of 8 bytes.*nonce"):
        await scene.put(answer)


async def test_the_nonce_decides_whatever_the_etag_is(scene: Scene) -> None:
    head = {"content-length": "8", "etag": '"encrypted"', "x-amz-meta-aios3-nonce": "n"}
    scene.store.on("HeadObject", *[Response(200, head)] * 3)
    assert (await scene.put(TransportError("reset"), nonce="n")).etag == "encrypted"
    with pytest.raises(ResponseError, match="InternalError"):
        await scene.put(refusal(500, "InternalError"), nonce="another")
    with pytest.raises(CompletionUnknownError, match="does not show it"):
        await scene.put(TransportError("reset"), nonce="another")


@pytest.mark.parametrize(
    ("content", "etag", "age"),
    [
        (b"another.", '"another"', 60),
        (BODY, f'"{md5(BODY)}"', 60),
        (b"longer than ours", '"another"', 0),
        (BODY, '"made-of-parts-2"', 0),
        (BODY, '"made-of-parts-10000"', 0),
    ],
    ids=["older", "older, of the same bytes", "other size", "of parts", "of as many as there can be"],
)
async def test_an_object_of_others_leaves_the_outcome_unknown(
    scene: Scene, content: bytes, etag: str, age: float
) -> None:
    scene.store.put("key", content, etag)
    scene.clock.advance(age)
    scene.client = dataclasses.replace(scene.client, clock=dataclasses.replace(scene.clock(), monotonic=lambda: 0.0))
    with pytest.raises(CompletionUnknownError) as caught:
        await scene.put(TransportError("reset"))
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", None)
    assert "8 bytes" in str(caught.value)
    assert "bucket/key" in str(caught.value)
    assert isinstance(caught.value.__cause__, TransportError)


@pytest.mark.parametrize("answer", [refusal(404), refusal(403), TransportError("reset")], ids=["404", "403", "reset"])
async def test_a_key_without_an_object_or_a_response_leaves_the_outcome_unknown(
    scene: Scene, answer: Response | Exception
) -> None:
    scene.store.on("HeadObject", *[answer] * 9)
    with pytest.raises(CompletionUnknownError):
        await scene.put(TransportError("reset"))


async def test_a_body_that_broke_off_was_not_committed(scene: Scene) -> None:
    with pytest.raises(TransportError):
        await scene.put(TransportError("reset"), has_ended=False)
    assert scene.store.operations == ["PutObject"]


@pytest.mark.parametrize("status", [403, 412])
async def test_a_refusal_is_definite(scene: Scene, status: int) -> None:
    with pytest.raises(ResponseError):
        await scene.put(refusal(status, "AccessDenied"))
    assert scene.store.operations == ["PutObject"]


async def test_a_refusal_that_may_pass_is_believed_unless_the_key_shows_our_object(scene: Scene) -> None:
    with pytest.raises(ThrottledError):
        await scene.put(refusal(503, "SlowDown"))
    assert scene.store.operations == ["PutObject", "HeadObject"]
    scene.store.put("key", BODY, f'"{md5(BODY)}"', nonce="n")
    assert (await scene.put(refusal(503, "SlowDown"))).etag == md5(BODY)


async def test_a_refusal_without_an_error_document_leaves_the_outcome_unknown(scene: Scene) -> None:
    """A proxy has sent it."""
    with pytest.raises(CompletionUnknownError):
        await scene.put(refusal(504))


async def test_a_success_without_an_etag_proves_nothing(scene: Scene) -> None:
    """A portal sends 200 for everything; a store that forgets the ETag has the object."""
    with pytest.raises(CompletionUnknownError) as caught:
        await scene.put(Response(200, {}))
    assert caught.value.__cause__ is None
    scene.store.put("key", BODY, f'"{md5(BODY)}"', nonce="n")
    assert (await scene.put(Response(200, {}))).etag == md5(BODY)


async def test_a_streamed_body_does_not_wait_while_the_store_throttles() -> None:
    """Its source may wait for memory of the limited parts, which would wait for the end of the body."""
    scene = Scene()
    limiter = scene.client.limiter
    limiter.rate.on_throttled(0.0, 0.0, 1)
    limiter._is_open = False
    await limiter.enter()
    await limiter.enter()
    waiting = asyncio.create_task(limiter.enter())
    assert (await scene.put()).etag is not None
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait({waiting})
