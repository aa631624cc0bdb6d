"""Direct uploads: a browser's requests over HTTP to three processes, and its parts straight to the store."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import io
import json
import re
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount

from aios3 import ResponseError, S3StorageDriver, TransferConfig
from aios3.testing import Fault
from aios3.web import DirectUploads
from aios3.web._direct.service import OpenUpload
from tests.support.web_servers import aiohttp_serving, uvicorn_serving

PART = 1024
CONTENT = b"".join(bytes([number]) * 256 for number in range(14))  # 3.5 parts, all different
SECRET = "a secret of sixteen bytes or more"


@pytest.fixture
def small_provider(small_provider):
    """A store that is known to take conditions at the commit."""
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


class Browser:
    """Client of one owner. Each request goes to the next process."""

    def __init__(self, session, urls, owner="me"):
        self._session, self._urls, self.owner = session, urls, owner
        self._turn = 0

    async def ask(self, method, path, *, status=200, owner=None, **options):
        self._turn += 1
        url = path if path.startswith("http") else self._urls[self._turn % len(self._urls)] + path
        headers = options.pop("headers", {}) | {"x-owner": owner or self.owner}
        async with self._session.request(method, url, headers=headers, **options) as response:
            body = await response.read()
            assert response.status == status, body
            assert response.headers["cache-control"] == "no-store"
            if status >= 400:
                assert json.loads(body)["message"]
            self.headers = response.headers
        is_json = response.content_type == "application/json"
        return json.loads(body) if is_json else body.decode()

    async def put(self, url, content, *, status=200, **headers):
        """Send bytes to the store, as a browser does; return their ETag."""
        async with self._session.put(url, data=content, headers=headers) as response:
            assert response.status == status, await response.text()
            return response.headers.get("etag")

    async def begin(self, content=CONTENT, **more):
        known = {"filename": "cat.mp4", "type": "video/mp4", "metadata": {"album": "7", "relativePath": None}}
        return await self.ask("POST", "/s3/multipart", json=known | {"size": len(content)} | more)

    async def send(self, begun, content=CONTENT, part_size=PART):
        parts = []
        for number, start in enumerate(range(0, len(content), part_size), 1):
            signed = await self.ask("GET", f"{place(begun)}/{number}?key={begun['key']}")
            etag = await self.put(signed["url"], content[start : start + part_size])
            parts.append({"PartNumber": number, "ETag": etag})
        return parts

    async def complete(self, begun, parts, **options):
        return await self.ask("POST", f"{place(begun)}/complete?key={begun['key']}", json={"parts": parts}, **options)


def place(begun):
    return f"/s3/multipart/{begun['uploadId']}"


def owner_of(scope):
    name = dict(scope["headers"])[b"x-owner"].decode()
    if name == "stranger":
        return None
    if name == "banned":
        raise PermissionError
    if name == "teapot":
        raise HTTPException(418, headers={"WWW-Authenticate": "Basic"})
    if name == "broken":
        raise ResponseError("x", operation="GetObject", status=404)
    return name


@pytest.fixture
def completed():
    return []


@pytest.fixture
async def browse(server, make_driver, completed):
    """Make a browser of servers of FastAPI, of Starlette and of aiohttp.web, whose applications have these options."""
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as session:
        stop = asyncio.Event()

        async def serve(app, ready):
            serving = aiohttp_serving if isinstance(app, web.Application) else uvicorn_serving
            async with serving(app) as url:
                ready.set_result(f"{url}/up")
                await stop.wait()

        async def make(**options):
            known = {"part_size": PART, "secret": SECRET, "authorize": owner_of, "clock": Clock()}
            known["on_complete"] = lambda receipt, metadata: completed.append((receipt.key, dict(metadata)))
            urls = []
            for kind in ("fastapi", "starlette", "aiohttp"):
                direct = DirectUploads(make_driver(), "bucket", **(known | options))
                if kind == "fastapi":
                    app = FastAPI()
                    app.mount("/up", direct)
                    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
                elif kind == "starlette":
                    app = Starlette(routes=[Mount("/up", direct)])
                else:
                    app = web.Application()
                    app.add_routes(direct.aiohttp_routes("/up"))
                ready = asyncio.get_running_loop().create_future()
                group.create_task(serve(app, ready))
                urls.append(await ready)
            return Browser(session, urls)

        yield make
        stop.set()


# Uppy's Companion


async def test_an_upload_through_two_processes_becomes_the_object(server, browse, completed):
    """Nothing is visible before the commit. The key is random, and the client's metadata reaches the application."""
    browser = await browse(prefix="in/")
    begun = await browser.begin()
    assert re.fullmatch(r"in/[0-9a-f]{32}", begun["key"])
    assert (begun["bucket"], begun["partSize"]) == ("bucket", PART)
    parts = await browser.send(begun)
    listed = await browser.ask("GET", f"{place(begun)}?key={begun['key']}")
    assert listed == [part | {"Size": min(PART, len(CONTENT) - index * PART)} for index, part in enumerate(parts)]
    assert server.objects == {}
    done = await browser.complete(begun, parts)
    assert (done["key"], done["bucket"]) == (begun["key"], "bucket")
    assert done["location"] == f"{server.endpoint_url}/bucket/{begun['key']}"
    found = server.objects["bucket", begun["key"]]
    assert (found.body, found.headers["content-type"]) == (CONTENT, "video/mp4")
    assert completed == [(begun["key"], {"album": "7", "filename": "cat.mp4", "type": "video/mp4"})]


