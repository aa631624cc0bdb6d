"""One PutObject of a whole body: its outcome after every response that can be lost."""

from __future__ import annotations

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._protocol.operations import Committed, PutObject
from aios3._protocol.wire.messages import Response
from aios3._upload.put.put_object import put_object
from aios3._upload.shared.ownership import ObjectProof
from aios3.errors import CompletionUnknownError, PreconditionFailedError, ResponseError, TransportError
from tests.support.fakes import FakeClock, FakeStore, make_client, md5, refusal

PUT = PutObject("bucket", "key", {"if-none-match": "*"}, (b"ab", bytearray(b"c")))
EXISTS = refusal(412, "PreconditionFailed")
EVIDENCE = ObjectProof(3)


@pytest.fixture
def store():
    return FakeStore(FakeClock())


@pytest.fixture
def client(store):
    return make_client(store, store._clock)


async def put(client, failures=None):
    return await put_object(client, PUT, FailedAttempts() if failures is None else failures, {"x-head": "h"}, EVIDENCE)


async def test_a_put_is_one_request(client, store):
    committed = await put_object(client, PUT, FailedAttempts(), {}, EVIDENCE)
    assert (committed.etag, committed.version_id) == (f'"{md5(b"abc")}"', "v1")
    assert store.operations == ["PutObject"]


@pytest.mark.parametrize("others", [[], [TransportError("of another request")]], ids=["", "another request was lost"])
async def test_an_object_that_was_there_before_is_refused_without_a_look(client, store, others):
    """Only lost responses to this request make the outcome unknown."""
    store.on("PutObject", EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put(client, FailedAttempts(failures=others))
    assert store.operations == ["PutObject"]


async def test_a_retry_refused_because_of_our_own_object_is_a_success(client, store):
    """The result is what the key shows."""
    store.on("PutObject", store.lose, EXISTS)
    head = {"content-length": "3", "etag": f'"{md5(b"abc")}"', "x-amz-version-id": "v2"}
    store.on("HeadObject", Response(200, {**head, "x-amz-checksum-crc32": "NSRBwg=="}))
    assert await put(client) == Committed(md5(b"abc"), "v2", "NSRBwg==", None)
    assert store.requests("HeadObject")[0].headers == {"x-head": "h"}


async def test_our_own_object_is_known_at_a_slow_store_with_a_wrong_clock(store):
    """No response is older than the object, although none is quick enough to show the store's time."""
    clock = store._clock
    head = {"content-length": "3", "etag": f'"{md5(b"abc")}"'}

    def answer(status, headers):
        clock.advance(5)
        theirs = {"date": "Mon, 04 May 2026 03:00:05 GMT", "last-modified": "Mon, 04 May 2026 03:00:01 GMT"}
        return Response(status, headers | theirs)

    store.on("PutObject", lambda _: answer(200, {}))
    store.on("HeadObject", lambda _: answer(200, head))
    log = FailedAttempts(began_at=clock().monotonic())
    committed = await put_object(make_client(store, clock), PUT, log, {}, EVIDENCE)
    assert committed.etag == md5(b"abc")


@pytest.mark.parametrize(("body", "seconds"), [(b"abd", 0), (b"abc", 3600), (None, 0)], ids=["other", "older", "none"])
async def test_an_object_of_others_or_from_before_or_none_leaves_the_refusal(client, store, body, seconds):
    """The same bytes from before may have other metadata."""
    if body is not None:
        store.put("key", body, f'"{md5(body)}"')
    store._clock.advance(seconds)
    store.on("PutObject", TransportError("reset"), EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put(client, FailedAttempts(seconds))
    assert store.operations[-1] == "HeadObject"


@pytest.mark.parametrize("nonce", ["n", "another"])
async def test_a_nonce_decides_before_the_etag(client, store, nonce):
    etag = "encrypted" if nonce == "n" else md5(b"abc")
    store.on("PutObject", TransportError("reset"), EXISTS)
    store.on("HeadObject", Response(200, {"content-length": "3", "etag": f'"{etag}"', "x-amz-meta-aios3-nonce": "n"}))
    putting = put_object(client, PUT, FailedAttempts(), {}, ObjectProof(3, nonce=nonce))
    if nonce == "n":
        assert (await putting).etag == "encrypted"
    else:
        with pytest.raises(PreconditionFailedError):
            await putting


@pytest.mark.parametrize("look", [refusal(403), TransportError("reset")])
@pytest.mark.parametrize("last", [EXISTS, TransportError("reset"), refusal(502)])
async def test_a_put_whose_key_cannot_be_looked_at_is_unknown(client, store, look, last):
    store.on("PutObject", store.lose, *[last] * 3)
    store.on("HeadObject", *[look] * 9)
    with pytest.raises(CompletionUnknownError, match="bucket/key") as caught:
        await put(client)
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", None)


@pytest.mark.parametrize("looking", [None, refusal(403), TransportError("reset")])
async def test_a_refusal_is_raised_unless_the_key_shows_our_object(client, store, looking):
    store.on("PutObject", *[refusal(500, "InternalError")] * 4)
    if looking is not None:
        store.on("HeadObject", *[looking] * 9)
    with pytest.raises(ResponseError, match="InternalError"):
        await put(client)


@pytest.mark.parametrize("is_lost", [True, False])
async def test_a_put_that_never_succeeded_is_a_success_if_the_key_shows_our_object(client, store, is_lost):
    store.put("key", b"abc", f'"{md5(b"abc")}"')
    store.on("PutObject", *[store.lose if is_lost else refusal(500, "InternalError")] * 4)
    assert await put(client) == Committed(md5(b"abc"), "v2", None, None)


async def test_a_put_without_any_response_or_object_is_a_transport_error(client, store):
    store.on("PutObject", *[TransportError("reset")] * 9)
    failures = FailedAttempts()
    with pytest.raises(TransportError):
        await put(client, failures)
    assert len(failures) == 4


@pytest.mark.parametrize("looking", [refusal(403), TransportError("reset")])
async def test_a_success_without_an_etag_whose_key_cannot_be_looked_at_is_unknown(client, store, looking):
    store.on("PutObject", Response(200, {}))
    store.on("HeadObject", *[looking] * 9)
    with pytest.raises(CompletionUnknownError, match="is this the endpoint of an S3 store"):
        await put(client)


async def test_a_put_that_was_never_sent_needs_no_look(client, store):
    def refused():
        error = TransportError("refused")
        error.was_sent = False
        return error

    store.on("PutObject", *[refused() for _ in range(4)])
    with pytest.raises(TransportError):
        await put(client)
    assert set(store.operations) == {"PutObject"}


async def test_a_success_without_an_etag_or_an_object_is_an_error_of_the_put(client, store):
    store.on("PutObject", Response(200, {}))
    with pytest.raises(ResponseError) as caught:
        await put(client)
    error = caught.value
    assert (error.operation, error.status, error.bucket, error.key) == ("PutObject", 200, "bucket", "key")
