"""Sessions of directory buckets: opened once, renewed in time, and ended with whoever waits for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from aios3._client.client import OperationClient
from aios3._client.express_sessions import BucketSessions
from aios3._protocol.operations import (
    CreateBucket,
    DeleteBucket,
    GetObject,
    HeadBucket,
    HeadObject,
    ListBuckets,
    Operation,
    PutObject,
)
from aios3._protocol.wire.messages import Request, Response
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError, CredentialsError, DriverClosedError, ThrottledError
from tests.support.fakes import FakeClock, FakeStore, Gate, make_client, refusal, turns

HEAD = HeadObject("bucket", "key")
LIFE = timedelta(minutes=5)


class Source:
    """Gives keys with a token; each refusal makes it give the next ones."""

    def __init__(self) -> None:
        self.number = 1

    async def get_credentials(self) -> Credentials:
        return Credentials(f"KEY{self.number}", "hidden-secret", f"token{self.number}")

    def invalidate(self, credentials: Credentials) -> None:
        assert credentials.access_key_id == f"KEY{self.number}"
        self.number += 1


class DirectoryStore(FakeStore):
    """Opens sessions that end five minutes later by its clock, and numbers them."""

    opened = 0

    def _create_session(self, *_: object) -> Response:
        self.opened += 1
        ends = self._clock.moment + self.skew + LIFE
        fields = {
            "AccessKeyId": f"SESSION{self.opened}",
            "SecretAccessKey": "hidden-secret",
            "SessionToken": f"session-token{self.opened}",
            "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        document = f"<CreateSessionResult><Credentials>{inner}</Credentials></CreateSessionResult>"
        return Response(200, {}, document.encode())

    def _head_bucket(self, *_: object) -> Response:
        return Response(200, {})

    _create_bucket = _delete_bucket = _head_bucket

    def _list_buckets(self, *_: object) -> Response:
        return Response(200, {}, b"<ListAllMyDirectoryBucketsResult/>")

    @property
    def signers(self) -> list[str]:
        """The access key id of every request so far."""
        return [request.headers["authorization"].partition("Credential=")[2].partition("/")[0] for request in self.sent]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> DirectoryStore:
    found = DirectoryStore(clock)
    found.put("key", b"content")
    return found


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(store: DirectoryStore, clock: FakeClock, source: Source) -> OperationClient:
    made = make_client(store, clock, credentials=source)
    made.signer = BucketSessions(made)
    return made


def sessions_of(client: OperationClient) -> BucketSessions:
    assert isinstance(client.signer, BucketSessions)
    return client.signer


def signed_headers(request: Request) -> list[str]:
    return request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")


@pytest.mark.parametrize("operation", [HEAD, HeadBucket("bucket"), PutObject("bucket", "key", {}, (b"x",))])
async def test_what_is_in_a_bucket_is_signed_with_its_session(
    client: OperationClient, store: DirectoryStore, operation: Operation[object]
) -> None:
    """Keys, service and token are the session's; the token is a signed header of its own."""
    await client.run(operation)
    opening, request = store.sent
    assert store.signers == ["KEY1", "SESSION1"]
    assert (opening.operation, opening.headers["x-amz-security-token"]) == ("CreateSession", "token1")
    assert request.headers["x-amz-s3session-token"] == "session-token1"
    assert "x-amz-security-token" not in request.headers
    assert "x-amz-s3session-token" in signed_headers(request)
    assert "x-amz-s3session-token" not in opening.headers
    assert all("/us-east-1/s3express/aws4_request" in sent.headers["authorization"] for sent in store.sent)


async def test_a_read_that_is_streamed_is_signed_with_it_too(client: OperationClient, store: DirectoryStore) -> None:
    """The other way through the client."""
    store.on("GetObject", Response(200, {"content-length": "7"}, b"content"))
    async with client.open(GetObject("bucket", "key"), chunk_size=100) as answer:
        assert answer.status == 200
    assert store.signers == ["KEY1", "SESSION1"]


@pytest.mark.parametrize("operation", [CreateBucket("bucket", None), DeleteBucket("bucket"), ListBuckets()])
async def test_buckets_are_made_with_the_ordinary_keys(
    client: OperationClient, store: DirectoryStore, operation: Operation[object]
) -> None:
    """Without a session, for the same service, and with the ordinary token."""
    await client.run(operation)
    (request,) = store.sent
    assert store.signers == ["KEY1"]
    assert "/s3express/aws4_request" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token1"
    assert "x-amz-s3session-token" not in request.headers


