"""One PutObject, and whether a refusal is our own success."""

from __future__ import annotations

import pytest

from aios3._client.client import OperationClient
from aios3._client.failed_attempts import FailedAttempts
from aios3._protocol.operations import PutObject
from aios3._protocol.wire.messages import Response
from aios3._upload.put.put_object import put_object
from aios3._upload.shared.ownership import ObjectProof
from aios3.errors import CompletionUnknownError, PreconditionFailedError, ResponseError, TransportError
from tests.support.fakes import FakeClock, FakeStore, make_client, md5, refusal

PUT = PutObject("bucket", "key", {"if-none-match": "*"}, (b"ab", bytearray(b"c")))
EXISTS = refusal(412, "PreconditionFailed")
EVIDENCE = ObjectProof(3)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(FakeClock())


@pytest.fixture
def client(store: FakeStore) -> OperationClient:
    return make_client(store, store._clock)


async def put(client: OperationClient, failures: FailedAttempts | None = None) -> object:
    return await put_object(client, PUT, FailedAttempts() if failures is None else failures, {"x-head": "h"}, EVIDENCE)


async def test_a_put_is_one_request(client: OperationClient, store: FakeStore) -> None:
    """What the store says of it comes back."""
    committed = await put_object(client, PUT, FailedAttempts(), {}, EVIDENCE)
    assert (committed.etag, committed.version_id) == (f'"{md5(b"abc")}"', "v1")
    assert store.operations == ["PutObject"]