async def test_completing_again_is_a_success_and_calls_nothing_again(server, browse, completed):
    """The first response may have been lost. Also two requests at the same moment, to two processes."""
    browser = await browse()
    begun = await browser.begin()
    parts = await browser.send(begun)
    results = await asyncio.gather(*(browser.complete(begun, parts) for _ in range(4)))
    assert results == [results[0]] * 4
    assert await browser.complete(begun, parts) == results[0]
    assert len(completed) == 1


def begun_by(direct, upload):
    """Return owner, token and key of an upload that another code began."""
    return None, direct._service._seal(None, OpenUpload(upload, {})), upload.key


class RepeatingDriver(S3StorageDriver):
    """Driver of a store that repeats its response to a commit, as Amazon S3 does."""

    receipts = None

    async def complete_multipart_upload(self, upload, **options):
        if self.receipts is None:
            self.receipts = [await super().complete_multipart_upload(upload, **options)]
            await asyncio.sleep(0.05)
        return self.receipts[0]


async def test_requests_at_the_same_moment_complete_one_after_the_other(make_driver, completed):
    driver = make_driver(RepeatingDriver)
    direct = DirectUploads(driver, "bucket", on_complete=lambda *known: completed.append(known))
    upload = await driver.create_multipart_upload("bucket", "key", transfer=TransferConfig(nonce=True))
    part = await driver.upload_part(upload, 1, b"x")
    opened = direct._service.open(*begun_by(direct, upload))
    urls = await asyncio.gather(*(direct._service.complete(opened, {1: part.etag}) for _ in range(3)))
    assert len(set(urls)) == len(completed) == 1


async def test_a_batch_signs_several_parts(server, browse):
    browser = await browse()
    begun = await browser.begin()
    signed = await browser.ask("GET", f"{place(begun)}/batch?key={begun['key']}&partNumbers=1,4")
    assert (sorted(signed["presignedUrls"]), signed["expires"]) == (["1", "4"], 900)
    await browser.put(signed["presignedUrls"]["4"], CONTENT[3 * PART :])


async def test_an_abort_leaves_nothing(server, browse):
    browser = await browse()
    begun = await browser.begin()
    await browser.send(begun)
    assert await browser.ask("DELETE", f"{place(begun)}?key={begun['key']}") == {}
    assert (server.objects, server.store.uploads) == ({}, {})
    await browser.ask("GET", place(begun), status=404)
    await browser.complete(begun, [], status=404)