async def test_every_bucket_has_a_session_of_its_own(client: OperationClient, store: DirectoryStore) -> None:
    """Opened once each."""
    for bucket in ("one", "two", "one", "two"):
        await client.run(HeadBucket(bucket))
    assert [request.path for request in store.requests("CreateSession")] == ["/one", "/two"]
    assert store.signers == ["KEY1", "SESSION1", "KEY1", "SESSION2", "SESSION1", "SESSION2"]


async def test_twenty_that_wait_are_one_session(client: OperationClient, store: DirectoryStore) -> None:
    """However many parts begin at once."""
    gate = Gate()
    store.on("CreateSession", gate)
    waiting = [asyncio.ensure_future(client.run(HEAD)) for _ in range(20)]
    await gate.entered.wait()
    await turns()
    assert store.operations == ["CreateSession"]
    gate.opened.set()
    await asyncio.gather(*waiting)
    assert store.operations == ["CreateSession"] + ["HeadObject"] * 20


async def test_a_session_is_renewed_about_a_minute_before_its_end(
    client: OperationClient, store: DirectoryStore, clock: FakeClock
) -> None:
    """Long enough before for what is still to be sent, and no sooner."""
    await client.run(HEAD)
    clock.advance(224)
    await client.run(HEAD)
    assert store.opened == 1
    clock.advance(2)
    await client.run(HEAD)
    assert (store.opened, store.signers[-1]) == (2, "SESSION2")


async def test_others_go_on_while_a_session_is_renewed(
    client: OperationClient, store: DirectoryStore, clock: FakeClock
) -> None:
    """One waits for the new one; the old one is still good."""
    await client.run(HEAD)
    clock.advance(226)
    gate = Gate()
    store.on("CreateSession", gate)
    first = asyncio.ensure_future(client.run(HEAD))
    await gate.entered.wait()
    await client.run(HEAD)
    assert store.signers[-1] == "SESSION1"
    gate.opened.set()
    await first
    assert store.signers[-1] == "SESSION2"


@pytest.mark.parametrize("hours", [-8, 8])
async def test_a_session_ends_by_the_stores_clock(
    client: OperationClient, store: DirectoryStore, clock: FakeClock, hours: int
) -> None:
    """A clock of ours that is wrong neither ends it early nor keeps it too long."""
    store.skew = timedelta(hours=hours)
    await client.run(HEAD)
    clock.advance(200)
    await client.run(HEAD)
    assert store.opened == 1
    clock.advance(50)
    await client.run(HEAD)
    assert store.opened == 2


async def test_a_session_that_the_store_ended_is_opened_anew(client: OperationClient, store: DirectoryStore) -> None:
    """ExpiredToken: once, without a wait, and however many were refused with the old one."""
    await client.run(HEAD)
    gates = [Gate(answer=refusal(400, "ExpiredToken")) for _ in range(3)]
    store.on("HeadObject", *gates)
    waiting = [asyncio.ensure_future(client.run(HEAD)) for _ in gates]
    await asyncio.gather(*(gate.entered.wait() for gate in gates))
    for gate in gates:
        gate.opened.set()
        await turns()
    await asyncio.gather(*waiting)
    assert store.opened == 2
    assert store.signers[-1] == "SESSION2"


async def test_a_session_that_is_never_taken_is_the_stores_last_word(
    client: OperationClient, store: DirectoryStore
) -> None:
    """One new session for each request."""
    store.on("HeadObject", refusal(400, "ExpiredToken"), refusal(400, "ExpiredToken"))
    with pytest.raises(CredentialsError):
        await client.run(HEAD)
    assert store.operations == ["CreateSession", "HeadObject"] * 2


async def test_ordinary_keys_that_expired_are_told_to_their_source(
    client: OperationClient, store: DirectoryStore, source: Source
) -> None:
    """The session is then opened with fresh ones."""
    store.on("CreateSession", refusal(400, "ExpiredToken"))
    await client.run(HEAD)
    assert store.signers == ["KEY1", "KEY2", "SESSION1"]


