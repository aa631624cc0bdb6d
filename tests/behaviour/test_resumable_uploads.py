"""Resumable uploads: any process takes any request, and the store is the only state."""

from __future__ import annotations

import dataclasses

import pytest

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

    def make(headers=None, **options):
        return WebClient(ResumableUploads(make_driver(), "bucket", **options), headers=headers)

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
