"""What became of a streamed PutObject."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from aios3._client.failed_attempts import FailedAttempts
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
        """Put `BODY`, whose beginning is given up, and whose end was passed on or not."""
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


async def test_an_answer_with_an_etag_is_believed(scene: Scene) -> None:
    """Without a look."""
    committed = await scene.put()
    assert (committed.etag, committed.version_id) == (f'"{md5(BODY)}"', "v1")
    assert scene.store.operations == ["PutObject"]
    assert scene.store.sent[0].headers == {"if-none-match": "*"}
    assert scene.store.read_timeouts == [300.0]


async def test_a_lost_answer_is_settled_by_a_look(scene: Scene) -> None:
    """An object of the right bytes, made meanwhile, is ours."""

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
    """The object may be another writer's, or have been there a moment before; or ours, if it is encrypted."""
    scene.store.put("key", b"another.", etag)
    with pytest.raises(CompletionUnknownError, match="may be it, of 8 bytes.*nonce"):
        await scene.put(answer)


async def test_a_nonce_tells_whatever_the_etag_is(scene: Scene) -> None:
    """An object with another one is somebody else's, and the store's no stands."""
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
async def test_somebody_elses_object_is_not_ours(scene: Scene, content: bytes, etag: str, age: float) -> None:
    """Then nobody knows whether ours will still come."""
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
async def test_what_cannot_be_seen_is_unknown(scene: Scene, answer: Response | Exception) -> None:
    """Also a key that holds nothing: the store may not have made up its mind yet."""
    scene.store.on("HeadObject", *[answer] * 9)
    with pytest.raises(CompletionUnknownError):
        await scene.put(TransportError("reset"))


async def test_a_body_that_broke_off_was_not_committed(scene: Scene) -> None:
    """So its error is definite, and nobody looks."""
    with pytest.raises(TransportError):
        await scene.put(TransportError("reset"), has_ended=False)
    assert scene.store.operations == ["PutObject"]


@pytest.mark.parametrize("status", [403, 412])
async def test_a_refusal_is_definite(scene: Scene, status: int) -> None:
    """The store says so, having read all of it."""
    with pytest.raises(ResponseError):
        await scene.put(refusal(status, "AccessDenied"))
    assert scene.store.operations == ["PutObject"]


async def test_a_store_that_gives_up_in_the_end_is_believed_unless_the_key_shows_otherwise(scene: Scene) -> None:
    """Its word is worth more than a key that does not show our object."""
    with pytest.raises(ThrottledError):
        await scene.put(refusal(503, "SlowDown"))
    assert scene.store.operations == ["PutObject", "HeadObject"]
    scene.store.put("key", BODY, f'"{md5(BODY)}"', nonce="n")
    assert (await scene.put(refusal(503, "SlowDown"))).etag == md5(BODY)


async def test_a_proxy_that_gives_up_knows_nothing(scene: Scene) -> None:
    """504 without S3's document leaves the outcome open."""
    with pytest.raises(CompletionUnknownError):
        await scene.put(refusal(504))


async def test_a_success_without_an_etag_proves_nothing(scene: Scene) -> None:
    """A portal says 200 to everything; a store that forgets the ETag has the object."""
    with pytest.raises(CompletionUnknownError) as caught:
        await scene.put(Response(200, {}))
    assert caught.value.__cause__ is None
    scene.store.put("key", BODY, f'"{md5(BODY)}"', nonce="n")
    assert (await scene.put(Response(200, {}))).etag == md5(BODY)


async def test_streamed_body_while_the_store_throttles_does_not_wait() -> None:
    """Its source may wait for the memory of the limited parts, which would wait for the end of the body."""
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
