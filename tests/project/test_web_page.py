"""The pages on web uploads: their examples run."""

from __future__ import annotations

import re

import aiohttp

from aios3.testing import S3Server
from tests.support.documents import page_block
from tests.support.web_servers import aiohttp_serving, uvicorn_serving

RAW = page_block("docs/web.md", "body_of(")
FORMS = page_block("docs/web.md", "iterate_form_files(")
DIRECT = page_block("docs/web.md", "Starlette(")
AIOHTTP = page_block("docs/web.md", "aiohttp_routes(")
RESUMABLE = page_block("docs/resumable.md", "ResumableUploads(")

TUS_BODY = "application/offset+octet-stream"


def run(block, **scope_values):
    """Run a block; return its application with values in every scope, as a lifespan or a middleware puts them there."""
    names = block.run()

    async def app(scope, receive, send):
        await names["app"](scope | scope_values, receive, send)

    return app


async def test_the_raw_example_stores_the_body(server, driver):
    await driver.create_container("videos")
    names = RAW.run()

    async def receive():
        return {"type": "http.request", "body": b"film"}

    request = ({"headers": [(b"content-length", b"4")]}, receive)
    assert (await names["put_video"](driver, request)).size == 4


async def test_the_form_example_stores_every_file(server, driver):
    await driver.create_container("videos")
    form = aiohttp.FormData({"title": "a film"})
    for content in (b"x" * 5000, b"y"):
        form.add_field("files", content, filename="cat.mp4", content_type="video/mp4")
    async with uvicorn_serving(run(FORMS, state={"driver": driver})) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/videos", data=form) as response:
            assert (response.status, await response.json()) == (200, {"sizes": [5000, 1]})
        async with session.post(f"{url}/videos", data=b"no form") as response:
            assert response.status == 415
    assert sorted(len(found.body) for found in server.objects.values()) == [1, 5000]


async def test_the_resumable_example_takes_an_upload(monkeypatch, capsys):
    async with S3Server(buckets=["videos"], region="eu-west-1") as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.credentials.secret_access_key)
        async with uvicorn_serving(RESUMABLE.run()["app"], lifespan="on") as url, aiohttp.ClientSession(url) as session:
            headers = {
                "Tus-Resumable": "1.0.0",
                "Upload-Length": "4",
                "Content-Type": TUS_BODY,
            }
            async with session.post("/files/", headers=headers, data=b"film") as response:
                assert response.status == 401
            async with session.post("/files/", headers={**headers, "X-User": "ann"}, data=b"film") as response:
                assert (response.status, response.headers["Upload-Offset"]) == (201, "4")
        assert b"film" in {found.body for found in store.objects.values()}
    assert re.fullmatch(r"incoming/\S+ 4 None\n", capsys.readouterr().out)


async def test_the_direct_example_asks_for_a_login():
    async with (
        uvicorn_serving(run(DIRECT, session={})) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/uploads/s3/multipart", json={}) as response,
    ):
        assert (response.status, await response.json()) == (401, {"message": "a login is required"})


async def test_the_aiohttp_example_asks_for_a_login():
    names = AIOHTTP.run()
    async with aiohttp_serving(names["app"]) as url, aiohttp.ClientSession() as session:
        for path, headers in (("/files", {"Tus-Resumable": "1.0.0"}), ("/uploads/s3/multipart", {})):
            async with session.post(url + path, headers=headers) as response:
                assert response.status == 401
    assert names["driver"]._closed.is_set()
