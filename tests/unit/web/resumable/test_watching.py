"""States of an upload for those who only watch it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from aios3.web import ResumableUploads
from aios3.web._progress.events import UploadState
from aios3.web._resumable.downloading import download
from aios3.web._resumable.messages import RefusedError
from aios3.web._resumable.watching import look_at
from tests.support.web_client import WebClient

CONTENT = bytes(range(256)) * 14


@pytest.fixture
def small_provider(small_provider):
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


@pytest.fixture
def client(driver):
    return WebClient(ResumableUploads(driver, "bucket"))


@pytest.fixture
async def upload(client):
    """URL and name of a new upload."""
    url = (await client.create(len(CONTENT))).headers["location"]
    return url, client.app._store.name_of(url.rpartition("/")[2])


async def look(client, name):
    return await look_at(client.app._store, client.app._endings, name)


async def test_the_state_follows_the_upload_and_changes_nothing(server, client, upload):
    url, name = upload
    assert await look(client, name) == UploadState("active", 0, len(CONTENT))
    await client.patch(url, 0, CONTENT[:1500])
    before = len(server.requests)
    assert await look(client, name) == UploadState("active", 1500, len(CONTENT))
    assert [request.operation for request in server.requests[before:]] == ["GetObject", "ListParts", "HeadObject"]
    await client.patch(url, 1500, CONTENT[1500:])
    assert await look(client, name) == UploadState("complete", len(CONTENT), len(CONTENT))
    await client.call("DELETE", url)
    assert await look(client, name) == UploadState("gone")


async def test_an_expired_upload_is_gone(server, client, upload):
    real = server.store.clock
    server.store.clock = lambda: real() + timedelta(days=2)
    assert (await look(client, upload[1])).state == "gone"


async def test_an_upload_that_the_store_has_aborted_is_gone(server, client, upload):
    server.store.uploads.clear()
    assert (await look(client, upload[1])).state == "gone"


async def test_an_upload_that_is_committed_and_not_recorded_is_active(client, upload):
    """Its process has died, or still calls ``on_complete``, which may move the object."""
    _, name = upload
    store = client.app._store
    stored = await store.read(name)
    part = await store.driver.upload_parts(stored.description.upload, CONTENT)
    await store.driver.complete_multipart_upload(stored.description.upload, parts=part.parts)
    active = UploadState("active", len(CONTENT), len(CONTENT))
    assert await look(client, name) == active
    held = await store.change(stored, stored.description.held_by("on_complete"))
    await store.driver.delete_object("bucket", held.description.upload.key)
    assert await look(client, name) == active


async def test_an_object_that_was_moved_cannot_be_downloaded(server, client, upload):
    url, name = upload
    await client.patch(url, 0, CONTENT)
    store = client.app._store
    stored = await store.read(name)
    await store.driver.delete_object("bucket", stored.description.upload.key)
    with pytest.raises(RefusedError, match="410"):
        await download(store, stored)
