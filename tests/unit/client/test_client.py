"""One operation: signed afresh for every attempt, repaired where that helps, and given up with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from aios3._client.attempt import Attempt
from aios3._client.client import OperationClient
from aios3._client.failed_attempts import FailedAttempts
from aios3._client.signers import OrdinarySigner
from aios3._protocol.operations import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateBucket,
    CreateMultipartUpload,
    GetObject,
    HeadObject,
    ListParts,
    PutObject,
    UploadPart,
)
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._transport.interface import StreamedResponse
from aios3.credentials import Credentials
from aios3.errors import AccessDeniedError, ResponseError, StorageError, TransportError, TransportTimeoutError
from tests.support.fakes import FakeClock, FakeStore, Gate, make_client, refusal, turns

PUT = PutObject("bucket", "key", {"content-type": "video/mp4"}, (b"abc",))
HEAD = HeadObject("bucket", "key")


class Rotating:
    """Credentials that are new each time, and counted."""

    def __init__(self) -> None:
        self.asked = 0

    async def get_credentials(self) -> Credentials:
        self.asked += 1
        return Credentials(f"KEY{self.asked}", "secret", f"token{self.asked}")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> FakeStore:
    return FakeStore(clock)


@pytest.fixture
def client(store: FakeStore, clock: FakeClock) -> OperationClient:
    return make_client(store, clock)


def stale() -> TransportError:
    error = TransportError("closed")
    error.on_reused_connection = True
    return error


async def test_a_success_is_read(client: OperationClient, store: FakeStore) -> None:
    """One request, and what its answer says."""
    committed = await client.run(PUT)
    assert (committed.version_id, store.operations, store.bodies) == ("v1", ["PutObject"], [b"abc"])


async def test_a_clear_refusal_is_raised_at_once(client: OperationClient, store: FakeStore, clock: FakeClock) -> None:
    """Without a second attempt, a wait or a note."""
    store.on("PutObject", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        await client.run(PUT)
    assert (store.operations, clock.slept, hasattr(caught.value, "__notes__")) == (["PutObject"], [], False)


async def test_what_may_pass_is_repeated(client: OperationClient, store: FakeStore, clock: FakeClock) -> None:
    """Byte by byte the same, after waits that grow."""
    store.on("PutObject", refusal(500, "InternalError"), TransportError("reset"), refusal(503, "SlowDown"))
    failures = FailedAttempts()
    await client.run(PUT, log=failures)
    assert store.bodies == [b"abc"] * 4
    assert clock.slept == [0.2, 0.4, 4.0]
    assert [type(failure).__name__ for failure in failures] == ["ResponseError", "TransportError", "ThrottledError"]


async def test_retry_after_is_obeyed(client: OperationClient, store: FakeStore, clock: FakeClock) -> None:
    """As a lower bound of the wait."""
    store.on("PutObject", refusal(503, "SlowDown", retry_after="7"))
    await client.run(PUT)
    assert clock.slept == [7.0]


async def test_attempts_end(client: OperationClient, store: FakeStore) -> None:
    """The last failure is raised, and says how many there were."""
    store.on("PutObject", *[refusal(500, "InternalError")] * 9)
    with pytest.raises(ResponseError) as caught:
        await client.run(PUT)
    assert len(store.sent) == 4
    assert caught.value.__notes__ == ["aios3: gave up after 4 attempts"]


async def test_only_its_own_attempts_are_told(client: OperationClient, store: FakeStore) -> None:
    """Also where several operations share a list of failures."""
    shared = FailedAttempts(failures=[TransportError("of another part")] * 7)
    store.on("PutObject", *[refusal(500, "InternalError")] * 9)
    with pytest.raises(ResponseError) as caught:
        await client.run(PUT, log=shared.begin())
    assert caught.value.__notes__ == ["aios3: gave up after 4 attempts"]
    assert len(shared) == 11


async def test_every_attempt_is_signed_afresh(store: FakeStore, clock: FakeClock) -> None:
    """With the date of its own moment, and credentials that were asked for then."""
    credentials = Rotating()
    store.on("PutObject", refusal(500, "InternalError", retry_after="5"))
    await make_client(store, clock, credentials=credentials).run(PUT)
    first, second = (request.headers for request in store.sent)
    assert (first["x-amz-date"], second["x-amz-date"]) == ("20260504T030201Z", "20260504T030206Z")
    assert "Credential=KEY1/" in first["authorization"]
    assert "Credential=KEY2/" in second["authorization"]
    assert (first["x-amz-security-token"], second["x-amz-security-token"]) == ("token1", "token2")
    assert first["x-amz-content-sha256"] == second["x-amz-content-sha256"]


async def test_without_credentials_nothing_is_signed(client: OperationClient, store: FakeStore) -> None:
    """As for public buckets."""
    await client.run(PUT)
    assert "authorization" not in store.sent[0].headers


@pytest.mark.parametrize(
    ("signing", "body", "expected"),
    [
        ("sha256", (b"abc",), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("unsigned", (b"abc",), "UNSIGNED-PAYLOAD"),
        ("sha256", (), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("unsigned", (), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)
async def test_the_payload_is_signed_as_configured(
    store: FakeStore, clock: FakeClock, signing: Any, body: tuple[bytes, ...], expected: str
) -> None:
    """By its hash or not at all; no body has a hash that costs nothing."""
    client = make_client(store, clock, credentials=Rotating())
    client.payload_signing = signing
    await client.run(PutObject("bucket", "key", {}, body))
    assert store.sent[0].headers["x-amz-content-sha256"] == expected


async def test_a_refused_clock_is_put_right_once(store: FakeStore, clock: FakeClock) -> None:
    """By the answer's date: the next attempt is dated as the store wants it, at once, and so are all later ones."""
    store.skew = timedelta(hours=1)
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed"))
    client = make_client(store, clock, credentials=Rotating(), attempts=1)
    await client.run(PUT)
    await client.run(HEAD)
    assert [request.headers["x-amz-date"] for request in store.sent] == [
        "20260504T030201Z",
        "20260504T040201Z",
        "20260504T040201Z",
    ]
    assert clock.slept == [0.0]
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed"), refusal(403, "RequestTimeTooSkewed"))
    with pytest.raises(ResponseError):
        await client.run(PUT)


