"""Credentials end while an upload runs, and the upload goes on with fresh ones."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext
from datetime import timedelta
from itertools import pairwise

import pytest

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._config.credentials.role_providers import AssumeRoleCredentials
from aios3.credentials import Credentials
from aios3.errors import AccessDeniedError, CredentialsError, ResponseError, TransportError
from aios3.options import TransferConfig
from aios3.testing import Fault, ReceivedRequest, S3Server
from tests.conftest import PART
from tests.support.credential_stand_in import NOW, StandIn, metadata, sts, sts_error
from tests.support.driver_scenes import numbered_parts
from tests.support.fakes import FakeClock

ONE_AT_ONCE = TransferConfig(part_size=PART, concurrency=1)
FAR = NOW + timedelta(days=9999)
EXPIRED = Credentials("KEY0", "hidden-secret", "hidden-token", NOW)


def keys(number: int) -> Credentials:
    return Credentials(f"KEY{number}", "hidden-secret", "hidden-token")


def signer(request: ReceivedRequest) -> str:
    """Return the access key id that a request was signed with."""
    return signer_of(dict(request.headers))


def signer_of(headers: Mapping[str, str]) -> str:
    return headers["authorization"].partition("Credential=")[2].partition("/")[0]


@pytest.fixture
def issue(server: S3Server):
    """Issue new keys each time; the store takes the newest only."""
    issued = []

    async def fetch() -> Credentials:
        issued.append(keys(len(issued) + 1))
        server.credentials = issued[-1]
        return issued[-1]

    fetch.issued = issued
    return fetch


@pytest.mark.parametrize("at", [0, 1, 3, 5])
async def test_an_upload_outlives_its_credentials(server, make_driver, issue, at):
    """The store answers ExpiredToken from some part on; they are renewed once, and the object is whole.

    Nothing is fetched before the second part was read: so far the source may still be a single put.
    """
    driver = make_driver(credentials=RefreshingCredentials(issue), transfer=ONE_AT_ONCE)

    def expire() -> None:
        server.credentials = dataclasses.replace(server.credentials, expires_at=NOW - timedelta(days=999))

    receipt = await driver.upload_object_via_stream(numbered_parts(6, at, expire), "bucket", "key")
    assert server.objects["bucket", "key"].body == b"".join(bytes([number]) * PART for number in range(6))
    assert len(receipt.parts) == 6
    assert not server.open_uploads
    assert len(issue.issued) == (2 if at > 1 else 1)


async def test_many_parts_that_expire_together_are_one_renewal(server, make_driver):
    fetched = []

    async def fetch() -> Credentials:
        fetched.append(1)
        server.credentials = keys(1)
        return dataclasses.replace(keys(1), expires_at=NOW + timedelta(days=9999 + len(fetched)))

    driver = make_driver(
        credentials=RefreshingCredentials(fetch), transfer=TransferConfig(part_size=PART, concurrency=4)
    )
    server.hold("UploadPart")
    upload = asyncio.ensure_future(driver.upload_object_via_stream(numbered_parts(9), "bucket", "key"))
    await server.wait_for(lambda server: len(server.held_requests) == 4)
    server.credentials = dataclasses.replace(keys(1), expires_at=NOW - timedelta(days=999))
    server.release("UploadPart")
    assert [request.status for request in server.requests] == [200, 400, 400, 400, 400]
    assert len((await upload).parts) == 9
    assert len(fetched) == 2
    assert sum(request.operation == "UploadPart" for request in server.requests) == 4 + 9


async def test_credentials_are_renewed_ahead_of_their_end(server, make_driver):
    clock = FakeClock()
    minutes = []

    async def fetch() -> Credentials:
        minutes.append((clock.moment - NOW).total_seconds() / 60)
        server.credentials = keys(len(minutes))
        return dataclasses.replace(server.credentials, expires_at=clock.moment + timedelta(hours=1))

    driver = make_driver(credentials=RefreshingCredentials(fetch, clock=clock()), transfer=ONE_AT_ONCE)

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(40):
            clock.advance(5 * 60)
            yield bytes(PART)

    await driver.upload_object_via_stream(slowly(), "bucket", "key")
    assert len(server.objects["bucket", "key"].body) == 40 * PART
    assert len(minutes) >= 4  # in 200 minutes
    assert all(45 <= after - before < 60 for before, after in pairwise(minutes))
    assert {request.status for request in server.requests} == {200}
    assert len({signer(request) for request in server.requests}) == len(minutes)


@pytest.fixture
def write_keys(tmp_path, monkeypatch, server):
    """Write keys to the credentials file that the environment names, as another program does."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def write(number: int, text: str | None = None) -> None:
        pair = f"aws_access_key_id = KEY{number}\naws_secret_access_key = hidden-secret\n"
        (tmp_path / "credentials").write_text(text or f"[default]\n{pair}aws_session_token = hidden-token\n")

    write(1)
    server.credentials = keys(1)
    return write


