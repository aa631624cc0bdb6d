"""The page on web uploads: its examples run."""

from __future__ import annotations

import re

import aiohttp

from tests.support.places import ROOT
from tests.support.web_servers import aiohttp_serving, uvicorn_serving

RAW, FORMS, DIRECT, AIOHTTP = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs/web.md").read_text(), re.MULTILINE | re.DOTALL
)


def run(block, **scope_values):
    """Run a block; return its application with values in every scope, as a lifespan or a middleware puts them there."""
    names = {"__name__": "block"}
    exec(compile(block, "docs/web.md", "exec"), names)

    async def app(scope, receive, send):
        await names["app"](scope | scope_values, receive, send)

    return app


async def test_the_raw_example_stores_the_body(server, driver):
    await driver.create_container("videos")
    names = {}
    exec(compile(RAW, "docs/web.md", "exec"), names)

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


async def test_the_direct_example_asks_for_a_login():
    async with (
        uvicorn_serving(run(DIRECT, session={})) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/uploads/s3/multipart", json={}) as response,
    ):
        assert (response.status, await response.json()) == (401, {"message": "a login is required"})


async def test_the_aiohttp_example_asks_for_a_login():
    names = {"__name__": "block"}
    exec(compile(AIOHTTP, "docs/web.md", "exec"), names)
    async with aiohttp_serving(names["app"]) as url, aiohttp.ClientSession() as session:
        for path, headers in (("/files", {"Tus-Resumable": "1.0.0"}), ("/uploads/s3/multipart", {})):
            async with session.post(url + path, headers=headers) as response:
                assert response.status == 401
    assert names["driver"]._closed.is_set()