async def test_a_clock_that_the_store_does_not_tell_stays(client: OperationClient, store: FakeStore) -> None:
    """There is nothing to correct it by; the repeated attempt is all there is."""
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed", date="nonsense"))
    await client.run(PUT)
    assert client.clock_skew.offset == timedelta()


async def test_expired_credentials_are_replaced_once(store: FakeStore, clock: FakeClock) -> None:
    """By asking again; what is refused then stays refused."""
    credentials = Rotating()
    client = make_client(store, clock, credentials=credentials, attempts=1)
    store.on("PutObject", refusal(400, "ExpiredToken"))
    await client.run(PUT)
    assert credentials.asked == 2
    store.on("PutObject", refusal(400, "ExpiredToken"), refusal(400, "ExpiredToken"))
    with pytest.raises(ResponseError):
        await client.run(PUT)
    assert credentials.asked == 4


class Kept(Rotating):
    """Credentials that stay until they are said to be no good."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: Credentials | None = None
        self.refused: list[str] = []

    async def get_credentials(self) -> Credentials:
        if self.kept is None:
            self.kept = await super().get_credentials()
        return self.kept

    def invalidate(self, credentials: Credentials) -> None:
        self.refused.append(credentials.access_key_id)
        if self.kept == credentials:
            self.kept = None


async def test_a_source_that_keeps_credentials_is_told_that_they_expired(store: FakeStore, clock: FakeClock) -> None:
    """Otherwise it would give the same again."""
    credentials = Kept()
    store.on("PutObject", refusal(400, "ExpiredToken"))
    await make_client(store, clock, credentials=credentials).run(PUT)
    assert (credentials.refused, credentials.asked) == (["KEY1"], 2)


async def test_requests_refused_together_have_credentials_replaced_once(store: FakeStore, clock: FakeClock) -> None:
    """Each says what it was itself signed with: the fresh ones are not thrown away."""
    credentials, gate = Kept(), Gate(answer=refusal(400, "ExpiredToken"))
    client = make_client(store, clock, credentials=credentials)
    store.on("PutObject", refusal(400, "ExpiredToken"))
    store.on("HeadObject", gate)
    store.put("key", b"abc")
    late = asyncio.create_task(client.run(HEAD))
    await turns()
    await client.run(PUT)
    gate.opened.set()
    await late
    assert (credentials.refused, credentials.asked) == (["KEY1", "KEY1"], 2)


async def test_repairs_are_not_counted_as_attempts(client: OperationClient, store: FakeStore, clock: FakeClock) -> None:
    """All of them and all attempts fit into one request."""
    store.on(
        "PutObject",
        stale(),
        refusal(403, "RequestTimeTooSkewed"),
        refusal(400, "ExpiredToken"),
        *[refusal(500, "InternalError")] * 3,
    )
    await client.run(PUT)
    assert len(store.sent) == 7
    assert clock.slept == [0.0, 0.0, 0.0, 0.2, 0.4, 0.8]


async def test_an_empty_budget_ends_retries(store: FakeStore, clock: FakeClock) -> None:
    """Of all requests of the driver, but for repairs and for clean-up."""
    client = make_client(store, clock, budget=7)
    store.on("PutObject", *[refusal(500, "InternalError")] * 2)
    with pytest.raises(ResponseError):
        await client.run(PUT)
    assert client.budget.tokens == pytest.approx(2, abs=0.1)  # the wait has given a little back
    store.on("PutObject", stale())
    await client.run(PUT)
    store.on("PutObject", refusal(500, "InternalError"))
    await client.run(PUT, is_cleanup=True)


@pytest.mark.parametrize(("allowed", "made"), [(1, 6), (6, 6), (8, 8)])
async def test_clean_up_has_the_default_number_of_attempts_at_least(
    store: FakeStore, clock: FakeClock, allowed: int, made: int
) -> None:
    """However few the caller's policy allows to a transfer."""
    client = make_client(store, clock, attempts=allowed)
    store.on("PutObject", *[refusal(500, "InternalError")] * 9)
    with pytest.raises(ResponseError):
        await client.run(PUT, is_cleanup=True)
    assert len(store.sent) == made


