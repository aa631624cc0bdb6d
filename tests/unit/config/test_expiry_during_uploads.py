"""Credentials end while an upload runs, and the upload goes on with fresh ones."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3.credentials import Credentials
from aios3.options import TransferConfig
from aios3.testing import Fault, ReceivedRequest, S3Server
from tests.support.credential_stand_in import NOW, StandIn, metadata
from tests.support.fakes import FakeClock

PART = 1024
ONE_AT_ONCE = TransferConfig(part_size=PART, concurrency=1)
EXPIRED = Credentials("KEY0", "hidden-secret", "hidden-token", NOW)


def keys(number: int) -> Credentials:
    return Credentials(f"KEY{number}", "hidden-secret", "hidden-token")


def signer(request: ReceivedRequest) -> str:
    """Return the access key id that a request was signed with."""
    return dict(request.headers)["authorization"].partition("Credential=")[2].partition("/")[0]


async def parts(count: int, at: int, event: Callable[[], object]) -> AsyncIterator[bytes]:
    """Yield parts, and do something before one of them."""
    for number in range(count):
        if number == at:
            event()
        yield bytes([number]) * PART


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

    receipt = await driver.upload_object_via_stream(parts(6, at, expire), "bucket", "key")
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
    upload = asyncio.ensure_future(driver.upload_object_via_stream(parts(9, 99, print), "bucket", "key"))
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


async def test_the_whole_chain_serves_an_upload(server, make_driver, stand_in: StandIn, monkeypatch):
    far = NOW + timedelta(days=9999)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", stand_in.url)
    stand_in.on(metadata(1, expires_at=far), metadata(1, expires_at=far + timedelta(days=1)))
    server.credentials = keys(1)
    server.faults.add(Fault("answer", "UploadPart", status=400, code="ExpiredToken", nth=3))
    driver = make_driver(credentials=None, transfer=ONE_AT_ONCE)
    receipt = await driver.upload_object_via_stream(parts(5, 99, print), "bucket", "key")
    assert len(receipt.parts) == 5
    assert len(stand_in.asked) == 2