async def test_an_object_that_was_there_is_refused(client: OperationClient, store: FakeStore) -> None:
    """Without a look: every attempt was answered."""
    store.on("PutObject", EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put(client)
    assert store.operations == ["PutObject"]


async def test_a_failure_of_another_request_proves_nothing(client: OperationClient, store: FakeStore) -> None:
    """Only this request's own lost answers count."""
    store.on("PutObject", EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put(client, FailedAttempts(failures=[TransportError("of another request")]))
    assert store.operations == ["PutObject"]


async def test_our_own_object_is_no_obstacle(client: OperationClient, store: FakeStore) -> None:
    """The answer to the first attempt was lost, the second one meets what the first one made."""
    store.on("PutObject", store.lose, EXISTS)
    committed = await put_object(client, PUT, FailedAttempts(), {"x-head": "h"}, EVIDENCE)
    assert (committed.etag, committed.version_id) == (md5(b"abc"), "v2")
    assert store.requests("HeadObject")[0].headers == {"x-head": "h"}


async def test_our_own_object_is_known_also_by_a_slow_store_with_a_wrong_clock(store: FakeStore) -> None:
    """Its answers are too slow to tell its time, but none can be older than the object."""
    clock = store._clock
    head = {"content-length": "3", "etag": f'"{md5(b"abc")}"'}

    def answer(status: int, headers: dict[str, str]) -> Response:
        clock.advance(5)
        theirs = {"date": "Mon, 04 May 2026 03:00:05 GMT", "last-modified": "Mon, 04 May 2026 03:00:01 GMT"}
        return Response(status, headers | theirs)

    store.on("PutObject", lambda _: answer(200, {}))
    store.on("HeadObject", lambda _: answer(200, head))
    log = FailedAttempts(began_at=clock().monotonic())
    committed = await put_object(make_client(store, clock), PUT, log, {}, EVIDENCE)
    assert committed.etag == md5(b"abc")


async def test_somebody_elses_object_is_an_obstacle(client: OperationClient, store: FakeStore) -> None:
    """It has other bytes."""
    store.put("key", b"abd", f'"{md5(b"abd")}"')
    store.on("PutObject", TransportError("reset"), EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put(client)


async def test_a_nonce_says_whose_object_it_is(client: OperationClient, store: FakeStore) -> None:
    """Whatever its ETag is; and an object of the same bytes, but with another nonce, is not ours."""
    head = {"content-length": "3", "etag": '"encrypted"', "x-amz-meta-aios3-nonce": "n"}
    for nonce in ("n", "another"):
        store.on("PutObject", TransportError("reset"), EXISTS)
        store.on("HeadObject", Response(200, head))
        put = put_object(client, PUT, FailedAttempts(), {}, ObjectProof(3, nonce=nonce))
        if nonce == "n":
            assert (await put).etag == "encrypted"
        else:
            with pytest.raises(PreconditionFailedError):
                await put


async def test_a_key_that_holds_nothing_was_not_put(client: OperationClient, store: FakeStore) -> None:
    """The refusal stands."""
    store.on("PutObject", TransportError("reset"), EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put(client)
    assert store.operations[-1] == "HeadObject"


@pytest.mark.parametrize("answer", [refusal(403), TransportError("reset")])
@pytest.mark.parametrize("last", [EXISTS, TransportError("reset"), refusal(502)])
async def test_what_cannot_be_looked_at_is_unknown(
    client: OperationClient, store: FakeStore, answer: Response | Exception, last: Response | Exception
) -> None:
    """An answer was lost: it may have been a success."""
    store.on("PutObject", store.lose, *[last] * 3)
    store.on("HeadObject", *[answer] * 9)
    with pytest.raises(CompletionUnknownError, match="bucket/key"):
        await put(client)


async def test_a_lost_success_is_a_success(client: OperationClient, store: FakeStore) -> None:
    """The key shows it, although no attempt was ever answered."""
    store.on("PutObject", *[store.lose] * 4)
    committed = await put_object(client, PUT, FailedAttempts(), {}, EVIDENCE)
    assert committed.etag == md5(b"abc")


@pytest.mark.parametrize("looking", [None, refusal(403), TransportError("reset")])
async def test_a_store_that_says_no_is_believed(
    client: OperationClient, store: FakeStore, looking: Response | Exception | None
) -> None:
    """Unless the key shows otherwise."""
    store.on("PutObject", *[refusal(500, "InternalError")] * 4)
    if looking is not None:
        store.on("HeadObject", *[looking] * 9)
    with pytest.raises(ResponseError, match="InternalError"):
        await put(client)


async def test_a_store_that_says_no_and_has_it_is_not_believed(client: OperationClient, store: FakeStore) -> None:
    """The key holds these bytes, and that is what was asked for."""
    store.put("key", b"abc", f'"{md5(b"abc")}"')
    store.on("PutObject", *[refusal(500, "InternalError")] * 4)
    committed = await put_object(client, PUT, FailedAttempts(), {}, EVIDENCE)
    assert committed.etag == md5(b"abc")


async def test_the_same_bytes_from_before_are_no_success(client: OperationClient, store: FakeStore) -> None:
    """They may have other metadata: what was asked for has not been done."""
    store.put("key", b"abc", f'"{md5(b"abc")}"')
    store._clock.advance(3600)
    store.on("PutObject", TransportError("reset"), EXISTS)
    with pytest.raises(PreconditionFailedError):
        await put_object(client, PUT, FailedAttempts(3600.0), {}, EVIDENCE)


@pytest.mark.parametrize("looking", [refusal(403), TransportError("reset")])
async def test_a_success_without_an_etag_that_cannot_be_looked_at_is_unknown(
    client: OperationClient, store: FakeStore, looking: Response | Exception
) -> None:
    """A store, or something in between, has said that it was stored."""
    store.on("PutObject", Response(200, {}))
    store.on("HeadObject", *[looking] * 9)
    with pytest.raises(CompletionUnknownError, match="is this the endpoint of an S3 store"):
        await put(client)


async def test_what_was_never_sent_needs_no_look(client: OperationClient, store: FakeStore) -> None:
    """There was no connection to send it on."""

    def refused() -> TransportError:
        error = TransportError("refused")
        error.was_sent = False
        return error

    store.on("PutObject", *[refused() for _ in range(4)])
    with pytest.raises(TransportError):
        await put(client)
    assert set(store.operations) == {"PutObject"}


async def test_a_store_without_an_answer_is_an_error(client: OperationClient, store: FakeStore) -> None:
    """Of the transport."""
    store.on("PutObject", *[TransportError("reset")] * 9)
    failures = FailedAttempts()
    with pytest.raises(TransportError):
        await put(client, failures)
    assert len(failures) == 4


async def test_an_unknown_outcome_names_the_object(client: OperationClient, store: FakeStore) -> None:
    """Its caller has to look at it."""
    store.on("PutObject", store.lose, EXISTS)
    store.on("HeadObject", refusal(403, "AccessDenied"))
    with pytest.raises(CompletionUnknownError) as caught:
        await put(client)
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", None)


async def test_a_success_that_proves_nothing_names_the_object(client: OperationClient, store: FakeStore) -> None:
    """And the operation."""
    store.on("PutObject", Response(200, {}))
    with pytest.raises(ResponseError) as caught:
        await put(client)
    error = caught.value
    assert (error.operation, error.status, error.bucket, error.key) == ("PutObject", 200, "bucket", "key")


async def test_what_a_look_shows_of_the_checksum_is_told(client: OperationClient, store: FakeStore) -> None:
    """As an answer would have."""
    store.on("PutObject", store.lose, EXISTS)
    shown = {"content-length": "3", "etag": f'"{md5(b"abc")}"', "x-amz-checksum-crc32": "NSRBwg=="}
    store.on("HeadObject", Response(200, shown))
    committed = await put_object(client, PUT, FailedAttempts(), {}, EVIDENCE)
    assert committed.checksum == "NSRBwg=="