async def test_a_timeout_costs_more_and_a_success_gives_back(store: FakeStore, clock: FakeClock) -> None:
    """Ten tokens, and one."""
    client = make_client(store, clock, budget=100)
    store.on("PutObject", TransportTimeoutError("slow"))
    await client.run(PUT)
    assert client.budget.tokens == pytest.approx(91, abs=0.5)
    await client.run(HEAD)
    assert client.budget.tokens == pytest.approx(92, abs=0.5)


async def test_the_answers_time_is_the_operations_own(store: FakeStore, clock: FakeClock) -> None:
    """The transport is told how long to wait for a slow answer."""
    told: list[float | None] = []

    class Listening(FakeStore):
        async def send(self, request: Request, *, read_timeout: float | None = None) -> Response:
            told.append(read_timeout)
            return await super().send(request)

    client = make_client(Listening(clock), clock)
    await client.run(PUT, read_timeout=300.0)
    await client.run(PUT)
    assert told == [300.0, None]


async def test_a_shield_awaits_every_attempt_but_no_wait(store: FakeStore, clock: FakeClock) -> None:
    """Who must see the end of an attempt runs it elsewhere."""
    client = make_client(store, clock)
    seen: list[Attempt[Any]] = []

    async def shield(attempt: Coroutine[Any, Any, Attempt[Any]]) -> Attempt[Any]:
        seen.append(await attempt)
        return seen[-1]

    store.on("PutObject", refusal(500, "InternalError"))
    committed = await client.run(PUT, shield=shield)
    assert [attempt.failure is None for attempt in seen] == [False, True]
    assert seen[0].response is not None
    assert seen[0].response.status == 500
    assert seen[1].unwrap() == committed