async def chunks(rotate: Callable[[], object], *, at: int, fails: bool = False) -> AsyncIterator[bytes]:
    """Yield four parts; keys are rotated before part `at`, or after the last one. Then the source may fail."""
    for number in range(4):
        if number == at:
            await asyncio.to_thread(rotate)
        yield bytes([number]) * PART
    if at == 4:
        await asyncio.to_thread(rotate)
    if fails:
        raise LookupError("the source")


@pytest.fixture
def rotate(server, write_keys):
    def rotate() -> None:
        write_keys(2)
        server.credentials = keys(2)

    return rotate


WORDS = {
    400: ("ExpiredToken", "TokenRefreshRequired", "InvalidToken"),
    403: ("ExpiredTokenException", "SecurityTokenExpired", "InvalidSecurityToken", "SignatureDoesNotMatch"),
    # R2 and Garage say these of a key that is gone, and others have words of their own.
    401: ("Unauthorized", "NotSignedIn"),
}


@pytest.mark.parametrize(("status", "code"), [(status, code) for status in WORDS for code in WORDS[status]])
async def test_rotated_keys_are_read_again_whatever_the_stores_word(server, make_driver, rotate, status, code):
    """From the file that another program writes; the part is sent again, and the upload goes on."""
    driver = make_driver(credentials=None, transfer=ONE_AT_ONCE)

    def refuse() -> None:
        rotate()
        server.faults.add(Fault("answer", "UploadPart", status=status, code=code))

    await driver.upload_object_via_stream(chunks(refuse, at=3), "bucket", "key")
    assert server.objects["bucket", "key"].body == b"".join(bytes([number]) * PART for number in range(4))
    assert {signer(request) for request in server.requests[-3:]} == {"KEY2"}


@pytest.mark.parametrize(("at", "operation"), [(1, "CreateMultipartUpload"), (3, "UploadPart"), (4, "")])
async def test_every_request_of_an_upload_reads_rotated_keys(server, make_driver, rotate, at, operation):
    """The store no longer knows the old ones (InvalidAccessKeyId). They are refused once, not once for each part."""
    driver = make_driver(credentials=None, transfer=ONE_AT_ONCE)
    await driver.upload_object_via_stream(chunks(rotate, at=at), "bucket", "key")
    (refused,) = [request for request in server.requests if request.status == 403]
    assert (signer(refused), operation in refused.operation) == ("KEY1", True)
    assert signer(server.requests[-1]) == "KEY2"


async def test_the_abort_reads_rotated_keys(server, make_driver, rotate):
    """Nothing stays open although the keys were rotated before the source failed."""
    driver = make_driver(credentials=None, transfer=ONE_AT_ONCE)
    with pytest.raises(LookupError):
        await driver.upload_object_via_stream(chunks(rotate, at=4, fails=True), "bucket", "key")
    assert server.open_uploads == []
    assert signer(server.requests[-1]) == "KEY2"