async def test_a_url_binds_the_length_of_its_part_if_the_size_is_declared(server, browse):
    browser = await browse()
    begun = await browser.begin()
    signed = await browser.ask("GET", f"{place(begun)}/4")
    await browser.put(signed["url"], CONTENT[:PART], status=403)
    await browser.put(signed["url"].replace("partNumber=4", "partNumber=1"), CONTENT[3 * PART :], status=403)
    await browser.ask("GET", f"{place(begun)}/5", status=400)
    await browser.put(signed["url"], CONTENT[3 * PART :])


@pytest.mark.parametrize("wrong", ["gap", "another ETag", "a part more", "none", "short"])
async def test_parts_that_are_not_those_of_the_client_are_refused(server, browse, completed, wrong):
    """Nothing is committed, and the upload stays open."""
    browser = await browse()
    begun = await browser.begin()
    parts = await browser.send(begun, CONTENT[: 3 * PART] if wrong == "short" else CONTENT)
    if wrong == "gap":
        del parts[1]
    elif wrong == "another ETag":
        parts[1]["ETag"] = parts[0]["ETag"]
    elif wrong == "a part more":
        parts.append({"PartNumber": 5, "ETag": "x"})
    elif wrong == "none":
        parts = []
    await browser.complete(begun, parts, status=422)
    assert (server.objects, len(server.store.uploads), completed) == ({}, 1, [])


async def test_without_a_declared_size_the_client_chooses_the_parts(server, browse):
    browser = await browse()
    begun = await browser.begin(size=None)
    await browser.complete(begun, await browser.send(begun, part_size=2 * PART))
    assert server.objects["bucket", begun["key"]].body == CONTENT


async def test_parts_of_undeclared_size_are_checked_at_the_end(server, browse, completed):
    browser = await browse(max_size=len(CONTENT) - 1)
    begun = await browser.begin(size=None)
    parts = await browser.send(begun)
    await browser.ask("GET", f"{place(begun)}/5", status=400)
    await browser.complete(begun, parts, status=413)
    assert (server.objects, server.store.uploads, completed) == ({}, {}, [])


async def test_a_declared_size_above_the_limit_is_refused(server, browse):
    browser = await browse(max_size=10, require_size=True)
    await browser.ask("POST", "/s3/multipart", json={"size": 11}, status=413)
    await browser.ask("POST", "/s3/multipart", json={}, status=411)
    await browser.ask("GET", "/s3/params?size=11", status=413)
    await browser.ask("GET", "/s3/params", status=411)
    await browser.ask("POST", "/s3/sign", json={"method": "POST", "key": "a"}, status=411)
    assert server.requests == []


async def test_a_small_file_is_one_put_that_binds_key_type_and_length(server, browse):
    browser = await browse()
    signed = await browser.ask("GET", "/s3/params?filename=cat.txt&type=text/plain&metadata[album]=7&size=5")
    assert (signed["method"], signed["expires"]) == ("PUT", 900)
    await browser.put(signed["url"], b"four", status=403, **signed["headers"])
    await browser.put(signed["url"], b"12345", status=403, **{"Content-Type": "text/html"})
    await browser.put(
        signed["url"].replace(signed["fields"]["key"], "other"), b"12345", status=403, **signed["headers"]
    )
    await browser.put(signed["url"], b"12345", **signed["headers"])
    found = server.objects["bucket", signed["fields"]["key"]]
    assert (found.body, found.headers["content-type"]) == (b"12345", "text/plain")


# Uppy 6


