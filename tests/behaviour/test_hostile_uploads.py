"""Resumable uploads of strangers who obey no protocol, over sockets of real servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import logging

import pytest
from aiohttp import web

from aios3.web import ResumableUploads
from tests.support.web_servers import aiohttp_serving, raw_connection, uvicorn_serving

LENGTH = 3000
MOST = 5000
STRANGER = "/files/" + "x" * 32
TUS = {"Tus-Resumable": "1.0.0"}
CREATE = {**TUS, "Upload-Length": "9"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}
PATCH = {**CHUNK, "Upload-Offset": "100"}
DRAFT = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0", "Upload-Offset": "100"}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def twice(name, one, two):
    """Return a header that comes twice."""
    return {name: f"{one}\r\n{name}: {two}"}


CREATIONS = {
    "no length": (TUS, 400),
    "two kinds of length": ({**CREATE, "Upload-Defer-Length": "1"}, 400),
    "a negative length": ({**TUS, "Upload-Length": "-1"}, 400),
    "a huge length": ({**TUS, "Upload-Length": "9" * 30}, 413),
    "a length of thousands of digits": ({**TUS, "Upload-Length": "9" * 8000}, 413),
    "two lengths": ({**TUS, **twice("Upload-Length", "5", "6")}, 400),
    "a length above the limit": ({**TUS, "Upload-Length": str(MOST + 1)}, 413),
    "a strange deferral": ({**TUS, "Upload-Defer-Length": "true"}, 400),
    "another version": ({**CREATE, "Tus-Resumable": "0.2.2"}, 412),
    "two versions": ({**CREATE, **twice("Tus-Resumable", "1.0.0", "1.0.0")}, 412),
    "metadata that are not base64": ({**CREATE, "Upload-Metadata": "a !"}, 400),
    "metadata of two lines": ({**CREATE, "Upload-Metadata": f"a {encoded('b' + chr(13) + chr(10) + 'c: d')}"}, 400),
    "metadata of bytes that are no text": ({**CREATE, "Upload-Metadata": "\xe4 YQ=="}, 400),
    "a name twice in two headers": ({**CREATE, **twice("Upload-Metadata", "a YQ==", "a Yg==")}, 400),
    "too many metadata": ({**CREATE, "Upload-Metadata": f"a {encoded('x' * 1024)}"}, 413),
    "metadata that S3 does not keep": ({**CREATE, "Upload-Metadata": ",".join(f"{n} w6k=" for n in range(200))}, 413),
    "a union of letters that no URL has": ({**TUS, "Upload-Concat": "final;http://x/" + "\xe4" * 8000}, 400),
    "a union of a stranger's upload": ({**TUS, "Upload-Concat": f"final;{STRANGER}"}, 404),
    "a union with no URL": ({**TUS, "Upload-Concat": "final;http://[x"}, 404),
    "a union of nothing": ({**TUS, "Upload-Concat": "final;"}, 400),
    "a union of another kind": ({**CREATE, "Upload-Concat": "finally;/a"}, 400),
    "a union of too many": ({**TUS, "Upload-Concat": "final;" + "/a " * 101}, 413),
    "a union with a body": ({**CHUNK, "Upload-Concat": "final;/a", "Content-Length": "1"}, 400),
    "a draft without a truth": ({"Upload-Complete": "1"}, 400),
    "a draft of two truths": (twice("Upload-Complete", "?1", "?0"), 400),
    "a draft above the limit": ({"Upload-Complete": "?0", "Upload-Length": str(MOST + 1)}, 413),
    "a draft of two lengths": ({"Upload-Complete": "?1", "Upload-Length": "5", "Content-Length": "4"}, 400),
    "a draft with a digest that is none": ({"Upload-Complete": "?1", "Content-Digest": "sha-256=:A:"}, 400),
    "headers without end": ({**CREATE, **{f"X-{number}": "x" * 4000 for number in range(9)}}, 431),
}
APPENDS = {
    "another type": ({**PATCH, "Content-Type": "text/plain"}, 415),
    "no offset": (CHUNK, 400),
    "a negative offset": ({**PATCH, "Upload-Offset": "-1"}, 400),
    "a huge offset": ({**PATCH, "Upload-Offset": "9" * 30}, 409),
    "two offsets": ({**PATCH, **twice("Upload-Offset", "100", "100")}, 400),
    "an offset that was": ({**PATCH, "Upload-Offset": "0"}, 409),
    "an offset to come": ({**PATCH, "Upload-Offset": "101"}, 409),
    "another length": ({**PATCH, "Upload-Length": str(LENGTH - 1)}, 400),
    "a body beyond the length": ({**PATCH, "Content-Length": str(LENGTH)}, 413),
    "a body beyond the length that waits": ({**PATCH, "Content-Length": str(LENGTH), "Expect": "100-continue"}, 413),
    "a huge body": ({**PATCH, "Content-Length": "9" * 18}, (400, 413)),
    "an unknown checksum": ({**PATCH, "Upload-Checksum": "crc32 AA=="}, 400),
    "a checksum that is none": ({**PATCH, "Upload-Checksum": "sha1 ?"}, 400),
    "another checksum": ({**PATCH, "Upload-Checksum": "sha1 AA=="}, 460),
    "another version": ({**PATCH, "Tus-Resumable": "2.0.0"}, 412),
    "a draft of another type": ({**DRAFT, "Content-Type": "video/mp4", "Upload-Draft-Interop-Version": "8"}, 415),
    "a draft at another offset": ({**DRAFT, "Upload-Offset": "7"}, 409),
    "a draft without a truth": ({**DRAFT, "Upload-Complete": "yes"}, 400),
    "a draft of another length": ({**DRAFT, "Upload-Length": "101"}, 400),
    "a draft that ends too early": ({**DRAFT, "Upload-Complete": "?1", "Content-Length": "1"}, 400),
    "a draft with another digest": ({**DRAFT, "Content-Digest": "sha-256=:AA==:"}, 400),
    "a negative size": ({**PATCH, "Content-Length": "-1"}, 400),
    "two sizes": ({**PATCH, **twice("Content-Length", "1", "2")}, 400),
}
OTHERS = {
    "an unknown method": ("BREW", "", TUS, (400, 405)),
    "an unknown method in a header": ("POST", "", {**TUS, "X-HTTP-Method-Override": "BREW\x7f"}, (400, 405)),
    "a change of the whole": ("DELETE", "/files/", TUS, 405),
    "the upload of a stranger": ("HEAD", STRANGER, TUS, 404),
    "the deletion of a stranger's": ("DELETE", STRANGER, TUS, 404),
    "a path": ("HEAD", "/files/..%2f..%2fbucket", TUS, 404),
    "a path of bytes": ("HEAD", "/files/%00%ff", TUS, 404),
    "a path below the upload": ("HEAD", "URL/x", TUS, 404),
    "a long path": ("HEAD", "/files/" + "x" * 6000, TUS, 404),
}


@pytest.fixture
def small_provider(small_provider):
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


@pytest.fixture(params=["uvicorn", "aiohttp"])
async def hostile(request, driver):
    """Send raw requests to a real server; gives the status and the headers of each response."""
    uploads = ResumableUploads(driver, "bucket", max_size=MOST)
    if request.param == "uvicorn":
        serving = uvicorn_serving(mounted(uploads))
    else:
        app = web.Application()
        app.add_routes(uploads.aiohttp_routes("/files"))
        serving = aiohttp_serving(app, lingering_time=0)
    async with serving as url:

        async def send(method, target, headers, body=b""):
            async with raw_connection(url) as (reader, writer):
                sent = {"Host": "x", "Connection": "close", "Content-Length": str(len(body)), **headers}
                lines = [
                    f"{method} {target} HTTP/1.1",
                    *(f"{name}: {value}" for name, value in sent.items() if value),
                    "",
                    "",
                ]
                writer.write("\r\n".join(lines).encode("latin-1") + body)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *rest = head.strip().split("\r\n")
            pairs = (line.partition(":") for line in rest)
            return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

        yield send


def mounted(app):
    """Mount an application at /files, without a framework."""

    async def mount(scope, receive, send):
        await app({**scope, "root_path": "/files"}, receive, send)

    return mount


async def test_what_no_protocol_allows_has_its_status_and_changes_nothing(server, hostile, caplog):
    _, created = await hostile("POST", "/files/", {**TUS, "Upload-Length": str(LENGTH)})
    url = created["location"]
    await hostile("PATCH", url, {**CHUNK, "Upload-Offset": "0"}, b"x" * 100)
    before = {key: stored.body for key, stored in server.objects.items() if ".tail" in key[1]}
    rows = {("POST", name): ("POST", "/files/", *row) for name, row in CREATIONS.items()}
    rows |= {("PATCH", name): ("PATCH", url, *row) for name, row in APPENDS.items()}
    rows |= {
        ("", name): (method, path.replace("URL", url) or url, *row) for name, (method, path, *row) in OTHERS.items()
    }
    expected, found = {}, {}
    for name, (method, target, headers, status) in rows.items():
        body = b"" if "Content-Length" in headers else b"y" * 9 * (method == "PATCH")
        given, response = await hostile(method, target, headers, body)
        is_listed = isinstance(status, tuple) and given in status
        expected[name] = given if is_listed else status
        found[name] = given
        limit = response.get("tus-max-size") or response.get("upload-limit", "").removeprefix("max-size=")
        assert limit == (str(MOST) if given == 413 else ""), name  # what is too large learns what is not
        assert "upload-offset" not in response or given == 409, name
    assert found == expected
    assert {key: stored.body for key, stored in server.objects.items() if ".tail" in key[1]} == before
    assert (await hostile("HEAD", url, TUS))[1]["upload-offset"] == "100"
    assert len(server.store.uploads) == 1
    assert [record for record in caplog.records if record.name == "aios3"] == []


LIES = {
    "a chunk of no size": ({"Transfer-Encoding": "chunked", "Content-Length": ""}, b"4\r\nabcd\r\nzz\r\nabcd"),
    "a chunk of a negative size": ({"Transfer-Encoding": "chunked", "Content-Length": ""}, b"-4\r\nabcd\r\n"),
    "a length and chunks": ({"Transfer-Encoding": "chunked", "Content-Length": "4"}, b"4\r\nabcd\r\n0\r\n\r\n"),
    "a request behind the body": ({"Content-Length": "4"}, b"abcdPATCH / HTTP/1.1\r\n\r\n"),
    "a body that breaks off": ({"Content-Length": "9"}, b"abcd"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_body_that_lies_adds_nothing_but_its_own_bytes(server, hostile, lie, caplog):
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
    headers, body = LIES[lie]
    _, created = await hostile("POST", "/files/", {**TUS, "Upload-Length": "9"})
    url = created["location"]
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        async with asyncio.timeout(0.2):
            await hostile("PATCH", url, {**CHUNK, "Upload-Offset": "0", **headers}, body)
    status = None
    while status != 204:  # the server may still end the first request
        _, found = await hostile("HEAD", url, TUS)
        offset = found["upload-offset"]
        assert offset in ("0", "4")
        status, _ = await hostile("PATCH", url, {**CHUNK, "Upload-Offset": offset}, b"abcdefghi"[int(offset) :])
    (stored,) = [stored for (_, key), stored in server.objects.items() if ".uploads/" not in key]
    assert stored.body == b"abcdefghi"