async def test_an_error_of_the_credentials_is_the_callers_own(store: FakeStore, clock: FakeClock) -> None:
    """It passes unchanged, and nothing is sent."""

    class Broken:
        async def get_credentials(self) -> Credentials:
            raise LookupError("no keys here")

    with pytest.raises(LookupError, match="no keys here"):
        await make_client(store, clock, credentials=Broken()).run(PUT)
    assert store.sent == []


async def test_a_cancellation_passes(client: OperationClient, store: FakeStore) -> None:
    """It is no failure to be repeated."""
    forever = asyncio.Event()

    async def never(request: Request) -> None:
        await forever.wait()

    store.on("PutObject", never)
    running = asyncio.create_task(client.run(PUT))
    await turns(5)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert len(store.sent) == 1


async def test_the_body_is_the_parts_own(client: OperationClient, store: FakeStore) -> None:
    """Slices are handed on as they are, never joined."""
    body = (bytearray(b"ab"), memoryview(b"cd"))
    await client.run(PutObject("bucket", "key", {}, body))
    assert store.sent[0].body is body


async def test_moments_are_told_by_the_stores_clock(
    client: OperationClient, store: FakeStore, clock: FakeClock
) -> None:
    """By its last answer, else by what it once corrected."""
    moment = clock.moment
    client.clock_skew.offset = timedelta(seconds=5)
    assert client.clock_skew.to_server_time(moment) == moment + timedelta(seconds=5)
    store.skew = timedelta(minutes=-3)
    await client.run(PUT)
    clock.advance(100)
    assert client.clock_skew.to_server_time(moment) == moment - timedelta(minutes=3)
    store.on("PutObject", Response(200, {"date": "nonsense"}))
    await client.run(PUT)
    assert client.clock_skew.to_server_time(moment) == moment + timedelta(seconds=5)


async def test_an_answer_without_a_date_changes_nothing(clock: FakeClock) -> None:
    """The one before it still tells the time."""

    class Dateless(FakeStore):
        async def send(self, request: Request, *, read_timeout: float | None = None) -> Response:
            response = await super().send(request)
            return Response(response.status, {"etag": "e"}, response.body)

    store = Dateless(clock)
    client = make_client(store, clock)
    await client.run(PUT)
    assert client.clock_skew.to_server_time(clock.moment) == clock.moment


async def test_an_answer_is_opened_and_read_as_it_comes(store: FakeStore, clock: FakeClock) -> None:
    """Signed, in chunks of the size that was asked for."""
    store.on("GetObject", Response(200, {"content-length": "5"}, b"abcde"))
    client = make_client(store, clock, credentials=Rotating())
    async with client.open(GetObject("bucket", "key"), chunk_size=2) as answer:
        assert [chunk async for chunk in answer.chunks] == [b"ab", b"cd", b"e"]
    assert "authorization" in store.sent[0].headers


async def test_opening_is_repeated_until_it_is_answered(client: OperationClient, store: FakeStore) -> None:
    """As any request; what comes after the head is the caller's to repeat."""
    answer = Response(200, {"content-length": "1"}, b"a")
    store.on("GetObject", refusal(503, "SlowDown"), TransportError("reset"), answer)
    async with client.open(GetObject("bucket", "key"), chunk_size=2) as opened:
        assert (await opened.read()).body == b"a"
    assert len(store.sent) == 3


async def test_a_refused_opening_is_raised(client: OperationClient, store: FakeStore) -> None:
    """With the store's words, which its body holds."""
    store.on("GetObject", refusal(404, "NoSuchKey"))
    with pytest.raises(StorageError, match="404 NoSuchKey"):
        async with client.open(GetObject("bucket", "key"), chunk_size=2):
            raise AssertionError("must not be entered")


async def test_parts_are_operations_too(client: OperationClient, store: FakeStore) -> None:
    """A part's answer without an ETag is repeated: nothing could be committed with it."""
    store.open_upload("id")
    store.on("UploadPart", Response(200, {}))
    answer = await client.run(UploadPart("bucket", "key", "id", 1, (b"abc",), {}))
    assert answer.etag == '"900150983cd24fb0d6963f7d28e17f72"'
    assert len(store.sent) == 2