async def test_wrong_keys_are_a_clear_error_at_once(
    client: OperationClient, store: DirectoryStore, clock: FakeClock
) -> None:
    """One request, no wait; everybody who waited gets an error of their own."""
    store.on("CreateSession", refusal(403, "InvalidAccessKeyId"))
    failures = await asyncio.gather(client.run(HEAD), client.run(HEAD), return_exceptions=True)
    assert [type(failure) for failure in failures] == [CredentialsError, CredentialsError]
    assert failures[0] is not failures[1]
    assert (store.operations, clock.slept) == (["CreateSession"], [])


async def test_opening_a_session_is_retried_as_everything_is(client: OperationClient, store: DirectoryStore) -> None:
    """And given up as everything is; the next request tries again."""
    store.on("CreateSession", *[refusal(503, "SlowDown")] * 5)
    with pytest.raises(ThrottledError):
        await client.run(HEAD)
    assert store.operations == ["CreateSession"] * 4
    await client.run(HEAD)
    assert store.operations == ["CreateSession"] * 6 + ["HeadObject"]


async def test_a_session_that_has_ended_already_is_no_session(client: OperationClient, store: DirectoryStore) -> None:
    """Nothing could be signed with it, and asking again would go on for ever."""
    ended = f"{datetime(2020, 1, 1, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}"
    keys = "<AccessKeyId>K</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    inner = f"<Credentials>{keys}<Expiration>{ended}</Expiration></Credentials>"
    store.on("CreateSession", Response(200, {}, f"<CreateSessionResult>{inner}</CreateSessionResult>".encode()))
    with pytest.raises(ConfigurationError, match="the session of bucket bucket: the fetched keys expired"):
        await client.run(HEAD)


async def test_who_is_cancelled_takes_nothing_from_the_others(client: OperationClient, store: DirectoryStore) -> None:
    """Also if it is the one who asked first."""
    gate = Gate()
    store.on("CreateSession", gate)
    first, second = (asyncio.ensure_future(client.run(HEAD)) for _ in range(2))
    await gate.entered.wait()
    first.cancel()
    await turns()
    assert first.cancelled()
    gate.opened.set()
    await second
    assert store.operations == ["CreateSession", "HeadObject"]


async def test_when_nobody_waits_any_more_nothing_runs_on(client: OperationClient, store: DirectoryStore) -> None:
    """The request is dropped with the last who waited, and the next one begins anew."""
    gate = Gate()
    store.on("CreateSession", gate)
    before = asyncio.all_tasks()
    waiting = [asyncio.ensure_future(client.run(HEAD)) for _ in range(3)]
    await gate.entered.wait()
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert asyncio.all_tasks() == before
    await client.run(HEAD)
    assert store.operations == ["CreateSession", "CreateSession", "HeadObject"]


async def test_closing_ends_what_is_being_opened(client: OperationClient, store: DirectoryStore) -> None:
    """For every bucket; who waited is told, and no task is left. Closing again is harmless."""
    gates = [Gate(), Gate()]
    store.on("CreateSession", *gates)
    before = asyncio.all_tasks()
    waiting = [asyncio.ensure_future(client.run(HeadBucket(bucket))) for bucket in ("one", "two")]
    await asyncio.gather(*(gate.entered.wait() for gate in gates))
    await sessions_of(client).aclose()
    await sessions_of(client).aclose()
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(failure) for failure in failures] == [DriverClosedError, DriverClosedError]
    assert asyncio.all_tasks() == before


async def test_a_close_that_is_cancelled_closes_all_the_same(client: OperationClient, store: DirectoryStore) -> None:
    """Every session, and the cancellation comes out."""
    gates = [Gate(), Gate()]
    store.on("CreateSession", *gates)
    waiting = [asyncio.ensure_future(client.run(HeadBucket(bucket))) for bucket in ("one", "two")]
    await asyncio.gather(*(gate.entered.wait() for gate in gates))
    closing = asyncio.ensure_future(sessions_of(client).aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing, *waiting])
    assert closing.cancelled()
    assert [type(each.exception()) for each in waiting] == [DriverClosedError, DriverClosedError]


async def test_without_credentials_nothing_is_signed(store: DirectoryStore, clock: FakeClock) -> None:
    """And no session is opened, since there is nothing to sign that with."""
    client = make_client(store, clock)
    client.signer = BucketSessions(client)
    await client.run(HEAD)
    assert store.operations == ["HeadObject"]
    assert "authorization" not in store.sent[0].headers