async def test_uppy_6_signs_parts_for_the_store_and_the_rest_for_this_server(server, browse, completed):
    """As its S3 client does: without a login, in S3's XML, with the key of the first response."""
    browser = await browse(expires_in=60)

    async def s3(method, body=None, *, status=200, headers=None, **wanted):
        signed = await browser.ask("POST", "/s3/sign", json={"method": method, **wanted})
        assert urlsplit(signed["url"]).path.startswith("/up/s3/signed/")
        response = await browser.ask(
            method, signed["url"], data=body, headers=headers or {}, status=status, owner="stranger"
        )
        return signed, response

    signed, created = await s3("POST", key="cat.mp4", size=len(CONTENT), headers={"Content-Type": "video/mp4"})
    key, token = signed["key"], re.search("<UploadId>(.*)</UploadId>", created)[1]
    etags = {}
    for number, start in enumerate(range(0, len(CONTENT), PART), 1):
        wanted = {"method": "PUT", "key": key, "uploadId": token, "partNumber": number, "expiresIn": 9999}
        url = (await browser.ask("POST", "/s3/sign", json=wanted))["url"]
        assert url.startswith(server.endpoint_url)
        assert "X-Amz-Expires=60" in url
        etags[number] = await browser.put(url, CONTENT[start : start + PART])
    _, listed = await s3("GET", key=key, uploadId=token)
    assert re.findall("<PartNumber>(.)</PartNumber>", listed) == ["1", "2", "3", "4"]
    inner = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag.strip(chr(34))}</ETag></Part>"
        for number, etag in etags.items()
    )
    _, done = await s3("POST", f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>", key=key, uploadId=token)
    assert f"<Location>{server.endpoint_url}/bucket/{key}</Location>" in done
    found = server.objects["bucket", key]
    assert (found.body, found.headers["content-type"]) == (CONTENT, "video/mp4")
    assert completed == [(key, {"filename": "cat.mp4", "type": "video/mp4"})]


async def test_a_signed_creation_that_is_used_twice_replaces_no_object(server, browse, completed):
    """Otherwise a client could swap bytes that were checked in ``on_complete``."""
    browser = await browse()
    signed = await browser.ask("POST", "/s3/sign", json={"method": "POST", "key": "cat.mp4", "size": len(CONTENT)})
    for content, status in ((CONTENT, 200), (CONTENT[::-1], 412)):
        created = await browser.ask("POST", signed["url"])
        token = re.search("<UploadId>(.*)</UploadId>", created)[1]
        begun = {"key": signed["key"], "uploadId": token}
        parts = await browser.send(begun, content)
        await browser.complete(begun, parts, status=status)
    assert server.objects["bucket", signed["key"]].body == CONTENT
    assert len(completed) == 1
    assert server.store.uploads == {}


async def test_uppy_6_puts_a_small_file_and_aborts(server, browse):
    browser = await browse()
    signed = await browser.ask("POST", "/s3/sign", json={"method": "PUT", "key": "a", "contentType": "text/plain"})
    await browser.put(signed["url"], b"1", **signed["headers"])
    assert server.objects["bucket", signed["key"]].body == b"1"
    begun = await browser.begin()
    wanted = {"method": "DELETE", "key": begun["key"], "uploadId": begun["uploadId"]}
    await browser.ask("DELETE", (await browser.ask("POST", "/s3/sign", json=wanted))["url"], status=204)
    assert server.store.uploads == {}
    for method in ("DELETE", "GET"):
        await browser.ask("POST", "/s3/sign", json={"method": method, "key": signed["key"]}, status=403)


async def test_a_signed_url_is_for_one_request_of_one_upload_and_expires(server, browse):
    clock = Clock()
    browser = await browse(clock=clock)
    begun, other = await browser.begin(), await browser.begin()
    wanted = {"method": "GET", "key": begun["key"], "uploadId": begun["uploadId"]}
    url = (await browser.ask("POST", "/s3/sign", json=wanted))["url"]
    await browser.ask("GET", url)
    await browser.ask("DELETE", url, status=403)
    await browser.ask("GET", url.replace(begun["uploadId"], other["uploadId"]), status=403)
    await browser.ask("POST", url.removesuffix("/" + begun["uploadId"]), status=403)
    clock.now += 901
    await browser.ask("GET", url, status=403)


# owners and tokens


@pytest.mark.parametrize(("owner", "status"), [("stranger", 401), ("banned", 403), ("teapot", 418), ("broken", 502)])
async def test_authorize_refuses_every_route(server, browse, owner, status):
    browser = await browse()
    begun = await browser.begin()
    before = len(server.requests)
    for method, path in (
        ("GET", "/s3/params"), ("POST", "/s3/multipart"), ("POST", "/s3/sign"), ("GET", place(begun)),
        ("GET", place(begun) + "/1"), ("GET", place(begun) + "/batch"), ("POST", place(begun) + "/complete"),
        ("DELETE", place(begun)),
    ):  # fmt: skip
        await browser.ask(method, path, owner=owner, status=status)
    assert ("www-authenticate" in browser.headers) == (owner == "teapot")
    assert len(server.requests) == before


async def test_an_upload_of_one_owner_is_404_to_another(server, browse):
    browser = await browse()
    begun = await browser.begin()
    for method, path in (("GET", ""), ("GET", "/1"), ("GET", "/batch"), ("POST", "/complete"), ("DELETE", "")):
        await browser.ask(method, place(begun) + path, owner="you", status=404)
        await browser.ask(method, f"{place(begun)}{path}?key=other", status=404)
    wanted = {"method": "PUT", "key": begun["key"], "uploadId": begun["uploadId"], "partNumber": 1}
    await browser.ask("POST", "/s3/sign", json=wanted, owner="you", status=404)
    assert len(server.store.uploads) == 1


async def test_a_forged_or_old_id_is_404(server, browse):
    clock = Clock()
    browser = await browse(clock=clock)
    begun = await browser.begin()
    payload, _, mac = begun["uploadId"].partition(".")
    known = json.loads(base64.urlsafe_b64decode(payload + "=="))
    known["upload"]["key"] = "of/another"
    forged = base64.urlsafe_b64encode(json.dumps(known).encode()).decode().rstrip("=")
    for token in (f"{forged}.{mac}", payload, "x", f"{payload}.{mac[:-2]}", "é.é", "a" * 20_000, f".{mac}"):
        await browser.ask("GET", f"/s3/multipart/{token}", status=404)
    clock.now += 86401
    await browser.ask("GET", place(begun), status=404)
    assert known["metadata"]["album"] == "7"


async def test_another_secret_or_another_mount_opens_no_upload(server, browse):
    begun = await (await browse()).begin()
    for options in ({"secret": None}, {"secret": SECRET + "x"}, {"prefix": "other/"}):
        await (await browse(**options)).ask("GET", place(begun), status=404)


async def test_key_for_maps_owner_and_metadata_to_a_key(server, browse):
    async def key_for(owner, metadata):
        return f"{owner}/{metadata['album']}"

    browser = await browse(key_for=key_for, prefix="in/")
    begun = await browser.begin()
    assert begun["key"] == "in/me/7"
    signed = await browser.ask("GET", "/s3/params?metadata[album]=8")
    assert signed["fields"]["key"] == "in/me/8"


# bad input and failures


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/s3/multipart", b"{", 400),
        ("POST", "/s3/multipart", b"[]", 400),
        ("POST", "/s3/multipart", b"[" * 10_000, 400),
        ("POST", "/s3/multipart", b'"' + b"x" * 40_000 + b'"', 413),
        ("POST", "/s3/multipart", b'{"type": "text/html\\r\\nX: y"}', 400),
        ("POST", "/s3/multipart", b'{"type": 5}', 400),
        ("POST", "/s3/multipart", b'{"metadata": [1]}', 400),
        ("POST", "/s3/multipart", b'{"metadata": {"a": {}}}', 400),
        ("POST", "/s3/multipart", b'{"metadata": {"a": "\\ud800"}}', 400),
        ("POST", "/s3/multipart", b'{"metadata": {"a": "' + b"x" * 3000 + b'"}}', 413),
        ("POST", "/s3/multipart", b'{"size": -1}', 400),
        ("POST", "/s3/multipart", b'{"size": 1.5}', 400),
        ("POST", "/s3/multipart", b'{"size": true}', 400),
        ("POST", "/s3/multipart", b'{"size": "9999999999999999"}', 400),
        ("POST", "/s3/multipart", b'{"size": 999999999999999}', 413),
        ("GET", "/s3/params?a=%ff", None, 400),
        ("GET", "/s3/params?" + "a" * 17_000, None, 414),
        ("GET", "ID/0", None, 400),
        ("GET", "ID/10001", None, 400),
        ("GET", "ID/x", None, 400),
        ("GET", "ID/batch?partNumbers=" + "1," * 300, None, 400),
        ("POST", "ID/complete", b'{"parts": {}}', 400),
        ("POST", "ID/complete", b'{"parts": [1]}', 400),
        ("POST", "ID/complete", b'{"parts": [{"PartNumber": -1}]}', 400),
        ("POST", "ID/complete", b" " * 2**21 + b" ", 413),
        ("PUT", "ID", None, 405),
        ("POST", "/s3/sign", b'{"method": "PUT"}', 400),
        ("POST", "/s3/sign", b'{"method": "PATCH", "key": "a"}', 403),
        ("POST", "/s3/sign", b'{"method": "PUT", "key": "a", "uploadId": 5}', 400),
        ("POST", "/s3/sign", b'{"method": "HEAD", "key": "KEY", "uploadId": "ID"}', 400),
        ("GET", "/s3/sts", None, 404),
        ("GET", "/", None, 404),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_before_the_store_is_asked(server, browse, method, path, body, status):
    browser = await browse()
    if path.startswith("ID") or b"KEY" in (body or b""):
        begun = await browser.begin()
        path = path.replace("ID", place(begun))
        body = body and body.replace(b"KEY", begun["key"].encode()).replace(
            b'"ID"', b'"%s"' % begun["uploadId"].encode()
        )
    before = len(server.requests)
    await browser.ask(method, path, data=io.BytesIO(body or b""), status=status)
    assert len(server.requests) == before


@pytest.mark.parametrize(("store", "status"), [("AccessDenied", 502), ("SlowDown", 503), ("InternalError", 503)])
async def test_a_refusal_of_the_store_is_not_the_fault_of_the_client(
    server, browse, make_driver, store, status, caplog
):
    server.faults.add(
        Fault("answer", "CreateMultipartUpload", status=403 if status == 502 else 503, code=store, times=99)
    )
    browser = await browse()
    response = await browser.ask("POST", "/s3/multipart", json={}, status=status)
    assert browser.headers.get("retry-after") == ("5" if status == 503 else None)
    assert "bucket" not in response["message"]


async def test_an_error_of_on_complete_is_500_and_the_object_stays(server, browse, caplog):
    async def fail(receipt, metadata):
        raise KeyError("database")

    browser = await browse(on_complete=fail)
    begun = await browser.begin()
    response = await browser.complete(begun, await browser.send(begun), status=500)
    assert response == {"message": "internal error"}
    assert server.objects["bucket", begun["key"]].body == CONTENT


async def test_a_cancelled_completion_ends_first(server, make_driver, completed):
    """A middleware may cancel the application when the client disconnects; on_complete still runs."""
    direct = DirectUploads(make_driver(), "bucket", on_complete=lambda *known: completed.append(known))
    upload = await direct._service.driver.create_multipart_upload("bucket", "key")
    part = await direct._service.driver.upload_part(upload, 1, b"x")
    opened = direct._service.open(*begun_by(direct, upload))
    task = asyncio.create_task(direct._service.complete(opened, {1: part.etag}))
    while not any(request.operation == "CompleteMultipartUpload" for request in server.requests):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(completed) == 1


async def test_without_authorize_everyone_uploads(server, browse):
    """Signed URLs begin with the public URL, if there is one."""
    browser = await browse(authorize=None, public_url="https://up.example/files/")
    begun = await browser.begin()
    await browser.complete(begun, await browser.send(begun), owner="another")
    signed = await browser.ask("POST", "/s3/sign", json={"method": "POST", "key": "a"})
    assert signed["url"].startswith("https://up.example/files/s3/signed/")


async def test_a_client_that_disconnects_gets_no_response(server, driver):
    async def receive():
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/s3/multipart", "headers": [], "query_string": b""}
    await DirectUploads(driver, "bucket")(scope, receive, None)
    assert server.requests == []
