"""Resumable uploads: any process takes any request, and the store is the only state."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import functools
import hashlib
import itertools
from contextlib import AsyncExitStack
from datetime import timedelta
from email.utils import parsedate_to_datetime
from random import Random

import pytest
from fastapi import FastAPI

from aios3._concurrency.clock import Clock
from aios3.testing import Fault
from aios3.web import RefusedError, ResumableUploads
from tests.support.driver_scenes import operations
from tests.support.sweep import Turns
from tests.support.web_client import AiohttpClient, Vanish, WebClient
from tests.support.web_servers import raw_connection

PART = 1024
CONTENT = bytes(range(256)) * 14  # 3.5 parts


@pytest.fixture
def small_provider(small_provider):
    """A store that is known to have conditional writes."""
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


@pytest.fixture
def adapter():
    """Server that takes the requests: ASGI, or aiohttp.web over sockets."""
    return "asgi"


both_adapters = pytest.mark.parametrize("adapter", ["asgi", "aiohttp"])


@pytest.fixture
async def make_client(make_driver, adapter):
    """Make a client of an application of its own on a driver of its own, as another process has it."""
    async with AsyncExitStack() as stack:

        def make(headers=None, clock=None, **options):
            driver = make_driver()
            if clock is not None:
                driver._clock = clock
            app = ResumableUploads(driver, "bucket", **options)
            return WebClient(app, headers=headers) if adapter == "asgi" else AiohttpClient(app, stack, headers=headers)

        yield make


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.mark.parametrize("mounted", ["https://example.com/files", "https://example.com/files/"])
async def test_a_public_url_names_uploads_by_whole_urls(make_client, mounted):
    client = make_client(public_url=mounted)
    urls = [(await client.create(3, b"abc", Upload_Concat="partial")).headers["location"] for _ in range(2)]
    assert all(url.startswith("https://example.com/files/") and url.count("/") == 4 for url in urls)
    joined = await client.call("POST", headers={"Upload-Concat": f"final;{' '.join(urls)}"})
    path = joined.headers["location"].removeprefix("https://example.com")
    assert (await client.call("GET", path)).body == b"abcabc"


def helpers(server):
    return sorted(key for _, key in server.objects if ".uploads/" in key)


def finished(server):
    """Return the one object that is no helper, and check that nothing is open."""
    assert server.store.uploads == {}
    (found,) = [stored for (_, key), stored in server.objects.items() if ".uploads/" not in key]
    return found


@both_adapters
async def test_an_upload_goes_through_three_processes(server, make_client):
    one, two, three = make_client(), make_client(), make_client()
    created = await one.create(len(CONTENT), Upload_Metadata="filename Y2F0Lm1wNA==,filetype dmlkZW8vbXA0")
    assert created.status == 201
    url = created.headers["location"]
    assert url.startswith("/files/")
    assert (await two.head(url)).offset == 0
    sent = await two.patch(url, 0, CONTENT[:1500])
    assert (sent.status, sent.offset) == (204, 1500)
    assert "upload-expires" in sent.headers
    assert (await three.head(url)).offset == 1500
    sent = await three.patch(url, 1500, CONTENT[1500:])
    assert (sent.status, sent.offset) == (204, len(CONTENT))
    last = await one.head(url)
    assert (last.offset, last.headers["upload-length"]) == (len(CONTENT), str(len(CONTENT)))
    assert last.headers["upload-metadata"] == "filename Y2F0Lm1wNA==,filetype dmlkZW8vbXA0"
    found = finished(server)
    assert found.body == CONTENT
    assert found.headers["content-type"] == "video/mp4"
    assert found.headers["x-amz-meta-filename"] == "cat.mp4"
    assert [key.rpartition(".")[2] for key in helpers(server)] == ["json"]


async def test_a_client_that_vanishes_leaves_what_arrived(server, client):
    url = (await client.create(len(CONTENT))).headers["location"]
    await client.patch(url, 0, [CONTENT[:1000], CONTENT[1000:2100], Vanish()])
    assert (await client.head(url)).offset == 2100
    await client.patch(url, 2100, [CONTENT[2100:2200], Vanish()])
    assert (await client.head(url)).offset == 2200
    assert (await client.patch(url, 2200, CONTENT[2200:])).offset == len(CONTENT)
    assert finished(server).body == CONTENT


async def test_a_chunk_of_one_part_costs_four_requests(server, client):
    url = (await client.create(len(CONTENT))).headers["location"]
    for offset in (0, PART):
        before = len(server.requests)
        await client.patch(url, offset, CONTENT[offset : offset + PART])
        assert operations(server)[before:] == ["GetObject", "ListParts", "PutObject", "UploadPart"]


async def test_a_process_that_was_paused_overwrites_no_newer_tail(server, make_client, store_time):
    """Its lease is over when it resumes, and the last request that it sends fails by its condition."""

    async def pause(seconds):
        await asyncio.get_running_loop().create_future()

    paused, other = make_client(clock=Clock(sleep=pause)), make_client(clock=store_time.clock)
    url = (await other.create(len(CONTENT))).headers["location"]
    assert (await other.patch(url, 0, CONTENT[:100])).offset == 100
    write_tail = paused.app._store.write_tail

    async def write_late(*args, **options):
        assert (await other.patch(url, 100, CONTENT[100:900])).offset == 900
        await write_tail(*args, **options)

    paused.app._store.write_tail = write_late
    assert (await paused.patch(url, 100, CONTENT[100:500])).status == 423
    assert (await other.head(url)).offset == 900
    assert (await other.patch(url, 900, CONTENT[900:])).offset == len(CONTENT)
    assert finished(server).body == CONTENT


async def test_a_tail_behind_a_chunk_on_the_grid_costs_no_look_at_the_older_one(server, client):
    url = (await client.create(len(CONTENT))).headers["location"]
    for start, end in itertools.pairwise((0, 100, PART, PART + 100)):
        before = len(server.requests)
        assert (await client.patch(url, start, CONTENT[start:end])).offset == end
    assert operations(server)[before:] == ["GetObject", "ListParts", "PutObject", "PutObject"]


# deaths of a process


class StoreTime:
    """The store's clock. A short sleep of a process with `clock` moves it, and takes no time; a long one is cut.

    A long sleep ends on time, too, if short sleeps of other tasks move the clock past its end.
    """

    def __init__(self, server):
        self.ahead = timedelta()
        real = server.store.clock
        server.store.clock = lambda: real() + self.ahead
        self.clock = Clock(sleep=self.sleep)

    async def sleep(self, seconds):
        if seconds < 1:
            self.ahead += timedelta(seconds=seconds)
            await asyncio.sleep(0)
            return
        loop, due = asyncio.get_running_loop(), self.ahead + timedelta(seconds=seconds)
        latest = loop.time() + seconds / 60
        while self.ahead < due and loop.time() < latest:
            await asyncio.sleep(0.001)


@pytest.fixture
def store_time(server):
    return StoreTime(server)


async def go_on(client, url, content, acknowledged, *, length=None):
    """Finish an upload as an honest client does, and return the offset at which it went on."""
    found = await client.head(url)
    for _ in range(5):
        assert found.status == 200, found
        offset = found.offset
        assert acknowledged <= offset <= len(content)
        declared = {} if length is None or "upload-length" in found.headers else {"Upload_Length": str(length)}
        if offset == len(content) and not declared:
            return
        await client.patch(url, offset, content[offset:], **declared)
        found = await client.head(url)
    raise AssertionError(found)


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize("is_processed", [False, True])
async def test_a_process_may_die_at_any_request_to_the_store(
    server, make_client, make_driver, store_time, is_processed, is_deferred
):
    """Before the store has it, or after: the offset never goes back, and the object has the bytes."""
    steps = [(0, 700), (700, 1900), (1900, len(CONTENT))]
    deaths = 0
    for nth in itertools.count(1):
        server.objects.clear()
        client, acknowledged, url = make_client(), 0, None
        first = Fault("answer", nth=nth, status=403, code="AccessDenied", times=9999)
        if is_processed:
            server.faults.add(Fault("drop_after", nth=nth))
            first = dataclasses.replace(first, nth=nth + 1)
        dying = server.faults.add(first)
        created = await client.create(None if is_deferred else len(CONTENT))
        if created.status == 201:
            url = created.headers["location"]
            for start, end in steps:
                declared = {"Upload_Length": str(end)} if is_deferred and end == len(CONTENT) else {}
                sent = await client.patch(url, start, CONTENT[start:end], **declared)
                if sent.status != 204:
                    break
                assert sent.offset == end
                acknowledged = end
        is_over = dying in server.faults.unused
        server.faults.clear()
        other = make_client(clock=store_time.clock)
        if url is None:
            store_time.ahead += timedelta(days=2)
            await other.app.sweep()
            assert (server.store.uploads, server.objects) == ({}, {})
        else:
            await go_on(other, url, CONTENT, acknowledged, length=len(CONTENT) if is_deferred else None)
            assert finished(server).body == CONTENT
            assert [key.rpartition(".")[2] for key in helpers(server)] == ["json"]
        deaths += not is_over
        if is_over:
            break
    assert deaths > 20


# what tus asks of a server


@both_adapters
async def test_without_the_version_nothing_is_processed(server, make_client):
    client = make_client(headers={})
    answer = await client.call("POST", headers={"Upload-Length": "5"})
    assert (answer.status, answer.headers["tus-version"]) == (412, "1.0.0")
    answer = await client.call("POST", headers={"Upload-Length": "5", "Tus-Resumable": "0.2.1"})
    assert (answer.status, answer.headers["tus-resumable"]) == (412, "1.0.0")
    assert server.requests == []


@both_adapters
async def test_options_announce_extensions_and_answer_preflights(make_client):
    client = make_client(max_size=99, headers={"Origin": "https://x", "Tus-Resumable": "9"})
    answer = await client.call("OPTIONS")
    assert answer.status == 204
    assert answer.headers["tus-max-size"] == "99"
    assert answer.headers["upload-limit"] == "max-size=99"
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "creation-defer-length", "termination", "checksum", "expiration",
        "concatenation",
    }  # fmt: skip
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "Upload-Offset" in answer.headers["access-control-allow-headers"]


async def test_a_wrong_request_changes_nothing(server, make_client):
    client = make_client(max_size=5000)
    url = (await client.create(2000)).headers["location"]
    await client.patch(url, 0, CONTENT[:100])
    before = {key: stored.body for key, stored in server.objects.items()}
    answers = [
        await client.patch(url, 0, b"x"),
        await client.patch(url, 101, b"x"),
        await client.patch(url, 100, CONTENT[:1901]),
        await client.patch(url, 100, b"x", Upload_Length="1999"),
        await client.call("PATCH", url, {"Upload-Offset": "100"}, b"x"),
        await client.call("PUT", url),
        await client.call("DELETE", "/files/"),
        await client.call("PATCH", "/files/" + "x" * 32, {}, b"x"),
        await client.call("HEAD", "/files/../bucket"),
        await client.create(5001),
        await client.call("POST", headers={"X-Junk": "x" * 40_000}),
    ]
    assert [answer.status for answer in answers] == [409, 409, 413, 400, 415, 405, 405, 404, 404, 413, 431]
    assert {key: stored.body for key, stored in server.objects.items()} == before
    assert (await client.head(url)).offset == 100


@both_adapters
async def test_more_than_the_length_is_refused_when_it_arrives(client):
    url = (await client.create(100)).headers["location"]
    assert (await client.patch(url, 0, [CONTENT[:60], CONTENT[60:120]])).status == 413
    assert (await client.head(url)).offset == 0
    assert (await client.patch(url, 0, CONTENT[:100])).offset == 100
    assert (await client.patch(url, 100, b"x")).status == 413
    assert (await client.patch(url, 100, b"")).offset == 100


@both_adapters
@pytest.mark.parametrize("length", [0, 1, PART, 2 * PART])
async def test_any_length_can_be_sent_with_the_creation(server, client, length):
    answer = await client.create(length, CONTENT[:length])
    assert (answer.status, answer.offset) == (201, length)
    assert finished(server).body == CONTENT[:length]
    assert (await client.head(answer.headers["location"])).offset == length


async def test_an_empty_upload_is_complete_when_it_is_created(server, client):
    url = (await client.create(0)).headers["location"]
    assert finished(server).body == b""
    assert (await client.head(url)).offset == 0


@both_adapters
async def test_a_method_can_be_replaced(client):
    url = (await client.create(5)).headers["location"]
    sent = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert (await client.call("POST", url, sent, b"12345")).offset == 5


@both_adapters
async def test_a_length_is_declared_once_and_late(server, client):
    url = (await client.create(None)).headers["location"]
    await client.patch(url, 0, CONTENT[:3000])
    found = await client.head(url)
    assert (found.offset, found.headers["upload-defer-length"]) == (3000, "1")
    assert (await client.patch(url, 3000, b"", Upload_Length="2999")).status == 413
    assert (await client.patch(url, 3000, b"x", Upload_Length="3002")).offset == 3001
    assert (await client.head(url)).headers["upload-length"] == "3002"
    assert (await client.patch(url, 3001, b"x", Upload_Length="3003")).status == 400
    assert (await client.patch(url, 3001, b"y")).offset == 3002
    assert finished(server).body == CONTENT[:3000] + b"xy"


async def test_a_chunk_with_another_checksum_does_not_count(server, client):
    url = (await client.create(len(CONTENT))).headers["location"]
    await client.patch(url, 0, CONTENT[:100])
    for algorithm in ("sha1", "sha256", "md5"):
        good = base64.b64encode(hashlib.new(algorithm, CONTENT[100:2500]).digest()).decode()
        wrong = await client.patch(url, 100, CONTENT[101:2501], Upload_Checksum=f"{algorithm} {good}")
        assert (wrong.status, (await client.head(url)).offset) == (460, 100)
    await client.patch(url, 100, [CONTENT[100:2000], Vanish()], Upload_Checksum=f"md5 {good}")
    assert (await client.head(url)).offset == 100
    assert (await client.patch(url, 100, b"x", Upload_Checksum="crc32 AA==")).status == 400
    assert (await client.patch(url, 100, CONTENT[100:2500], Upload_Checksum=f"md5 {good}")).offset == 2500
    assert (await client.patch(url, 2500, CONTENT[2500:])).offset == len(CONTENT)
    assert finished(server).body == CONTENT
    assert len(helpers(server)) == 1


@both_adapters
@pytest.mark.parametrize("state", ["new", "begun", "finished"])
async def test_a_deleted_upload_is_gone_with_all_its_objects(server, client, state):
    url = (await client.create(len(CONTENT))).headers["location"]
    if state != "new":
        await client.patch(url, 0, CONTENT[: 1500 if state == "begun" else None])
    assert (await client.call("DELETE", url)).status == 204
    assert (server.store.uploads, server.objects) == ({}, {})
    gone = await client.head(url)
    assert (gone.status, gone.offset) == (404, None)
    assert (await client.patch(url, 0, b"x")).status == 404


async def test_a_deleted_upload_that_was_committed_and_not_recorded_leaves_no_object(server, make_client):
    def fail(receipt, metadata):
        raise RuntimeError

    client = make_client(on_complete=fail)
    url = (await client.create(len(CONTENT))).headers["location"]
    assert (await client.patch(url, 0, CONTENT)).status == 500
    assert len(server.objects) == 2
    assert (await client.call("DELETE", url)).status == 204
    assert (server.store.uploads, server.objects) == ({}, {})


@both_adapters
async def test_a_finished_upload_can_be_read_and_is_never_shown_by_a_browser(client):
    url = (await client.create(5, b"12345", Upload_Metadata="filetype dGV4dC9odG1s")).headers["location"]
    answer = await client.call("GET", url)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"12345", "text/html")
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


# expiry


async def test_an_expired_upload_is_gone_and_swept(server, make_client, store_time):
    """One that is finished is remembered as long; its object stays."""
    client = make_client(clock=store_time.clock, max_age=timedelta(hours=1))
    url = (await client.create(len(CONTENT))).headers["location"]
    sent = await client.patch(url, 0, CONTENT[:1500])
    left = parsedate_to_datetime(sent.headers["upload-expires"]) - server.store.clock()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    done = (await client.create(5, b"12345")).headers["location"]
    part = (await client.create(5, b"12345", Upload_Concat="partial")).headers["location"]
    assert await client.app.sweep() == []
    store_time.ahead += timedelta(minutes=61)
    assert (await client.head(url)).status == 410
    assert (await client.patch(url, 1500, b"x")).status == 410
    assert (await client.head(done)).offset == 5
    (key,) = {upload.key for upload in server.store.uploads.values()}
    assert await client.app.sweep() == [key]
    assert finished(server).body == b"12345"
    assert helpers(server) == []
    assert [(await client.head(each)).status for each in (url, done, part)] == [404, 404, 404]


async def test_a_sweep_that_fails_for_one_upload_ends_the_others(server, make_client, store_time):
    client = make_client(clock=store_time.clock)
    for _ in range(2):
        await client.create(5)
    store_time.ahead += timedelta(days=2)
    server.faults.add(Fault("answer", "AbortMultipartUpload", status=403, code="AccessDenied"))
    await client.app.sweep()
    assert len(server.store.uploads) <= 1
    await client.app.sweep()
    assert (server.store.uploads, server.objects) == ({}, {})


# owners, keys, and what happens at the end


@both_adapters
async def test_an_upload_of_one_owner_is_not_found_by_another(server, make_client):
    def authorize(scope):
        name = dict(scope["headers"]).get(b"authorization", b"").decode()
        if not name:
            raise RefusedError(401, headers={"WWW-Authenticate": "Basic"})
        if name == "banned":
            raise PermissionError
        return name if name != "unknown" else None

    client = make_client(authorize=authorize)
    assert (await client.create(5)).headers["www-authenticate"] == "Basic"
    client.headers["Authorization"] = "unknown"
    assert (await client.create(5)).status == 401
    client.headers["Authorization"] = "banned"
    assert (await client.create(5)).status == 403
    assert (server.objects, server.store.uploads) == ({}, {})
    client.headers["Authorization"] = "me"
    url = (await client.create(5)).headers["location"]
    part = (await client.create(5, b"12345", Upload_Concat="partial")).headers["location"]
    client.headers["Authorization"] = "you"
    assert (await client.head(url)).status == 404
    assert (await client.patch(url, 0, b"12345")).status == 404
    assert (await client.call("DELETE", url)).status == 404
    assert (await client.call("POST", headers={"Upload-Concat": f"final;{part}"})).status == 404


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_application_chooses_keys_and_hears_of_the_end_once(server, make_client, is_async):
    seen = []

    def key_for(owner, metadata):
        return f"{owner}/{metadata['filename']}"

    def on_complete(receipt, metadata):
        seen.append((receipt.key, receipt.size, metadata))
        assert server.objects["bucket", receipt.key].body == CONTENT

    async def later(call, *args):
        return call(*args)

    if is_async:
        key_for, on_complete = functools.partial(later, key_for), functools.partial(later, on_complete)
    client = make_client(prefix="up/", key_for=key_for, on_complete=on_complete, authorize=lambda scope: "me")
    url = (await client.create(len(CONTENT), Upload_Metadata="filename Yy5tcDQ=")).headers["location"]
    await client.patch(url, 0, CONTENT)
    await client.head(url)
    await client.patch(url, len(CONTENT), b"")
    assert seen == [("up/me/c.mp4", len(CONTENT), {"filename": "c.mp4"})]


async def test_the_end_is_reported_again_if_its_report_failed(server, make_client):
    """Until then the client does not learn of its success."""
    calls = []

    def on_complete(receipt, metadata):
        calls.append(receipt.etag)
        if len(calls) == 1:
            raise KeyError("database")

    client = make_client(on_complete=on_complete)
    url = (await client.create(len(CONTENT))).headers["location"]
    assert (await client.patch(url, 0, CONTENT)).status == 500
    assert (await client.head(url)).offset == len(CONTENT)
    assert len(set(calls)) == 1
    assert len(calls) == 2
    assert finished(server).body == CONTENT


async def test_a_key_among_the_helper_objects_is_refused(server, make_client):
    client = make_client(key_for=lambda owner, metadata: ".uploads/x")
    assert (await client.create(5)).status == 400
    assert (server.objects, server.store.uploads) == ({}, {})


# concatenation


@both_adapters
async def test_uploads_of_parts_of_a_file_become_one_object(server, client):
    cuts = [(0, 700), (700, 3000), (3000, len(CONTENT))]
    urls = []
    for start, end in cuts:
        created = await client.create(end - start, CONTENT[start:end], Upload_Concat="partial")
        urls.append(created.headers["location"])
    assert (await client.head(urls[0])).headers["upload-concat"] == "partial"
    concat = f"final;{urls[0]} https://host/any{urls[1]} {urls[2]} {urls[0]}"
    final = await client.call("POST", headers={"Upload-Concat": concat, "Upload-Metadata": "a YQ=="})
    assert final.status == 201
    found = await client.head(final.headers["location"])
    size = len(CONTENT) + 700
    assert (found.offset, found.headers["upload-length"]) == (size, str(size))
    assert found.headers["upload-concat"] == concat
    assert finished(server).body == CONTENT + CONTENT[:700]
    assert (await client.patch(final.headers["location"], size, b"")).status == 403


async def test_only_finished_partial_uploads_can_be_joined(client, make_client):
    whole = (await client.create(5, b"12345")).headers["location"]
    begun = (await client.create(5, Upload_Concat="partial")).headers["location"]
    for url, status in ((whole, 404), (begun, 400), ("/files/nothing", 404)):
        assert (await client.call("POST", headers={"Upload-Concat": f"final;{url}"})).status == status
    small = make_client(max_size=9)
    part = (await small.create(5, b"12345", Upload_Concat="partial")).headers["location"]
    assert (await small.call("POST", headers={"Upload-Concat": f"final;{part} {part}"})).status == 413


# several requests at once


async def hanging(content):
    """Yield the chunks of a client that then hangs, without closing its connection."""
    yield content
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_newer_request_ends_one_that_hangs(server, make_client, store_time, method):
    """What the hanging client has sent is kept."""
    old, new = make_client(clock=store_time.clock), make_client(clock=store_time.clock)
    url = (await old.create(len(CONTENT))).headers["location"]
    hung = asyncio.create_task(old.patch(url, 0, hanging(CONTENT[:1500])))
    while (offset := (await new.head(url)).offset) < PART:
        await asyncio.sleep(0.01)
    answer = await (new.patch(url, offset, CONTENT[offset:]) if method == "PATCH" else new.call("DELETE", url))
    assert (await hung).status == 423
    if method == "DELETE":
        assert (answer.status, server.store.uploads, server.objects) == (204, {}, {})
        return
    assert answer.status == 409  # the bytes that hung in the other process count now
    assert (await new.head(url)).offset == 1500
    await new.patch(url, 1500, CONTENT[1500:])
    assert finished(server).body == CONTENT


async def test_a_running_upload_keeps_its_lease(server, make_client, store_time):
    """However long it lasts, it is not taken for dead."""
    client = make_client(clock=store_time.clock)
    url = (await client.create(len(CONTENT))).headers["location"]

    async def slowly():
        yield CONTENT[:1500]
        for _ in range(6):
            written = operations(server).count("PutObject")
            store_time.ahead += timedelta(seconds=3)
            while operations(server).count("PutObject") == written:  # until the lease is renewed
                await asyncio.sleep(0.001)
        yield CONTENT[1500:]

    assert (await client.patch(url, 0, slowly())).offset == len(CONTENT)
    assert finished(server).body == CONTENT


async def test_a_request_that_cannot_renew_its_lease_ends(server, make_client, loop_clock):
    """Before another request may take it for dead."""
    client = make_client(clock=Clock(sleep=lambda seconds: asyncio.sleep(seconds / 60)))
    url = (await client.create(len(CONTENT))).headers["location"]
    sending = asyncio.create_task(client.patch(url, 0, hanging(CONTENT[:1500])))
    while "UploadPart" not in operations(server):
        await asyncio.sleep(0.01)
    server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied", times=99))
    await loop_clock.advance(9)
    assert (await sending).status == 503
    server.faults.clear()
    assert (await client.head(url)).offset == PART


@pytest.mark.parametrize("has_conditions", [True, False])
@pytest.mark.parametrize("seed", range(6))
async def test_two_clients_of_one_upload_make_it_exact(server, make_driver, has_conditions, seed):
    """Each works through a process of its own, and obeys the protocol's errors.

    With conditional writes the clients may even send different bytes: all bytes that were acknowledged are there.
    """
    random = Random(seed)
    provider = server.store.provider
    if not has_conditions:
        provider = server.store.provider = dataclasses.replace(provider, conditional_put=None)

    def process():
        driver = make_driver(provider=provider)
        driver._clock = Clock(sleep=lambda seconds: asyncio.sleep(seconds / 60))
        return WebClient(ResumableUploads(driver, "bucket"))

    one, two = process(), process()
    url = (await one.create(len(CONTENT))).headers["location"]
    acknowledged = []

    async def send(client, content):
        while True:
            before = max((start + len(chunk) for start, chunk in acknowledged), default=0)
            found = await client.head(url)
            assert found.status in (200, 423)
            if found.status == 423:
                continue
            if has_conditions:
                assert found.offset >= before
            if found.offset == len(CONTENT):
                return
            end = min(len(CONTENT), found.offset + random.randrange(1, 2000))
            chunk = content[found.offset : end]
            sent = await client.patch(url, found.offset, jittered(chunk, random))
            assert sent.status in (204, 409, 410, 423)
            if sent.status == 204:
                assert sent.offset == end
                acknowledged.append((found.offset, chunk))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(send(one, CONTENT))
        group.create_task(send(two, CONTENT[::-1] if has_conditions else CONTENT))
    body = finished(server).body
    assert len(body) == len(CONTENT)
    assert has_conditions or body == CONTENT
    assert [body[start : start + len(chunk)] for start, chunk in acknowledged] == [chunk for _, chunk in acknowledged]


async def jittered(content, random):
    while content:
        count = random.randrange(1, 500)
        yield content[:count]
        content = content[count:]
        await asyncio.sleep(random.choice((0, 0, 0.003)))


async def test_a_request_that_is_cancelled_at_any_turn_lies_about_nothing(server, make_client, store_time):
    """As a server does that shuts down. The lease is given back, so another process need not wait."""
    other = make_client(clock=store_time.clock)
    for turn in itertools.count(0, 3):
        server.objects.clear()
        client = make_client()
        url = (await client.create(len(CONTENT))).headers["location"]
        await client.patch(url, 0, CONTENT[:700])
        sending = asyncio.create_task(client.patch(url, 700, CONTENT[700:]))
        turns = Turns((turn, sending.cancel))
        await asyncio.wait({sending})
        turns.stop()
        await go_on(other, url, CONTENT, 700)
        assert finished(server).body == CONTENT
        if not sending.cancelled():
            break
    assert turn > 20


async def test_a_creation_that_is_cancelled_at_any_turn_leaves_nothing(server, make_client):
    for turn in itertools.count(0, 2):
        client = make_client()
        creating = asyncio.create_task(client.create(len(CONTENT)))
        turns = Turns((turn, creating.cancel))
        await asyncio.wait({creating})
        turns.stop()
        if not creating.cancelled():
            break
        assert (server.store.uploads, server.objects) == ({}, {})
    assert turn > 10


# stores without conditional writes


async def test_without_conditional_writes_a_newer_request_of_the_same_process_ends_an_older_one(
    server, make_driver, small_provider
):
    provider = server.store.provider = dataclasses.replace(small_provider, conditional_put=False)
    client = WebClient(ResumableUploads(make_driver(provider=provider), "bucket"))
    url = (await client.create(len(CONTENT))).headers["location"]
    hung = asyncio.create_task(client.patch(url, 0, hanging(CONTENT[:1500])))
    while (offset := (await client.head(url)).offset) < PART:
        await asyncio.sleep(0.01)
    assert (await client.patch(url, offset, CONTENT[offset:])).status == 409
    assert (await hung).status == 423
    before = len(server.requests)
    await client.patch(url, 1500, CONTENT[1500 : 2 * PART])
    assert operations(server)[before:] == ["GetObject", "ListParts", "HeadObject", "GetObject", "UploadPart"]
    await client.patch(url, 2 * PART, CONTENT[2 * PART :])
    assert finished(server).body == CONTENT


# the IETF draft


@both_adapters
async def test_the_draft_creates_appends_and_completes(server, make_client):
    client = make_client(headers={}, max_size=10**6)
    created = await client.call(
        "POST", headers={"Upload-Complete": "?0", "Content-Type": "video/mp4"}, body=CONTENT[:9]
    )
    assert (created.status, created.offset, created.headers["upload-complete"]) == (201, 9, "?0")
    assert created.headers["upload-limit"].startswith("max-size=1000000, max-age=")
    url = created.headers["location"]
    found = await client.head(url)
    assert (found.status, found.offset, found.headers["upload-complete"]) == (204, 9, "?0")
    append = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0"}
    sent = await client.call("PATCH", url, {**append, "Upload-Offset": "9"}, CONTENT[9:2000])
    assert (sent.status, sent.offset) == (204, 2000)
    wrong = await client.call("PATCH", url, {**append, "Upload-Offset": "9"}, b"x")
    assert (wrong.status, wrong.offset) == (409, 2000)
    digest = base64.b64encode(hashlib.sha256(CONTENT[2000:]).digest()).decode()
    last = {**append, "Upload-Offset": "2000", "Upload-Complete": "?1", "Content-Digest": f"sha-256=:{digest}:"}
    assert (await client.call("PATCH", url, last, b"y" * len(CONTENT[2000:]))).status == 400
    sent = await client.call("PATCH", url, last, [CONTENT[2000:]])
    assert (sent.status, sent.headers["upload-complete"]) == (204, "?1")
    found = await client.head(url)
    assert (found.offset, found.headers["upload-length"]) == (len(CONTENT), str(len(CONTENT)))
    assert finished(server).body == CONTENT
    assert finished(server).headers["content-type"] == "video/mp4"


@both_adapters
async def test_the_draft_takes_a_whole_upload_in_one_request(server, make_client):
    client = make_client(headers={})
    answer = await client.call("POST", headers={"Upload-Complete": "?1"}, body=CONTENT)
    assert (answer.status, answer.headers["upload-complete"]) == (201, "?1")
    assert finished(server).body == CONTENT


async def test_a_last_request_of_the_draft_that_breaks_off_is_not_the_end(server, make_client):
    client = make_client(headers={})
    url = (await client.call("POST", headers={"Upload-Complete": "?0"})).headers["location"]
    last = {"Content-Type": "application/partial-upload", "Upload-Complete": "?1", "Upload-Offset": "0"}
    await client.call("PATCH", url, last, [CONTENT[:1500], Vanish()])
    found = await client.head(url)
    assert (found.offset, found.headers["upload-complete"]) == (1500, "?0")
    await client.call("PATCH", url, {**last, "Upload-Offset": "1500"}, CONTENT[1500:])
    assert finished(server).body == CONTENT


@pytest.mark.parametrize("adapter", ["aiohttp"])
async def test_the_draft_learns_the_url_before_the_first_byte_and_resumes(server, make_client, caplog):
    """Its client vanishes without a response. What has arrived is kept, and no log shows a client that vanishes."""
    client = make_client(headers={})
    async with raw_connection(await client.url()) as (reader, writer):
        head = {"Upload-Complete": "?1", "Content-Length": str(len(CONTENT)), "Upload-Draft-Interop-Version": "9"}
        lines = [f"{name}: {value}" for name, value in {"Host": "x", **head}.items()]
        writer.write("\r\n".join(["POST /files HTTP/1.1", *lines, "", ""]).encode())
        announced = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert announced[0] == "HTTP/1.1 104 Upload Resumption Supported"
        found = dict(line.split(": ") for line in announced[1:] if line)
        assert found["upload-draft-interop-version"] == "9"
        assert found["upload-limit"].startswith("max-age=")
        url = found["location"]
        assert (await client.head(url)).offset == 0
        writer.write(CONTENT[:1500])
        while (await client.head(url)).offset < PART:
            await asyncio.sleep(0.01)
    while (offset := (await client.head(url)).offset) < 1500:
        await asyncio.sleep(0.01)
    assert offset == 1500
    last = {"Content-Type": "application/partial-upload", "Upload-Complete": "?1", "Upload-Offset": "1500"}
    assert (await client.call("PATCH", url, last, CONTENT[1500:])).status == 204
    assert finished(server).body == CONTENT
    assert caplog.text == ""


@pytest.mark.parametrize("adapter", ["aiohttp"])
async def test_the_draft_learns_what_the_store_has_while_it_appends(make_client, loop_clock):
    client = make_client(headers={})
    url = (await client.call("POST", headers={"Upload-Complete": "?0"}, body=CONTENT[:1500])).headers["location"]
    async with raw_connection(await client.url()) as (reader, writer):
        head = (
            f"PATCH {url} HTTP/1.1", "Host: x", "Upload-Complete: ?1", "Content-Type: application/partial-upload",
            "Upload-Draft-Interop-Version: 8", "Upload-Offset: 1500", f"Content-Length: {len(CONTENT) - 1500}",
        )  # fmt: skip
        writer.write("\r\n".join([*head, "", ""]).encode())
        for offset in (1500, 2 * PART):
            interim = await reader.readuntil(b"\r\n\r\n")
            assert interim.startswith(b"HTTP/1.1 104 ")
            assert b"\r\nupload-offset: %d\r\n" % offset in interim
            assert b"location" not in interim
            await loop_clock.advance(1)
            if offset == 1500:
                writer.write(CONTENT[1500 : 2 * PART])
        writer.write(CONTENT[2 * PART :])
        assert b"HTTP/1.1 204 No Content\r\n" in await reader.readuntil(b"upload-complete: ?1\r\n")


# frameworks


@pytest.mark.parametrize("has_middleware", [False, True])
async def test_a_framework_mounts_it(server, driver, has_middleware):
    """Also behind a middleware that wraps the body and the response."""
    app = FastAPI()
    app.mount("/files", ResumableUploads(driver, "bucket"))
    if has_middleware:

        @app.middleware("http")
        async def pass_on(request, call_next):
            return await call_next(request)

    client = WebClient(app, root="")
    url = (await client.create(len(CONTENT))).headers["location"]
    assert url.startswith("/files/")
    assert (await client.patch(url, 0, CONTENT)).offset == len(CONTENT)
    assert (await client.call("GET", url)).body == CONTENT
    assert finished(server).body == CONTENT