@pytest.mark.parametrize("operation", [PUT, UploadPart("bucket", "key", "id", 1, (b"abc",), {})], ids=["put", "part"])
async def test_while_the_store_throttles_requests_are_paced(
    store: FakeStore, clock: FakeClock, operation: PutObject | UploadPart
) -> None:
    """Parts and puts over all uploads, the refused one among them; what begins or ends an upload never waits."""
    client, name = make_client(store, clock), operation.name
    store.open_upload("id")
    throttled, *slow = Gate(answer=refusal(503, "SlowDown")), Gate(), Gate()
    store.on(name, throttled, *slow)
    sending = [asyncio.create_task(client.run(operation)) for _ in range(3)]
    await slow[1].entered.wait()
    clock.advance(0.3)
    throttled.opened.set()
    await turns(50)
    assert clock.slept == [pytest.approx(0.2)]  # three in flight for 0.3 s, and half of that
    assert len(store.requests(name)) == 3  # two are still on their way, which is enough
    for overtaking in (
        CreateMultipartUpload("bucket", "key", {}),
        HEAD,
        ListParts("bucket", "key", "other"),
        CompleteMultipartUpload("bucket", "key", "other", [(1, '"e"', None)], None, {}),
        AbortMultipartUpload("bucket", "key", "other", {}),
    ):
        ending = asyncio.create_task(client.run(overtaking))
        await turns(20)
        assert ending.done(), overtaking.name
        ending.exception()  # not all of them find what they ask for
    assert client.limiter._charged == 4
    for gate in slow:
        gate.opened.set()
    await asyncio.wait(sending)
    assert len(store.requests(name)) == 4
    assert client.limiter.in_flight == 0


async def test_a_crowd_that_is_refused_takes_from_the_budget_once(store: FakeStore, clock: FakeClock) -> None:
    """It is one sign of overload; and none of it fails while it comes through in the end."""
    client = make_client(store, clock)
    gates = [Gate(answer=refusal(503, "SlowDown")) for _ in range(150)]
    store.on("PutObject", *gates)
    sending = [asyncio.create_task(client.run(PUT)) for _ in gates]
    await gates[-1].entered.wait()
    clock.advance(0.1)
    before = client.budget.tokens
    for gate in gates:
        gate.opened.set()
    await turns(5)
    assert client.budget.tokens >= before - 5
    await asyncio.gather(*sending)
    assert len(store.sent) == 300


def regional(region: str) -> Endpoint:
    return Endpoint.parse(f"http://{region}.test", "path")


@pytest.mark.parametrize(
    "answer",
    [
        refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"),
        refusal(307, "TemporaryRedirect", x_amz_bucket_region="eu-west-1"),
        refusal(400, "AuthorizationHeaderMalformed", x_amz_bucket_region="eu-west-1"),
    ],
    ids=["301", "307", "400"],
)
@pytest.mark.parametrize("has_regions", [True, False])
async def test_a_region_that_is_named_is_remembered_for_its_bucket(
    store: FakeStore, clock: FakeClock, answer: Response, has_regions: bool
) -> None:
    """Requests are signed for it, and go to its endpoint if there is one; no redirect is followed otherwise."""
    client = make_client(store, clock, credentials=Rotating(), attempts=1)
    client.regional_endpoint = regional if has_regions else None
    store.on("PutObject", answer)
    if answer.status < 400 and not has_regions:
        with pytest.raises(ResponseError):
            await client.run(PUT)
        return
    await client.run(PUT)
    assert (client.region_of("bucket"), client.region_of("other")) == ("eu-west-1", "us-east-1")
    assert client.endpoint_of("bucket") == (regional("eu-west-1") if has_regions else client.endpoint)
    assert client.endpoint_of("other") == client.endpoint
    assert [request.host for request in store.sent] == ["store.test", "eu-west-1.test" if has_regions else "store.test"]
    assert ["/eu-west-1/s3/" in request.headers["authorization"] for request in store.sent] == [False, True]


