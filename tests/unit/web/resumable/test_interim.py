"""Interim responses: who gets them, what they hold, and how often."""

from __future__ import annotations

import pytest

from aios3.models import UploadProgress
from aios3.web._requests.bodies import INTERIM
from aios3.web._resumable.draft import Draft
from aios3.web._resumable.interim import Interim
from aios3.web._resumable.messages import Limits
from aios3.web._resumable.tus import Tus

ABLE = {"extensions": {INTERIM: {}}}


class Client:
    """Client that has sent a version of the draft, and keeps the interim responses."""

    def __init__(self, version="8", *, scope=ABLE, dialect=None):
        self.got = []
        headers = {} if version is None else {"upload-draft-interop-version": version}
        self.interim = Interim(scope, self.send, dialect or Draft(headers))

    async def send(self, message):
        assert message["type"] == INTERIM
        assert message["status"] == 104
        self.got.append({name.decode(): value.decode() for name, value in message["headers"]})


async def test_a_new_upload_is_announced_with_its_url_and_limits():
    client = Client()
    await client.interim.created("/files/a", Limits(99, 60))
    assert client.got == [
        {
            "upload-draft-interop-version": "8",
            "upload-offset": "0",
            "location": "/files/a",
            "upload-limit": "max-size=99, max-age=60",
        }
    ]


@pytest.mark.parametrize("version", ["3", "4"])
async def test_an_old_client_learns_the_url_only(version, loop_clock):
    client = Client(version)
    await client.interim.created("/files/a", Limits(None))
    await loop_clock.advance(1)
    await client.interim.reached(5)
    assert client.got == [
        {"upload-draft-interop-version": version, "location": "/files/a", "upload-limit": "min-size=0"}
    ]


@pytest.mark.parametrize(
    "client",
    [Client(None), Client("2"), Client("10"), Client("?1"), Client(scope={}), Client(scope={"extensions": None}),
     Client(dialect=Tus())],
)  # fmt: skip
async def test_no_other_client_gets_any(client):
    await client.interim.created("/files/a", Limits(None))
    await client.interim.reached(5)
    assert client.got == []


async def test_progress_is_reported_once_a_second_and_only_forward(loop_clock):
    client = Client()
    report = client.interim.from_offset(100)
    for durable in (0, 10, 20):
        await report(UploadProgress(50, 30, None, 3, durable))
    await loop_clock.advance(1)
    for durable in (10, 30):
        await report(UploadProgress(50, 30, None, 3, durable))
    assert [got["upload-offset"] for got in client.got] == ["110", "130"]
    assert all("location" not in got for got in client.got)


async def test_a_client_that_vanishes_ends_no_upload():
    async def send(message):
        raise ConnectionResetError

    await Interim(ABLE, send, Draft({"upload-draft-interop-version": "9"})).reached(5)
