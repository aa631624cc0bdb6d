"""Ends of uploads that behave badly: objects that others replaced, and helpers without a description."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from aios3.web import ResumableUploads
from aios3.web._resumable.appending import Appending
from aios3.web._resumable.ending import Endings
from tests.support.web_client import WebClient


@pytest.fixture
def small_provider(small_provider):
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


@pytest.fixture
def client(driver):
    return WebClient(ResumableUploads(driver, "bucket", key_for=lambda owner, metadata: "key"))


def test_an_application_appends_and_ends_by_these_two(client):
    assert isinstance(client.app._appending, Appending)
    assert isinstance(client.app._endings, Endings)


async def test_an_object_that_was_replaced_is_not_deleted(client, driver, server):
    url = (await client.create(3, b"old")).headers["location"]
    await driver.upload_object_via_stream(b"other", "bucket", "key")
    assert (await client.call("DELETE", url)).status == 204
    assert {key: found.body for (_, key), found in server.objects.items()} == {"key": b"other"}


async def test_an_upload_that_was_aborted_elsewhere_is_gone(client, driver, server):
    """Also if there is an object of the same size at its key."""
    url = (await client.create(5)).headers["location"]
    await client.patch(url, 0, [b"123"])  # without a declared end, so the lease is given back
    await driver.upload_object_via_stream(b"other", "bucket", "key")
    server.store.uploads.clear()
    assert (await client.head(url)).status == 410
    assert (await client.patch(url, 3, b"45")).status == 410
    assert (await client.call("DELETE", url)).status == 204


async def test_helper_objects_without_a_description_are_swept(client, driver, server):
    store = client.app._store
    for kind in ("tail", "chunk", "part"):
        await driver.upload_object_via_stream(b"x", "bucket", store.key_of("n" * 40, kind))
    real = server.store.clock
    server.store.clock = lambda: real() + timedelta(days=2)
    assert await client.app.sweep() == []
    assert server.objects == {}
