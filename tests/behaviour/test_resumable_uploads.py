"""Resumable uploads: any process takes any request, and the store is the only state."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from datetime import timedelta

import pytest

from aios3._concurrency.clock import Clock
from aios3.testing import Fault
from aios3.web import ResumableUploads
from tests.support.web_client import Vanish, WebClient

PART = 1024
CONTENT = bytes(range(256)) * 14  # 3.5 parts


@pytest.fixture
def small_provider(small_provider):
    """A store that is known to have conditional writes."""
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


@pytest.fixture
def make_client(make_driver):
    """Make a client of an application of its own on a driver of its own, as another process has it."""

    def make(headers=None, clock=None, **options):
        driver = make_driver()
        if clock is not None:
            driver._clock = clock
        return WebClient(ResumableUploads(driver, "bucket", **options), headers=headers)

    return make


@pytest.fixture
def client(make_client):
    return make_client()


def operations(server):
    return [request.operation for request in server.requests]


def helpers(server):
    return sorted(key for _, key in server.objects if ".uploads/" in key)


def finished(server):
    """Return the one object that is no helper, and check that nothing is open."""
    assert server.store.uploads == {}
    (found,) = [stored for (_, key), stored in server.objects.items() if ".uploads/" not in key]
    return found


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


# deaths of a process


class StoreTime:
    """The store's clock. A short sleep of a process with `clock` moves it, and takes no time."""

    def __init__(self, server):
        self.ahead = timedelta()
        real = server.store.clock
        server.store.clock = lambda: real() + self.ahead
        self.clock = Clock(sleep=self.sleep)

    async def sleep(self, seconds):
        if seconds >= 1:
            await asyncio.sleep(seconds)
        self.ahead += timedelta(seconds=seconds)
        await asyncio.sleep(0)


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
    steps = [(0, 700), (700, 1900), (1900, 3000), (3000, len(CONTENT))]
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