async def test_a_region_is_read_from_the_host_of_a_redirect(store: FakeStore, clock: FakeClock) -> None:
    """With the bucket that may stand before it; the host itself is never asked."""
    asked: list[tuple[str, str | None]] = []

    def region_of_host(host: str, bucket: str | None) -> str:
        asked.append((host, bucket))
        return "eu-west-1"

    client = make_client(store, clock, credentials=Rotating())
    client.regional_endpoint, client.region_of_host = regional, region_of_host
    store.on("PutObject", refusal(307, "TemporaryRedirect", location="http://bucket.elsewhere.test/key"))
    await client.run(PUT)
    assert asked == [("bucket.elsewhere.test", "bucket")]
    assert [request.host for request in store.sent] == ["store.test", "eu-west-1.test"]


async def test_the_region_that_was_asked_is_no_other(store: FakeStore, clock: FakeClock) -> None:
    """An answer that names it again changes nothing."""
    client = make_client(store, clock, credentials=Rotating())
    client.regional_endpoint = regional
    store.on("PutObject", refusal(301, "PermanentRedirect", x_amz_bucket_region="us-east-1"))
    with pytest.raises(ResponseError):
        await client.run(PUT)
    assert len(store.sent) == 1


async def test_what_is_in_a_bucket_may_have_another_endpoint(client: OperationClient, store: FakeStore) -> None:
    """Which depends on the bucket and its region; making a bucket goes where buckets are made."""
    client.data_endpoint = lambda bucket, region: Endpoint.parse(f"http://{bucket}.{region}.test", "path")
    store.on("CreateBucket", Response(200, {}))
    await client.run(PUT)
    await client.run(CreateBucket("bucket", None))
    assert [request.host for request in store.sent] == ["bucket.us-east-1.test", "store.test"]
    assert client.endpoint_of(None) == client.endpoint


class Feed:
    """A body that is made while it is sent; here it is nothing but whether it can be sent again."""

    def __init__(self, *, again: bool) -> None:
        self.again = again

    def rewind(self) -> bool:
        return self.again


