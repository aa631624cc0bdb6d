"""Progress of uploads for others: events from any process, and interim responses to the client itself."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Mount

from aios3.web import DirectUploads, ResumableUploads
from aios3.web._direct.messages import DeclaredFile
from tests.support.web_client import WebClient
from tests.support.web_servers import aiohttp_serving, uvicorn_serving

PART = 1024
CONTENT = bytes(range(256)) * 14  # 3.5 parts
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def small_provider(small_provider):
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


def owner_of(scope):
    return dict(scope["headers"]).get(b"x-owner", b"").decode() or None


class Listener:
    """Client of one stream of events."""

    def __init__(self, response):
        self.response = response
        self.ids = []

    async def state(self, loop_clock=None):
        """Return the data of the next event; ``None`` at the end. A clock is moved until there is one."""
        while line := await self._line(loop_clock):
            name, _, value = line.decode().strip().partition(": ")
            if name == "id":
                self.ids.append(value)
            if name == "data":
                return json.loads(value)
        return None

    async def _line(self, loop_clock):
        reading = asyncio.ensure_future(self.response.content.readline())
        while loop_clock is not None and not (await asyncio.wait({reading}, timeout=0.02))[0]:
            await loop_clock.advance(0.5)
        return await reading


class Resumable:
    """Uploads by tus: the upload goes through another process than the events."""

    kind = ResumableUploads
    options = {}  # noqa: RUF012

    def __init__(self, app):
        self._client = WebClient(app, headers={"Tus-Resumable": "1.0.0", "X-Owner": "me"})

    async def begin(self):
        self._path = (await self._client.create(len(CONTENT))).headers["location"]
        return self._path

    async def send(self, start, end):
        assert (await self._client.patch(self._path, start, CONTENT[start:end])).offset == end

    async def complete(self):
        pass

    async def delete(self):
        await self._client.call("DELETE", self._path)


class Direct:
    """Uploads by presigned URLs."""

    kind = DirectUploads
    options = {"part_size": PART, "secret": "a secret of sixteen bytes"}  # noqa: RUF012

    def __init__(self, app):
        self._service = app._service

    async def begin(self):
        file = DeclaredFile({}, "video/mp4", len(CONTENT))
        self._token, _ = await self._service.begin("me", file, "key")
        self._opened = self._service.open("me", self._token, None)
        return f"/files/s3/multipart/{self._token}"

    async def send(self, start, end):
        for number in range(start // PART, -(-end // PART)):
            body = CONTENT[number * PART : (number + 1) * PART]
            await self._service.driver.upload_part(self._opened.upload, number + 1, body)

    async def complete(self):
        parts = await self._service.parts(self._opened)
        await self._service.complete(self._opened, {part.number: part.etag for part in parts})

    async def delete(self):
        await self._service.abort(self._opened)


@pytest.fixture(params=[Resumable, Direct], ids=["resumable", "direct"])
def kind(request):
    return request.param


@pytest.fixture(params=["uvicorn", "aiohttp"])
def server_kind(request):
    return request.param


@pytest.fixture
def uploader(make_driver, kind):
    """Process that takes the bytes."""
    return kind(kind.kind(make_driver(), "bucket", authorize=owner_of, **kind.options))


@pytest.fixture
def uploads(driver, kind):
    """Application of the process that sends the events."""
    return kind.kind(driver, "bucket", authorize=owner_of, **kind.options)


@pytest.fixture
async def listen(uploads, driver, server_kind):
    """Ask the server for the events of an upload; returns the response."""
    if server_kind == "aiohttp":
        app = web.Application()
        app.add_routes(uploads.aiohttp_routes("/files"))
        serving = aiohttp_serving(app)
    else:
        serving = uvicorn_serving(Starlette(routes=[Mount("/files", uploads)]))
    async with serving as url, aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        stack.push_async_callback(driver.aclose)  # as a server does that shuts down

        async def ask(path, owner="me", **headers):
            asking = session.get(url + path, headers={**EVENTS, "X-Owner": owner, **headers})
            return Listener(await stack.enter_async_context(asking))

        yield ask


async def test_two_listeners_follow_an_upload_of_another_process_to_its_end(
    server, uploader, uploads, listen, loop_clock
):
    path = await uploader.begin()
    one, two = await listen(path), await listen(path)
    assert one.response.headers["Content-Type"] == "text/event-stream"
    assert one.response.headers["Cache-Control"] == "no-store"
    for listener in (one, two):
        assert await listener.state() == {"state": "active", "offset": 0, "length": len(CONTENT)}
    await uploader.send(0, 2 * PART)
    before = len(server.requests)
    for listener in (one, two):
        assert (await listener.state(loop_clock))["offset"] == 2 * PART
    assert len(server.requests) - before <= 6  # one or two polls
    await uploader.send(2 * PART, len(CONTENT))
    await uploader.complete()
    state = await one.state(loop_clock)
    while state["state"] == "active":
        state = await one.state(loop_clock)
    assert state == {"state": "complete", "offset": len(CONTENT), "length": len(CONTENT)}
    assert await one.state() is None
    assert one.ids[:2] + one.ids[-1:] == ["0", str(2 * PART), "complete"]
    again = await listen(path, **{"Last-Event-ID": "complete"})
    assert again.response.status == 204  # so a browser asks no more


async def test_an_upload_that_is_deleted_is_gone(uploader, listen, loop_clock):
    path = await uploader.begin()
    listener = await listen(path)
    await listener.state()
    await uploader.delete()
    assert (await listener.state(loop_clock))["state"] == "gone"
    assert await listener.state() is None


async def test_nobody_but_the_owner_listens(uploader, listen):
    path = await uploader.begin()
    assert (await listen(path, owner="you")).response.status == 404
    assert (await listen(path, owner="")).response.status == 401


async def test_too_many_listeners_are_refused(uploader, uploads, listen):
    path = await uploader.begin()
    uploads._watches._most_listeners = 1
    await (await listen(path)).state()
    refused = (await listen(path)).response
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")


async def test_a_listener_that_goes_ends_the_polls(server, uploader, uploads, listen, server_kind, loop_clock, caplog):
    """aiohttp.web shows it within a second."""
    caplog.set_level(logging.ERROR)
    listener = await listen(await uploader.begin())
    await listener.state()
    listener.response.close()
    while uploads._watches._listeners:
        await loop_clock.advance(1 if server_kind == "aiohttp" else 0)
        await asyncio.sleep(0.01)
    assert uploads._watches._watches == {}
    assert caplog.text == ""


async def test_a_driver_that_closes_ends_the_streams(uploader, listen, driver):
    listener = await listen(await uploader.begin())
    await listener.state()
    await driver.aclose()
    assert await listener.state() is None
