"""Forms of real clients and servers, streamed into the store."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import web
from fastapi import FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse

from aios3 import StorageError
from aios3.web import headers_of, iterate_form_files, message_of, status_of
from tests.support.web_servers import aiohttp_serving, uvicorn_serving

CONTENT = bytes(range(256)) * 14


async def store_all(driver, request, seen):
    form = iterate_form_files(request, max_file_size=2 * len(CONTENT))
    try:
        async for file in form:
            receipt = await driver.upload_object_via_stream(file, "bucket", file.name, content_type=file.content_type)
            seen.append((file.filename, receipt.size))
    except StorageError as error:
        seen.append(type(error).__name__)
        return status_of(error), headers_of(error), {"error": message_of(error)}
    seen.append(form.fields)
    return 200, {}, {}


@pytest.fixture(params=["fastapi", "middleware", "asgi", "aiohttp"])
async def serving(request, driver):
    """URL of a server that stores every file of a form, and what it saw."""
    seen = []
    if request.param == "aiohttp":

        async def handle(request):
            status, headers, body = await store_all(driver, request, seen)
            return web.json_response(body, status=status, headers=headers)

        app = web.Application()
        app.router.add_post("/", handle)
        async with aiohttp_serving(app) as url:
            yield url, seen
        return
    if request.param == "asgi":

        async def app(scope, receive, send):
            status, headers, body = await store_all(driver, (scope, receive), seen)
            await JSONResponse(body, status, headers)(scope, receive, send)

    else:
        app = FastAPI()

        async def post(request: Request):
            status, headers, body = await store_all(driver, request, seen)
            return JSONResponse(body, status, headers)

        app.post("/")(post)
        if request.param == "middleware":
            app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    async with uvicorn_serving(app) as url:
        yield url, seen


def form_of(*files):
    form = aiohttp.FormData({"title": "a film"})
    for name, content in files:
        form.add_field(name, content, filename=f"{name}.mp4", content_type="video/mp4")
    form.add_field("last", "x")
    return form


async def test_every_file_of_a_form_becomes_an_object(serving, server):
    url, seen = serving
    async with aiohttp.ClientSession() as session:
        form = form_of(("one", CONTENT), ("two", b""), ("three", CONTENT[:10]))
        async with session.post(url, data=form) as response:
            assert response.status == 200
    assert {key: found.body for (_, key), found in server.objects.items()} == {
        "one": CONTENT,
        "two": b"",
        "three": CONTENT[:10],
    }
    assert server.objects["bucket", "one"].headers["content-type"] == "video/mp4"
    assert seen == [("one.mp4", len(CONTENT)), ("two.mp4", 0), ("three.mp4", 10), {"title": ["a film"], "last": ["x"]}]


async def test_a_file_that_is_too_large_is_413_and_leaves_nothing(serving, server):
    url, seen = serving
    form = form_of(("one", CONTENT * 3))
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as response:
        assert (response.status, await response.json()) == (413, {"error": "the form exceeds max_file_size=7168"})
    assert (server.objects, server.store.uploads) == ({}, {})


async def test_a_client_that_disconnects_in_a_file_leaves_nothing(serving, server):
    """The upload that was open by then is aborted."""
    url, seen = serving
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = b'--x\r\nContent-Disposition: form-data; name="one"; filename="a"\r\n\r\n'
    writer.write(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 99999\r\n\r\n" + head + CONTENT
    )
    async with asyncio.timeout(10):
        while not server.store.uploads:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        while not seen:
            await asyncio.sleep(0.01)
    assert seen == ["ClientDisconnectedError"]
    assert (server.objects, server.store.uploads) == ({}, {})


async def test_a_file_that_the_store_refuses_does_not_spoil_the_next(server, driver):
    """The rest of the refused file is skipped."""
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n' % (name, CONTENT)
        for name in (b"a/../b", b"good")
    )
    chunks = [body[start : start + 999] for start in range(0, len(body), 999)] + [b"--x--"]

    async def receive():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    scope = {"type": "http", "headers": [(b"content-type", b"multipart/form-data; boundary=x")]}
    async for file in iterate_form_files((scope, receive)):
        with contextlib.suppress(StorageError):
            await driver.upload_object_via_stream(file, "nowhere" if file.name != "good" else "bucket", file.name)
    assert {key: found.body for (_, key), found in server.objects.items()} == {"good": CONTENT}