class Streaming(FakeStore):
    """Takes streamed bodies, and notes them and how long it was to wait."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.streamed: list[tuple[object, float | None]] = []

    async def send_stream(self, request: Request, body: object, *, read_timeout: float | None = None) -> Response:
        self.streamed.append((body, read_timeout))
        return await self.send(request)


@pytest.mark.parametrize(
    "operation", [PutObject("bucket", "key", {}, ()), UploadPart("bucket", "key", "id", 1, (), {})]
)
async def test_a_streamed_body_goes_again_if_it_can_be_rewound(
    clock: FakeClock, operation: PutObject | UploadPart
) -> None:
    """Unsigned, and with the patience that was asked for; else the first failure is the last."""
    store, again, once = Streaming(clock), Feed(again=True), Feed(again=False)
    store.open_upload("id")
    client = make_client(store, clock, credentials=Rotating())
    store.on(operation.name, refusal(500, "InternalError"))
    await client.run(operation, feed=again, read_timeout=7.0)  # type: ignore[arg-type]
    assert store.streamed == [(again, 7.0)] * 2
    assert {request.headers["x-amz-content-sha256"] for request in store.sent} == {"UNSIGNED-PAYLOAD"}
    store.on(operation.name, refusal(500, "InternalError"))
    with pytest.raises(ResponseError):
        await client.run(operation, feed=once)  # type: ignore[arg-type]
    assert store.streamed[2:] == [(once, None)]


async def test_two_attempts_are_told_too(store: FakeStore, clock: FakeClock) -> None:
    """Everything beyond one is."""
    store.on("PutObject", *[refusal(500, "InternalError")] * 2)
    with pytest.raises(ResponseError) as caught:
        await make_client(store, clock, attempts=2).run(PUT)
    assert caught.value.__notes__ == ["aios3: gave up after 2 attempts"]


async def test_every_kind_of_request_may_have_its_own_patience(clock: FakeClock) -> None:
    """Also those that the limiter lets through."""
    told: list[float | None] = []

    class Listening(FakeStore):
        async def send(self, request: Request, *, read_timeout: float | None = None) -> Response:
            told.append(read_timeout)
            return await super().send(request)

    store = Listening(clock)
    store.put("key", b"abc")
    await make_client(store, clock).run(HEAD, read_timeout=9.0)
    assert told == [9.0]


async def test_keys_are_asked_for_and_refused_by_operation(store: FakeStore, clock: FakeClock) -> None:
    """A signer may have others for every bucket."""
    seen: list[tuple[str, object]] = []

    class Watching(OrdinarySigner):
        async def keys_for(self, operation: Any) -> Credentials | None:
            seen.append(("asked", operation))
            return await super().keys_for(operation)

        def refused(self, operation: Any, keys: Credentials) -> None:
            seen.append((keys.access_key_id, operation))

    client = make_client(store, clock, credentials=Rotating())
    client.signer = Watching(client.credentials)
    get = GetObject("bucket", "key")
    for operation, answer in ((PUT, None), (get, Response(200, {"content-length": "1"}, b"a"))):
        store.on(operation.name, refusal(400, "ExpiredToken"), *([answer] if answer else []))
    await client.run(PUT)
    async with client.open(get, chunk_size=2):
        pass
    assert seen == [("asked", PUT), ("KEY1", PUT), ("asked", PUT), ("asked", get), ("KEY3", get), ("asked", get)]


async def test_an_opening_puts_the_clock_right(store: FakeStore, clock: FakeClock) -> None:
    """By the date of the refusal."""
    store.skew = timedelta(hours=1)
    store.on("GetObject", refusal(403, "RequestTimeTooSkewed"), Response(200, {"content-length": "1"}, b"a"))
    async with make_client(store, clock, credentials=Rotating()).open(GetObject("bucket", "key"), chunk_size=2):
        pass
    assert [request.headers["x-amz-date"] for request in store.sent] == ["20260504T030201Z", "20260504T040201Z"]


async def test_a_redirected_opening_is_raised_with_the_stores_words(client: OperationClient, store: FakeStore) -> None:
    """They are in its body, which is read although it is no refusal."""
    store.on("GetObject", refusal(300, "MultipleChoices"))
    with pytest.raises(ResponseError, match="300 MultipleChoices"):
        async with client.open(GetObject("bucket", "key"), chunk_size=2):
            raise AssertionError("must not be entered")


async def test_a_region_that_was_learnt_counts(store: FakeStore, clock: FakeClock) -> None:
    """For what is in the bucket, for the scope of every signature, and where it is named again."""
    scopes: list[tuple[object, str]] = []

    class Watching(OrdinarySigner):
        def scope_for(self, operation: Any, region: str) -> Any:
            scopes.append((operation, region))
            return super().scope_for(operation, region)

    client = make_client(store, clock, credentials=Rotating())
    client.signer = Watching(client.credentials)
    client.regional_endpoint = regional
    client.data_endpoint = lambda bucket, region: Endpoint.parse(f"http://{bucket}.{region}.test", "path")
    store.on("PutObject", refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"))
    await client.run(PUT)
    assert [request.host for request in store.sent] == ["bucket.us-east-1.test", "bucket.eu-west-1.test"]
    assert scopes == [(PUT, "us-east-1"), (PUT, "eu-west-1")]
    store.on("PutObject", refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"))
    with pytest.raises(ResponseError):
        await client.run(PUT)
    assert len(store.sent) == 3


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("reads_hosts", [True, False])
async def test_the_host_of_a_redirect_is_read_where_its_pattern_is_known(
    store: FakeStore, clock: FakeClock, status: int, reads_hosts: bool
) -> None:
    """Otherwise the redirect is the answer."""
    client = make_client(store, clock, credentials=Rotating())
    client.regional_endpoint = regional
    client.region_of_host = (lambda host, bucket: "eu-west-1") if reads_hosts else None
    store.on("PutObject", refusal(status, "Redirect", location="http://bucket.elsewhere.test/key"))
    if reads_hosts:
        await client.run(PUT)
    else:
        with pytest.raises(ResponseError, match=f"{status} Redirect"):
            await client.run(PUT)
    assert len(store.sent) == 1 + reads_hosts


async def test_each_repair_leaves_the_rest_alone(store: FakeStore, clock: FakeClock) -> None:
    """A wrong clock is no reason for new credentials, nor expired ones for another clock."""
    store.skew = timedelta(hours=1)
    credentials = Kept()
    client = make_client(store, clock, credentials=credentials)
    store.on("PutObject", refusal(400, "ExpiredToken"))
    await client.run(PUT)
    assert (credentials.refused, client.clock_skew.offset) == (["KEY1"], timedelta())
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed"))
    await client.run(PUT)
    assert (credentials.refused, client.clock_skew.offset) == (["KEY1"], timedelta(hours=1))


async def test_a_region_that_is_named_beside_another_trouble_is_not_learnt(store: FakeStore, clock: FakeClock) -> None:
    """Stores name it in many answers; only what the refusal is about is put right."""
    store.skew = timedelta(hours=1)
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed", x_amz_bucket_region="eu-west-1"))
    client = make_client(store, clock, credentials=Rotating(), attempts=1)
    client.regional_endpoint = regional
    await client.run(PUT)
    assert (client.region_of("bucket"), client.clock_skew.offset) == ("us-east-1", timedelta(hours=1))
    assert [request.host for request in store.sent] == ["store.test"] * 2


async def test_no_region_is_read_from_a_host_that_no_redirect_names(store: FakeStore, clock: FakeClock) -> None:
    """A refusal that mentions one is a refusal."""
    client = make_client(store, clock, credentials=Rotating())
    client.regional_endpoint, client.region_of_host = regional, lambda host, bucket: "eu-west-1"
    store.on("PutObject", refusal(400, "AuthorizationHeaderMalformed", location="http://bucket.elsewhere.test/key"))
    with pytest.raises(ResponseError, match="400 AuthorizationHeaderMalformed"):
        await client.run(PUT)
    assert len(store.sent) == 1


GET = GetObject("bucket", "key")
FOUND = Response(200, {"content-length": "1"}, b"a")


async def test_an_opening_that_was_refused_holds_no_connection(clock: FakeClock) -> None:
    """It is given back before the next attempt, and the last one when the answer has been used."""
    held: list[int] = []

    class Counting(FakeStore):
        opened = 0

        @asynccontextmanager
        async def open(self, request: Request, *, chunk_size: int) -> AsyncIterator[StreamedResponse]:
            self.opened += 1
            held.append(self.opened)
            async with super().open(request, chunk_size=chunk_size) as answer:
                yield answer
            self.opened -= 1

    store = Counting(clock)
    store.on("GetObject", refusal(503, "SlowDown"), FOUND)
    async with make_client(store, clock).open(GET, chunk_size=2):
        pass
    assert (held, store.opened) == ([1, 1], 0)


async def test_an_opening_spends_the_retry_budget_and_fills_it(client: OperationClient, store: FakeStore) -> None:
    """Like any request that is no clean-up."""
    client.budget.take(500)
    for tokens in (1, 2):
        store.on("GetObject", FOUND)
        async with client.open(GET, chunk_size=2):
            assert client.budget.tokens == tokens
    store.on("GetObject", refusal(503, "SlowDown"))
    with pytest.raises(StorageError, match="503 SlowDown"):
        async with client.open(GET, chunk_size=2):
            raise AssertionError("must not be entered")


async def test_an_opening_puts_the_clock_right_only_once(store: FakeStore, clock: FakeClock) -> None:
    """A second refusal of it is the end."""
    store.on("GetObject", *[refusal(403, "RequestTimeTooSkewed")] * 3)
    with pytest.raises(ResponseError):
        async with make_client(store, clock, attempts=1).open(GET, chunk_size=2):
            raise AssertionError("must not be entered")
    assert len(store.sent) == 2
