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
from aios3._protocol.wire.messages import Response
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


async def opened(client: OperationClient) -> None:
    async with client.open(GetObject("bucket", "key"), chunk_size=100):
        pass


async def waiting(client: OperationClient, store: DirectoryStore, *operations: Operation[object]):
    """Return the tasks of these operations, which wait for their sessions, and the gates that hold those."""
    gates = [Gate() for _ in {operation.bucket for operation in operations}]
    store.on("CreateSession", *gates)
    tasks = [asyncio.ensure_future(client.run(operation)) for operation in operations]
    await asyncio.gather(*(gate.entered.wait() for gate in gates))
    await turns()
    return tasks, gates


@pytest.mark.parametrize("operation", [HEAD, HeadBucket("bucket"), PutObject("bucket", "key", {}, (b"x",)), None])
async def test_a_request_about_a_bucket_or_its_objects_is_signed_with_its_session(client, store, operation):
    store.on("GetObject", Response(200, {"content-length": "7"}, b"content"))
    await (client.run(operation) if operation else opened(client))
    opening, request = store.sent
    assert store.signers == ["KEY1", "SESSION1"]
    assert (opening.operation, opening.headers["x-amz-security-token"]) == ("CreateSession", "token1")
    assert request.headers["x-amz-s3session-token"] == "session-token1"
    assert "x-amz-security-token" not in request.headers
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert "x-amz-s3session-token" in signed.split(";")
    assert "x-amz-s3session-token" not in opening.headers
    assert all("/us-east-1/s3express/aws4_request" in sent.headers["authorization"] for sent in store.sent)


@pytest.mark.parametrize("operation", [CreateBucket("bucket", None), DeleteBucket("bucket"), ListBuckets()])
async def test_buckets_are_made_with_the_ordinary_keys(client, store, operation):
    await client.run(operation)
    (request,) = store.sent
    assert store.signers == ["KEY1"]
    assert "/s3express/aws4_request" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token1"
    assert "x-amz-s3session-token" not in request.headers


async def test_every_bucket_has_a_session_of_its_own(client: OperationClient, store: DirectoryStore) -> None:
    for bucket in ("one", "two", "one", "two"):
        await client.run(HeadBucket(bucket))
    assert [request.path for request in store.requests("CreateSession")] == ["/one", "/two"]
    assert store.signers == ["KEY1", "SESSION1", "KEY1", "SESSION2", "SESSION1", "SESSION2"]


@pytest.mark.parametrize("hours", [-8, 0, 8])
async def test_a_session_is_renewed_about_a_minute_before_its_end_by_the_stores_clock(client, store, clock, hours):
    store.skew = timedelta(hours=hours)
    await client.run(HEAD)
    clock.advance(224)
    await client.run(HEAD)
    assert store.opened == 1
    clock.advance(2)
    await client.run(HEAD)
    assert (store.opened, store.signers[-1]) == (2, "SESSION2")


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


async def test_a_session_that_is_refused_again_is_an_error(client, store):
    """One new session for each request."""
    store.on("HeadObject", refusal(400, "ExpiredToken"), refusal(400, "ExpiredToken"))
    with pytest.raises(CredentialsError):
        await client.run(HEAD)
    assert store.operations == ["CreateSession", "HeadObject"] * 2


async def test_expired_ordinary_keys_are_renewed_before_the_session_is_opened(client, store):
    store.on("CreateSession", refusal(400, "ExpiredToken"))
    await client.run(HEAD)
    assert store.signers == ["KEY1", "KEY2", "SESSION1"]


@pytest.mark.parametrize(
    ("status", "code", "error", "openings"),
    [(403, "InvalidAccessKeyId", CredentialsError, 1), (503, "SlowDown", ThrottledError, 4)],
)
async def test_a_refused_opening_is_retried_or_raised_as_any_request(client, store, status, code, error, openings):
    store.on("CreateSession", *[refusal(status, code)] * openings)
    failures = await asyncio.gather(client.run(HEAD), client.run(HEAD), return_exceptions=True)
    assert [type(failure) for failure in failures] == [error, error]
    assert failures[0] is not failures[1]
    assert store.operations == ["CreateSession"] * openings
    await client.run(HEAD)
    assert store.operations == ["CreateSession"] * (openings + 1) + ["HeadObject"]


async def test_a_new_session_that_has_already_expired_is_an_error(
    client: OperationClient, store: DirectoryStore
) -> None:
    """Nothing could be signed with it, and asking again would go on for ever."""
    ended = f"{datetime(2020, 1, 1, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}"
    keys = "<AccessKeyId>K</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    inner = f"<Credentials>{keys}<Expiration>{ended}</Expiration></Credentials>"
    store.on("CreateSession", Response(200, {}, f"<CreateSessionResult>{inner}</CreateSessionResult>".encode()))
    with pytest.raises(ConfigurationError, match="the session of bucket bucket: the fetched keys expired"):
        await client.run(HEAD)


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_closing_ends_every_opening_also_if_the_close_is_cancelled(client, store, is_cancelled):
    before = asyncio.all_tasks()
    tasks, _ = await waiting(client, store, HeadBucket("one"), HeadBucket("two"))
    closing = asyncio.ensure_future(client.signer.aclose())
    await asyncio.sleep(0)
    if is_cancelled:
        closing.cancel()
    await asyncio.wait([closing, *tasks])
    assert closing.cancelled() == is_cancelled
    assert [type(task.exception()) for task in tasks] == [DriverClosedError, DriverClosedError]
    assert asyncio.all_tasks() == before
    await client.signer.aclose()


async def test_without_credentials_nothing_is_signed(store: DirectoryStore, clock: FakeClock) -> None:
    """And no session is opened, since there is nothing to sign that with."""
    client = make_client(store, clock)
    client.signer = BucketSessions(client)
    await client.run(HEAD)
    assert store.operations == ["HeadObject"]
    assert "authorization" not in store.sent[0].headers


async def test_a_doubt_opens_another_session_or_asks_for_other_ordinary_keys(client, source):
    """A bare refusal of HEAD is a doubt; a bucket is made with the ordinary keys."""
    first = await client.signer.keys_for(HEAD)
    assert (await client.signer.renewed(HEAD, first)).access_key_id == "SESSION2"
    make = CreateBucket("bucket--zone--x-s3", "zone")
    ordinary = await client.signer.keys_for(make)
    assert (await client.signer.renewed(make, ordinary)).access_key_id == "KEY2"
