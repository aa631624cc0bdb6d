"""Requests of aiohttp.web as an application of ASGI sees them, and what it sends."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from aios3.web._requests.aiohttp_adapter import REQUEST, aiohttp_routes
from aios3.web._requests.bodies import INTERIM
from tests.support.web_servers import aiohttp_serving, raw_connection


class Application:
    """Application that keeps the scopes and messages of its requests, and responds with the body."""

    def __init__(self):
        self.scopes, self.messages = [], []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        body = b""
        while True:
            message = await receive()
            self.messages.append(message)
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 202, "headers": [(b"x-seen", "é".encode())]})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connection(app):
    async with aiohttp_serving(app, lingering_time=0) as url, raw_connection(url) as streams:
        yield streams


def serving(application, path="/files", *, below=None):
    """Return an aiohttp application with the routes; `below` is the path of a sub-application."""
    app = web.Application()
    app.add_routes(aiohttp_routes(application, path))
    if below is None:
        return app
    outer = web.Application()
    outer.add_subapp(below, app)
    return outer


@pytest.mark.parametrize(
    ("path", "below", "target", "root"),
    [
        ("/files", None, "/files", "/files"),
        ("/files/", None, "/files/", "/files"),
        ("/files", None, "/files/a%20b%2Fc/d?x=%41&y", "/files"),
        ("/files", "/sub", "/sub/files/a", "/sub/files"),
        ("", "/sub", "/sub/a", "/sub"),
        ("/", None, "/a", ""),
        ("/of/{user}/files", None, "/of/m%C3%A9/files/a", "/of/mé/files"),
    ],
)
async def test_the_path_of_the_application_is_the_root(path, below, target, root):
    application = Application()
    async with (
        aiohttp_serving(serving(application, path, below=below)) as url,
        aiohttp.ClientSession() as session,
        session.put(URL(url + target, encoded=True), data=b"abc", headers={"X-Name": "1"}) as response,
    ):
        assert (response.status, await response.read()) == (202, b"abc")
        assert response.headers["x-seen"] == "é"
    (scope,) = application.scopes
    assert (scope["type"], scope["method"], scope["http_version"], scope["scheme"]) == ("http", "PUT", "1.1", "http")
    assert scope["root_path"] == root
    assert scope["path"] == URL(target, encoded=True).path
    assert scope["query_string"] == URL(target, encoded=True).raw_query_string.encode()
    assert (b"x-name", b"1") in scope["headers"]
    assert isinstance(scope[REQUEST], web.Request)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "unknown"])
async def test_a_coded_body_is_refused_before_it_is_decoded(coding):
    """aiohttp decodes it, so what the application stored would not be what the client sent."""
    application = Application()
    async with aiohttp_serving(serving(application)) as url, aiohttp.ClientSession() as session:
        headers = {"Content-Encoding": coding}
        async with session.put(f"{url}/files", data=gzip.compress(b"x" * 9), headers=headers) as response:
            assert response.status == 415
    assert application.scopes == []


@pytest.mark.parametrize("head", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
async def test_a_client_that_vanishes_is_a_disconnection(head, caplog):
    application = Application()
    async with connection(serving(application)) as (_, writer):
        writer.write(b"PUT /files HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        while not application.scopes:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        while not application.messages:
            await asyncio.sleep(0.01)
    assert application.messages == [{"type": "http.disconnect"}]
    assert caplog.text == ""


async def test_a_client_that_vanishes_during_the_response_makes_no_noise(caplog):
    is_over = asyncio.Event()

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
                await asyncio.sleep(0)
        finally:
            is_over.set()

    async with connection(serving(endless)) as (reader, writer):
        writer.write(b"GET /files HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        await is_over.wait()
    assert caplog.text == ""


async def test_a_client_that_vanishes_is_seen_after_its_body_without_a_write(loop_clock):
    is_read, seen = asyncio.Event(), asyncio.Event()

    async def wait(scope, receive, send):
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        is_read.set()
        assert await receive() == {"type": "http.disconnect"}
        seen.set()

    async with connection(serving(wait)) as (_, writer):
        writer.write(b"GET /files HTTP/1.1\r\nHost: x\r\n\r\n")
        await is_read.wait()
        writer.transport.abort()
        while not seen.is_set():
            await loop_clock.advance(1)
            await asyncio.sleep(0.01)


async def test_a_client_that_waits_is_told_to_continue_when_the_body_is_read():
    """A refusal by the headers comes without it, so the body is never sent."""

    async def refuse(scope, receive, send):
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    request = b"PUT /files HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with connection(serving(refuse)) as (reader, writer):
        writer.write(request)
        refusal = await reader.read()
        assert refusal.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in refusal
    async with connection(serving(Application())) as (reader, writer):
        writer.write(request)
        assert await reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")


async def test_interim_responses_are_sent_before_the_response():
    async def announce(scope, receive, send):
        assert INTERIM in scope["extensions"]
        for number in (b"1", b"2"):
            await send({"type": INTERIM, "status": 104, "headers": [(b"upload-offset", number)]})
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with connection(serving(announce)) as (reader, writer):
        writer.write(b"PUT /files HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        sent = (await reader.read()).split(b"\r\n\r\n")
    assert sent[0] == b"HTTP/1.1 104 Upload Resumption Supported\r\nupload-offset: 1"
    assert sent[1].endswith(b"\r\nupload-offset: 2")
    assert sent[2].startswith(b"HTTP/1.1 204 No Content\r\n")


async def test_a_client_that_reads_no_interim_responses_holds_nothing_up():
    """What it does not read is left out, so its own upload ends."""
    count = 0

    async def announce(scope, receive, send):
        nonlocal count
        for count in range(20_000):
            await send({"type": INTERIM, "status": 104, "headers": [(b"upload-offset", b"1" * 4000)]})
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with connection(serving(announce)) as (_, writer):
        writer.transport.pause_reading()
        writer.write(b"PUT /files HTTP/1.1\r\nHost: x\r\n\r\n")
        while count < 19_999:
            await asyncio.sleep(0.01)


async def test_http_1_0_has_no_interim_responses():
    application = Application()
    async with connection(serving(application)) as (reader, writer):
        writer.write(b"GET /files HTTP/1.0\r\nHost: x\r\n\r\n")
        assert b" 202 " in await reader.readline()
    assert application.scopes[0]["extensions"] == {}