async def test_rotated_keys_that_assume_a_role_are_read_again(server, make_driver, write_keys, stand_in, monkeypatch):
    """STS does not know the old ones."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", stand_in.url)
    more = "[role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n"
    pair = "[default]\naws_access_key_id = BASE{}\naws_secret_access_key = hidden-secret\n"
    write_keys(1, f"{pair.format(1)}{more}")
    monkeypatch.setenv("AWS_PROFILE", "role")
    driver = make_driver(credentials=None)
    stand_in.on(sts(number=1, expires_at=FAR))
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    write_keys(1, f"{pair.format(2)}{more}")
    stand_in.on(sts_error(403, "InvalidClientTokenId"), sts(number=2, expires_at=FAR))
    server.credentials = keys(2)
    server.faults.add(Fault("answer", "PutObject", status=400, code="ExpiredToken"))
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert ["BASE" in signer_of(asked.headers) for asked in stand_in.asked] == [True] * 3
    assert signer_of(stand_in.asked[-1].headers) == "BASE2"


async def test_an_upload_with_a_role_succeeds_although_our_clock_is_wrong(small_provider, make_driver, stand_in):
    """By two hours: STS and the store refuse the time once each, and both are obeyed."""
    clock, theirs = FakeClock(), NOW + timedelta(hours=2)
    date = (("Date", f"{theirs:%a, %d %b %Y %H:%M:%S GMT}"),)
    late = sts_error(403, "SignatureDoesNotMatch", "Signature expired: now earlier than - 15 min.")
    granted = sts(number=1, expires_at=theirs + timedelta(hours=1))
    stand_in.on(dataclasses.replace(late, headers=date), dataclasses.replace(granted, headers=date))
    role = AssumeRoleCredentials("arn:aws:iam::1:role/r", keys(7), endpoint_url=stand_in.url, clock=clock())
    async with S3Server(small_provider, credentials=keys(1), clock=lambda: theirs) as server:
        driver = make_driver(on=server, credentials=role, transfer=ONE_AT_ONCE)
        driver._clock = clock()
        receipt = await driver.upload_object_via_stream(numbered_parts(4), "bucket", "key")
    assert len(receipt.parts) == 4
    assert [request.status for request in server.requests].count(403) == 1
    assert len(stand_in.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_bare_refusal_of_head_is_a_reason_to_read_again(server, make_driver, rotate, status):
    """A response to HEAD has no code."""
    driver = make_driver(credentials=None)
    await driver.upload_object_via_stream(b"abc", "bucket", "key")
    rotate()
    server.faults.add(Fault("answer", "HeadObject", status=status))
    assert (await driver.get_object("bucket", "key")).size == 3


async def test_keys_that_are_still_the_same_stay_refused(server, make_driver, write_keys):
    """They are read again once, and the request is not sent again."""
    server.credentials = keys(9)
    driver = make_driver(credentials=None)
    for count in (1, 2):
        with pytest.raises(CredentialsError, match="does not know the access key id"):
            await driver.upload_object_via_stream(b"abc", "bucket", "key")
        assert len(server.requests) == count


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId"])
async def test_keys_are_read_again_although_they_were_doubted_before(server, make_driver, rotate, code):
    """By objects that may not be read, and by refusals that came before the other program had written the file."""
    driver = make_driver(credentials=None)
    server.faults.add(Fault("answer", "HeadObject", status=403))
    server.faults.add(Fault("answer", "PutObject", status=403, code=code))
    for call in (driver.get_object("bucket", "key"), driver.upload_object_via_stream(b"abc", "bucket", "key")):
        with pytest.raises(ResponseError):
            await call
    rotate()
    server.faults.add(Fault("answer", "PutObject", status=403, code=code))
    await driver.upload_object_via_stream(b"abc", "bucket", "key")
    assert signer(server.requests[-1]) == "KEY2"


async def test_a_bare_refusal_does_not_use_up_the_doubt_of_a_code(server, make_driver, issue):
    """A store that forgets expired keys is understood, although an object could not be read before."""
    driver = make_driver(provider="minio", credentials=RefreshingCredentials(issue), transfer=TransferConfig())
    server.faults.add(Fault("answer", "HeadObject", status=403, times=2))
    with pytest.raises(AccessDeniedError):
        await driver.get_object("bucket", "key")
    server.faults.add(Fault("answer", "PutObject", status=403, code="InvalidAccessKeyId"))
    await driver.upload_object_via_stream(b"abc", "bucket", "key")
    assert len(issue.issued) == 3


async def test_keys_of_the_environment_are_read_again(server, make_driver, monkeypatch):
    """A program may set its own variables anew."""
    driver = make_driver(credentials=None)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hidden-token")
    for number in (1, 2):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"KEY{number}")
        server.credentials = keys(number)
        await driver.upload_object_via_stream(b"abc", "bucket", "key")


async def test_each_set_of_keys_is_doubted_once(server, make_driver, issue):
    """Objects that may not be read look like expired keys. They do not cost a fetch each, nor do the keys get lost."""
    driver = make_driver(credentials=RefreshingCredentials(issue))
    server.faults.add(Fault("answer", "HeadObject", status=403, times=99))
    for fetched in (2, 2, 2):
        with pytest.raises(AccessDeniedError):
            await driver.get_object("bucket", "key")
        assert len(issue.issued) == fetched
    assert len(server.requests) == 2 + 1 + 1


async def test_a_doubt_that_cannot_be_followed_up_loses_no_keys(server, make_driver):
    """The store's refusal is the caller's, and the keys go on being used."""
    fetches = []

    async def fetch() -> Credentials:
        fetches.append(1)
        if len(fetches) > 1:
            raise TransportError("no network to the service that issues keys")
        return server.credentials

    driver = make_driver(credentials=RefreshingCredentials(fetch))
    server.faults.add(Fault("answer", "HeadObject", status=403))
    with pytest.raises(AccessDeniedError):
        await driver.get_object("bucket", "key")
    await driver.upload_object_via_stream(b"abc", "bucket", "key")
    assert len(fetches) == 2


@pytest.mark.parametrize(
    ("provider", "code", "is_renewed"),
    [
        ("minio", "InvalidAccessKeyId", True),
        ("huawei", "InvalidAccessKeyId", True),
        ("alibaba", "InvalidAccessKeyId", True),
        ("ceph", "AccessDenied", True),
        ("generic", "InvalidAccessKeyId", False),
        ("generic", "AccessDenied", False),
    ],
)
async def test_what_else_a_store_says_of_expired_keys_stands_in_its_row(
    server, make_driver, issue, provider, code, is_renewed
):
    """Elsewhere keys that are fetched from a service are not fetched again for it."""
    driver = make_driver(provider=provider, credentials=RefreshingCredentials(issue), transfer=TransferConfig())
    server.faults.add(Fault("answer", "PutObject", status=403, code=code))
    with nullcontext() if is_renewed else pytest.raises(ResponseError, match=r"PutObject"):
        await driver.upload_object_via_stream(b"abc", "bucket", "key")
    assert len(issue.issued) == 1 + is_renewed


async def test_the_whole_chain_serves_an_upload(server, make_driver, stand_in: StandIn, monkeypatch):
    far = NOW + timedelta(days=9999)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", stand_in.url)
    stand_in.on(metadata(1, expires_at=far), metadata(1, expires_at=far + timedelta(days=1)))
    server.credentials = keys(1)
    server.faults.add(Fault("answer", "UploadPart", status=400, code="ExpiredToken", nth=3))
    driver = make_driver(credentials=None, transfer=ONE_AT_ONCE)
    receipt = await driver.upload_object_via_stream(numbered_parts(5), "bucket", "key")
    assert len(receipt.parts) == 5
    assert len(stand_in.asked) == 2
