"""The example with a page for videos, on the wire and without a browser."""

from __future__ import annotations

import random
from base64 import b64encode
from io import BytesIO

import aiohttp
import pytest
from yarl import URL

from aios3.testing import Fault
from examples.video_page.__main__ import main
from examples.video_page.app import key_for
from tests.support.video_page import new_store, serving_page, videos_of

CONTENT = random.Random(1).randbytes(6_000_000)
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
async def store():
    async with new_store() as made:
        yield made


@pytest.fixture
async def client():
    async with aiohttp.ClientSession(requote_redirect_url=False) as session:
        yield session


@pytest.fixture
async def page(store):
    async with serving_page(store, MAX_SIZE="10000000") as url:
        yield url


def creation(name="cat.mp4", kind="video/mp4", size=len(CONTENT)):
    pairs = {"filename": name, "filetype": kind}
    metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in pairs.items())
    return {**TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}


async def create(client, page, **values):
    async with client.post(f"{page}/files/", headers=creation(**values)) as response:
        assert response.status == 201
        return response.headers["Location"]


async def send(client, url, offset, body):
    async with client.patch(url, data=BytesIO(body), headers={**CHUNK, "Upload-Offset": str(offset)}) as response:
        assert response.status == 204
        return int(response.headers["Upload-Offset"])


async def list_videos(client, page):
    async with client.get(f"{page}/videos") as response:
        assert response.status == 200
        return await response.json()


async def test_an_upload_continues_in_another_process_and_can_be_watched(store, client, page):
    async with serving_page(store) as other:
        place = await create(client, page)
        offset = await send(client, page + place, 0, CONTENT[:5_500_000])
        assert await send(client, other + place, offset, CONTENT[offset:]) == len(CONTENT)
        [video] = await list_videos(client, other)
    assert (video["name"], video["size"]) == ("cat.mp4", len(CONTENT))
    async with client.get(f"{page}/videos/{video['path']}", headers={"Range": "bytes=100-199"}) as response:
        assert response.url.origin() == URL(store.endpoint_url)
        assert (response.status, response.content_type) == (206, "video/mp4")
        assert await response.read() == CONTENT[100:200]
    async with client.get(f"{page}/videos/{video['path']}?download") as response:
        assert response.headers["Content-Disposition"] == "attachment"
    assert store.open_uploads == []


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"kind": "text/html"}, 415),
        ({"kind": ""}, 415),
        ({"size": 10_000_001}, 413),
    ],
)
async def test_what_is_no_video_or_too_large_is_refused_before_a_byte(store, client, page, values, status):
    async with client.post(f"{page}/files/", headers=creation(**values)) as response:
        assert response.status == status
    assert store.open_uploads == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../.uploads/x.json", "uploads x.json"),
        ("C:\\videos\\cat.mp4", "C: videos cat.mp4"),
        ("..", "video"),
        ("", "video"),
        ("ü" * 150 + ".mp4", "ü" * 98 + ".mp4"),
    ],
)
def test_any_name_becomes_the_last_segment_of_a_key(name, kept):
    folder, _, rest = key_for(None, {"filename": name, "filetype": "video/mp4"}).partition("/")
    assert (folder, rest.partition("/")[2]) == ("videos", kept)


async def test_a_video_with_any_characters_in_its_name_is_listed_and_plays(store, client, page):
    name = "Größe: + 100 %?#&.mp4"
    await send(client, page + await create(client, page, name=name, size=3), 0, b"abc")
    [video] = await list_videos(client, page)
    assert video["name"] == name
    async with client.get(URL(f"{page}/videos/{video['path']}", encoded=True)) as response:
        assert await response.read() == b"abc"
    assert videos_of(store) == {name: b"abc"}


async def test_the_newest_video_is_first_in_the_list(client, page, monkeypatch):
    for moment in (2_000, 1_999, 2_001):
        monkeypatch.setattr("examples.video_page.app.time.time_ns", lambda moment=moment: moment * 10**6)
        await create(client, page, name=f"{moment}.mp4", size=0)
    monkeypatch.undo()
    assert [video["name"] for video in await list_videos(client, page)] == ["2001.mp4", "2000.mp4", "1999.mp4"]


async def test_only_videos_get_a_playback_url(client, page):
    for path in (".uploads/x.json", "cat.mp4", "0000000000000-AAAAAAAAAAAAAAAA/a/b", "%2e%2e/cat.mp4"):
        url = URL(f"{page}/videos/{path}", encoded=True)
        async with client.get(url, allow_redirects=False) as response:
            assert (path, response.status, response.headers.get("Location")) == (path, 404, None)


async def test_a_list_that_the_store_refuses_is_502_and_says_nothing_of_the_store(store, client, page):
    store.faults.add(Fault("answer", "ListObjectsV2", status=403, code="AccessDenied", times=9))
    async with client.get(f"{page}/videos") as response:
        assert (response.status, await response.text()) == (502, "the store refused")


async def test_every_response_forbids_what_comes_from_elsewhere(client, page):
    for path in ("", "videos", "static/page.js", "files/x"):
        async with client.get(f"{page}/{path}", headers=TUS) as response:
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")


@pytest.mark.parametrize("options", [["--port", "70000"], ["--port", "0"], ["--workers", "0"]])
def test_an_option_that_cannot_be_is_one_line(options, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["video_page", *options])
    assert main() == 2
    assert capsys.readouterr().err.count("\n") == 1
