"""One operation: signed afresh for every attempt, repaired where that helps, and given up with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from aios3._client.attempts import Attempt, FailedAttempts
from aios3._client.client import OperationClient
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
GET = GetObject("bucket", "key")
FOUND = Response(200, {"content-length": "1"}, b"a")
SKEWED = refusal(403, "RequestTimeTooSkewed")
EXPIRED = refusal(400, "ExpiredToken")


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


@pytest.fixture
def signing(store: FakeStore, clock: FakeClock) -> OperationClient:
    """A client with new keys for each attempt, and one attempt for each request."""
    return make_client(store, clock, credentials=Rotating(), attempts=1)


async def open_and_read(client: OperationClient) -> bytes:
    async with client.open(GET, chunk_size=2) as opened:
        return (await opened.read()).body


def dates(store: FakeStore) -> list[str]:
    return [request.headers["x-amz-date"] for request in store.sent]


def stale() -> TransportError:
    error = TransportError("closed")
    error.on_reused_connection = True
    return error


async def test_a_success_is_read_and_the_body_handed_on_unjoined(client, store):
    body = (bytearray(b"ab"), memoryview(b"cd"))
    committed = await client.run(PutObject("bucket", "key", {}, body))
    assert (committed.version_id, store.operations, store.bodies) == ("v1", ["PutObject"], [b"abcd"])
    assert store.sent[0].body is body


async def test_a_clear_refusal_is_raised_at_once(client: OperationClient, store: FakeStore, clock: FakeClock) -> None:
    store.on("PutObject", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError) as caught:
        await client.run(PUT)
    assert (store.operations, clock.slept, hasattr(caught.value, "__notes__")) == (["PutObject"], [], False)


async def test_a_passing_failure_is_repeated_byte_by_byte_after_growing_waits(client, store, clock):
    """Retry-After is a lower bound of the wait."""
    slow_down = refusal(503, "SlowDown", retry_after="7")
    store.on("PutObject", refusal(500, "InternalError"), TransportError("reset"), slow_down)
    failures = FailedAttempts()
    await client.run(PUT, log=failures)
    assert store.bodies == [b"abc"] * 4
    assert clock.slept == [0.2, 0.4, 7.0]
    assert [type(failure).__name__ for failure in failures] == ["ResponseError", "TransportError", "ThrottledError"]


@pytest.mark.parametrize("attempts", [2, 4])
async def test_attempts_end(store, clock, attempts):
    """The note counts the attempts of this operation only, although several share a log."""
    shared = FailedAttempts(failures=[TransportError("of another part")] * 7)
    store.on("PutObject", *[refusal(500, "InternalError")] * 9)
    with pytest.raises(ResponseError) as caught:
        await make_client(store, clock, attempts=attempts).run(PUT, log=shared.begin())
    assert len(store.sent) == attempts
    assert caught.value.__notes__ == [f"aios3: gave up after {attempts} attempts"]
    assert len(shared) == 7 + attempts


async def test_every_attempt_is_signed_afresh(store: FakeStore, clock: FakeClock) -> None:
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
async def test_the_payload_is_signed_as_configured(store, clock, signing, body, expected):
    """By its hash or not at all; no body has a hash that costs nothing."""
    client = make_client(store, clock, credentials=Rotating())
    client.payload_signing = signing
    await client.run(PutObject("bucket", "key", {}, body))
    assert store.sent[0].headers["x-amz-content-sha256"] == expected


async def test_a_refused_clock_is_put_right_once(signing, store, clock):
    """By the date of the response, at once and for all later requests. A region beside that refusal is not learnt."""
    signing.regional_endpoint = regional
    store.skew = timedelta(hours=1)
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed", x_amz_bucket_region="eu-west-1"))
    await signing.run(PUT)
    await signing.run(HEAD)
    assert dates(store) == ["20260504T030201Z", "20260504T040201Z", "20260504T040201Z"]
    assert clock.slept == [0.0]
    assert {request.host for request in store.sent} == {"store.test"}
    store.on("PutObject", SKEWED, SKEWED)
    with pytest.raises(ResponseError):
        await signing.run(PUT)


async def test_an_opening_corrects_a_refused_clock_once(signing, store):
    store.skew = timedelta(hours=1)
    store.on("GetObject", SKEWED, FOUND)
    await open_and_read(signing)
    assert dates(store) == ["20260504T030201Z", "20260504T040201Z"]
    store.on("GetObject", SKEWED, SKEWED)
    with pytest.raises(ResponseError):
        await open_and_read(signing)
    assert len(store.sent) == 4


async def test_a_refused_clock_without_a_date_is_repeated_uncorrected(client, store):
    store.on("PutObject", refusal(403, "RequestTimeTooSkewed", date="nonsense"))
    await client.run(PUT)
    assert client.clock_skew.offset == timedelta()


async def test_expired_credentials_are_replaced_once(signing, store):
    store.on("PutObject", EXPIRED)
    await signing.run(PUT)
    assert signing.credentials.asked == 2
    store.on("PutObject", EXPIRED, EXPIRED)
    with pytest.raises(ResponseError):
        await signing.run(PUT)
    assert signing.credentials.asked == 4


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


async def test_requests_refused_together_have_credentials_replaced_once(store: FakeStore, clock: FakeClock) -> None:
    """Each says what it was itself signed with: the fresh ones are not thrown away."""
    credentials, gate = Kept(), Gate(answer=EXPIRED)
    client = make_client(store, clock, credentials=credentials)
    store.on("PutObject", EXPIRED)
    store.on("HeadObject", gate)
    store.put("key", b"abc")
    late = asyncio.create_task(client.run(HEAD))
    await turns()
    await client.run(PUT)
    gate.opened.set()
    await late
    assert (credentials.refused, credentials.asked) == (["KEY1", "KEY1"], 2)


async def test_repairs_are_not_counted_as_attempts(client, store, clock):
    store.on("PutObject", stale(), SKEWED, EXPIRED, *[refusal(500, "InternalError")] * 3)
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
async def test_clean_up_has_the_default_number_of_attempts_at_least(store, clock, allowed, made):
    client = make_client(store, clock, attempts=allowed)
    store.on("PutObject", *[refusal(500, "InternalError")] * 9)
    with pytest.raises(ResponseError):
        await client.run(PUT, is_cleanup=True)
    assert len(store.sent) == made


async def test_a_timeout_costs_more_and_a_success_gives_back(store: FakeStore, clock: FakeClock) -> None:
    client = make_client(store, clock, budget=100)
    store.on("PutObject", TransportTimeoutError("slow"))
    await client.run(PUT)
    assert client.budget.tokens == pytest.approx(91, abs=0.5)
    await client.run(HEAD)
    assert client.budget.tokens == pytest.approx(92, abs=0.5)


async def test_each_request_may_have_its_own_read_timeout(clock):
    told: list[float | None] = []

    class Listening(FakeStore):
        async def send(self, request: Request, *, read_timeout: float | None = None, **_: object) -> Response:
            told.append(read_timeout)
            return await super().send(request)

    client = make_client(Listening(clock), clock)
    await client.run(PUT, read_timeout=300.0)
    await client.run(PUT)
    await client.run(HEAD, read_timeout=9.0)
    assert told == [300.0, None, 9.0]


async def test_a_shield_awaits_every_attempt_but_no_wait(store: FakeStore, clock: FakeClock) -> None:
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


async def test_moments_are_judged_by_the_clock_of_the_last_response(client, store, clock):
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


async def test_an_opened_response_is_signed_for_and_read_in_chunks_of_the_size_asked_for(signing, store):
    store.on("GetObject", Response(200, {"content-length": "5"}, b"abcde"))
    async with signing.open(GET, chunk_size=2) as opened:
        assert [chunk async for chunk in opened.chunks] == [b"ab", b"cd", b"e"]
    assert "authorization" in store.sent[0].headers


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchKey"), (300, "MultipleChoices")])
async def test_a_refused_or_redirected_opening_raises_the_words_of_its_body(client, store, status, code):
    store.on("GetObject", refusal(status, code))
    with pytest.raises(StorageError, match=f"{status} {code}"):
        await open_and_read(client)


@pytest.mark.parametrize("operation", [PUT, UploadPart("bucket", "key", "id", 1, (b"abc",), {})], ids=["put", "part"])
async def test_while_the_store_throttles_requests_are_paced(store, clock, operation):
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
    ("status", "code"), [(301, "PermanentRedirect"), (307, "TemporaryRedirect"), (400, "AuthorizationHeaderMalformed")]
)
@pytest.mark.parametrize("has_regions", [True, False])
async def test_a_region_that_is_named_is_remembered_for_its_bucket(signing, store, status, code, has_regions):
    """Requests are signed for it, and go to its endpoint if there is one; no redirect is followed otherwise."""
    signing.regional_endpoint = regional if has_regions else None
    store.on("PutObject", refusal(status, code, x_amz_bucket_region="eu-west-1"))
    if status < 400 and not has_regions:
        with pytest.raises(ResponseError):
            await signing.run(PUT)
        return
    await signing.run(PUT)
    assert (signing.region_of("bucket"), signing.region_of("other")) == ("eu-west-1", "us-east-1")
    assert signing.endpoint_of("bucket") == (regional("eu-west-1") if has_regions else signing.endpoint)
    assert signing.endpoint_of("other") == signing.endpoint
    assert [request.host for request in store.sent] == ["store.test", "eu-west-1.test" if has_regions else "store.test"]
    assert ["/eu-west-1/s3/" in request.headers["authorization"] for request in store.sent] == [False, True]


async def test_requests_about_objects_may_have_another_endpoint(client: OperationClient, store: FakeStore) -> None:
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

    async def send_stream(
        self, request: Request, body: object, *, read_timeout: float | None = None, **_: object
    ) -> Response:
        self.streamed.append((body, read_timeout))
        return await self.send(request)


@pytest.mark.parametrize(
    "operation", [PutObject("bucket", "key", {}, ()), UploadPart("bucket", "key", "id", 1, (), {})]
)
async def test_a_streamed_body_goes_again_if_it_can_be_rewound(clock, operation):
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


async def test_keys_are_asked_for_and_refused_by_operation(signing, store):
    """A signer may have other keys for every bucket."""
    seen: list[tuple[str, object]] = []

    class Watching(OrdinarySigner):
        async def keys_for(self, operation: Any) -> Credentials | None:
            seen.append(("asked", operation))
            return await super().keys_for(operation)

        def refused(self, operation: Any, keys: Credentials) -> None:
            seen.append((keys.access_key_id, operation))

    signing.signer = Watching(signing.credentials)
    store.on("PutObject", EXPIRED)
    store.on("GetObject", EXPIRED, FOUND)
    await signing.run(PUT)
    await open_and_read(signing)
    assert seen == [("asked", PUT), ("KEY1", PUT), ("asked", PUT), ("asked", GET), ("KEY3", GET), ("asked", GET)]


async def test_a_learnt_region_counts_for_the_data_endpoint_and_every_signature(signing, store):
    """A response that names it again changes nothing."""
    scopes: list[tuple[object, str]] = []

    class Watching(OrdinarySigner):
        def scope_for(self, operation: Any, region: str) -> Any:
            scopes.append((operation, region))
            return super().scope_for(operation, region)

    signing.signer = Watching(signing.credentials)
    signing.regional_endpoint = regional
    signing.data_endpoint = lambda bucket, region: Endpoint.parse(f"http://{bucket}.{region}.test", "path")
    redirect = refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
    store.on("PutObject", redirect)
    await signing.run(PUT)
    assert [request.host for request in store.sent] == ["bucket.us-east-1.test", "bucket.eu-west-1.test"]
    assert scopes == [(PUT, "us-east-1"), (PUT, "eu-west-1")]
    store.on("PutObject", redirect)
    with pytest.raises(ResponseError):
        await signing.run(PUT)
    assert len(store.sent) == 3


@pytest.mark.parametrize(
    ("status", "code", "reads_hosts"),
    [
        (301, "Redirect", True),
        (307, "Redirect", True),
        (301, "Redirect", False),
        (307, "Redirect", False),
        (400, "AuthorizationHeaderMalformed", True),
    ],
)
async def test_a_region_is_read_from_the_host_of_a_redirect_where_its_pattern_is_known(
    signing, store, status, code, reads_hosts
):
    asked: list[tuple[str, str | None]] = []

    def region_of_host(host: str, bucket: str | None) -> str:
        asked.append((host, bucket))
        return "eu-west-1"

    signing.regional_endpoint = regional
    signing.region_of_host = region_of_host if reads_hosts else None
    store.on("PutObject", refusal(status, code, location="http://bucket.elsewhere.test/key"))
    if status < 400 and reads_hosts:
        await signing.run(PUT)
        assert asked == [("bucket.elsewhere.test", "bucket")]
        assert [request.host for request in store.sent] == ["store.test", "eu-west-1.test"]
    else:
        with pytest.raises(ResponseError, match=f"{status} {code}"):
            await signing.run(PUT)
        assert len(store.sent) == 1


async def test_each_repair_leaves_the_rest_alone(store: FakeStore, clock: FakeClock) -> None:
    store.skew = timedelta(hours=1)
    credentials = Kept()
    client = make_client(store, clock, credentials=credentials)
    store.on("PutObject", EXPIRED)
    await client.run(PUT)
    assert (credentials.refused, client.clock_skew.offset) == (["KEY1"], timedelta())
    store.on("PutObject", SKEWED)
    await client.run(PUT)
    assert (credentials.refused, client.clock_skew.offset) == (["KEY1"], timedelta(hours=1))


async def test_an_opening_is_repeated_and_each_attempt_returns_its_connection_first(clock):
    held: list[int] = []

    class Counting(FakeStore):
        opened = 0

        @asynccontextmanager
        async def open(self, request: Request, *, chunk_size: int) -> AsyncIterator[StreamedResponse]:
            self.opened += 1
            held.append(self.opened)
            try:
                async with super().open(request, chunk_size=chunk_size) as response:
                    yield response
            finally:
                self.opened -= 1

    store = Counting(clock)
    store.on("GetObject", refusal(503, "SlowDown"), TransportError("reset"), FOUND)
    assert await open_and_read(make_client(store, clock)) == b"a"
    assert (held, store.opened) == ([1, 1, 1], 0)


async def test_an_opening_spends_the_retry_budget_and_fills_it(client, store):
    client.budget.take(500)
    for tokens in (1, 2):
        store.on("GetObject", FOUND)
        async with client.open(GET, chunk_size=2):
            assert client.budget.tokens == tokens
    store.on("GetObject", refusal(503, "SlowDown"))
    with pytest.raises(StorageError, match="503 SlowDown"):
        await open_and_read(client)
