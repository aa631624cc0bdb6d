"""The example applications: four ways to upload, a client that vanishes, and errors, under each framework."""

from __future__ import annotations

import asyncio
import importlib
import io
import logging
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio

from aios3.testing import S3Server
from tests.support.processes import environment_of
from tests.support.web_servers import aiohttp_serving, uvicorn_serving

FRAMEWORKS = ["fastapi", "starlette", "litestar", "django", "aiohttp"]
BODY = bytes(range(256)) * 24_000
TUS = {"Tus-Resumable": "1.0.0"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Example:
    """Example that runs, and its store."""

    def __init__(self, name, url, store):
        self.name = name
        self.url = url
        self.store = store

    def body(self, key):
        return self.store.objects["videos", key].body


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=FRAMEWORKS)
async def example(request):
    """Each of the applications, imported and started once."""
    with pytest.MonkeyPatch.context() as patch:
        async with S3Server(buckets=["videos"]) as store:
            found = environment_of(store.endpoint_url, store.region, store.credentials)
            aws = {name: value for name, value in found.items() if name.startswith("AWS_")}
            for name, value in {**aws, "SECRET": "x" * 20, "MAX_SIZE": "10000000"}.items():
                patch.setenv(name, value)
            app = importlib.import_module(f"examples.web.{request.param}_app").app
            serving = aiohttp_serving(app) if request.param == "aiohttp" else uvicorn_serving(app, lifespan="on")
            async with serving as url:
                yield Example(request.param, url, store)


@asynccontextmanager
async def session(example):
    async with aiohttp.ClientSession(example.url) as client:
        yield client


async def test_it_takes_a_raw_body(example):
    async with session(example) as client, client.put("/raw/cat.mp4", data=io.BytesIO(BODY)) as response:
        assert (response.status, (await response.json())["size"]) == (200, len(BODY))
    assert example.body("cat.mp4") == BODY


async def test_it_takes_the_files_of_a_form(example):
    form = aiohttp.FormData({"title": "cats"})
    form.add_field("file", io.BytesIO(BODY), filename="cat.mp4", content_type="video/mp4")
    async with session(example) as client, client.post("/form", data=form) as response:
        assert response.status == 200
        keys = await response.json()
    assert example.body(keys["cat.mp4"]) == BODY


async def test_it_takes_a_resumable_upload_in_two_requests(example):
    async with session(example) as client:
        async with client.post("/resumable/", headers={**TUS, "Upload-Length": str(len(BODY))}) as created:
            place = created.headers["Location"]
        for start, end in ((0, 100), (100, len(BODY))):
            headers = {**TUS, "Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
            async with client.patch(place, headers=headers, data=io.BytesIO(BODY[start:end])) as sent:
                assert (sent.status, sent.headers["Upload-Offset"]) == (204, str(end))
        async with client.get(place) as finished:
            assert await finished.read() == BODY


async def test_it_lets_a_browser_upload_straight_to_the_store(example):
    async with session(example) as client:
        async with client.post("/direct/s3/multipart", json={"filename": "x", "type": "video/mp4"}) as created:
            upload = await created.json()
        place = f"/direct/s3/multipart/{upload['uploadId']}"
        async with client.get(f"{place}/1", params={"key": upload["key"]}) as signed:
            url = (await signed.json())["url"]
        async with aiohttp.request("PUT", url, data=b"x") as stored:
            parts = [{"PartNumber": 1, "ETag": stored.headers["ETag"]}]
        async with client.post(f"{place}/complete", params={"key": upload["key"]}, json={"parts": parts}) as response:
            assert response.status == 200
    assert example.body(upload["key"]) == b"x"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [("PUT", "/raw/large", bytes(11_000_000), 413), ("POST", "/form", b"no form", 415)],
)
async def test_an_error_gets_its_status(example, method, path, body, status):
    async with session(example) as client, client.request(method, path, data=io.BytesIO(body)) as response:
        assert response.status == status
    assert example.store.open_uploads == []


@pytest.mark.parametrize("method", ["PUT /raw/gone", "POST /form"])
async def test_a_client_that_vanishes_leaves_no_upload_and_no_logged_error(example, method, caplog):
    """Django reads the whole body before it calls a view, so nothing is open there at any time."""
    boundary = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = (boundary if "form" in method else b"") + BODY[:5_800_000]
    kind = "Content-Type: multipart/form-data; boundary=x"
    head = f"{method} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n{kind}\r\n\r\n"
    _, writer = await asyncio.open_connection(*example.url.removeprefix("http://").split(":"))
    writer.write(head.encode() + body)
    await writer.drain()
    if example.name != "django":
        await example.store.wait_for(lambda store: store.open_uploads)
    writer.transport.abort()
    await example.store.wait_for(lambda store: not store.open_uploads)
    async with session(example) as client, client.put("/raw/after", data=b"x") as response:
        assert response.status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
