"""Objects given as bytes, through the public driver: every promise about sources holds for them."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from aios3 import (
    CompletionUnknownError,
    DriverClosedError,
    ObjectTooLargeError,
    SizeMismatchError,
    Timeouts,
    TransferConfig,
)
from aios3._upload import bytes_upload as whole_upload
from aios3.testing import Fault, S3Server
from tests.conftest import PART

DATA = b"a small object"
OWN = {"authorization", "host", "x-amz-date", "x-amz-meta-aios3-nonce"}
"""Headers that no two of these requests share."""


class Word(bytes):
    """Subclass of `bytes`."""


def sent(server):
    """Return the requests to the store, without the values that differ every time."""
    return [
        (request.operation, request.target, sorted((n.lower(), t) for n, t in request.headers if n.lower() not in OWN))
        for request in server.requests
    ]


def comparable(receipt):
    return dataclasses.replace(receipt, elapsed=0.0, request_id=None)


@pytest.fixture
def puts(monkeypatch):
    """Record the contents that are sent by `BytesUpload`."""
    seen: list[bytes] = []
    original = whole_upload.BytesUpload.run

    async def run(self):
        seen.append(self._data)
        return await original(self)

    monkeypatch.setattr(whole_upload.BytesUpload, "run", run)
    return seen


CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "size": {"size": len(DATA), "max_size": len(DATA)},
    "attributes": {"content_type": "text/x", "metadata": {"name": "é"}, "tags": {"a": "b"}, "acl": "private"},
    "condition": {"if_none_match": "*"},
    "lock": {"object_lock_legal_hold": True},
    "checksum": {"transfer": TransferConfig(part_size=PART, checksum="sha256")},
    "nonce": {"transfer": TransferConfig(part_size=PART, nonce=True)},
    "stream": {"transfer": TransferConfig(part_size=PART, mechanism="stream")},
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("fault", [None, Fault("drop_after", "PutObject"), Fault("no_etag", "PutObject")])
async def test_bytes_are_uploaded_like_any_other_source(small_provider, make_driver, puts, call, fault):
    """The same requests, also after a lost response, and the same receipt."""
    provider = dataclasses.replace(small_provider, checksums=frozenset({"sha256"}), content_md5=True)
    outcomes = []
    for source in (DATA, [DATA]):
        async with S3Server(provider) as server:
            if fault is not None:
                server.faults.add(dataclasses.replace(fault))
            async with make_driver(on=server) as driver:
                receipt = await driver.upload_object_via_stream(source, "bucket", "key", **call)
            assert server.objects["bucket", "key"].body == DATA
            outcomes.append((sent(server), comparable(receipt)))
    assert outcomes[0] == outcomes[1]
    assert puts == [DATA]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
@pytest.mark.parametrize("kind", [bytes, Word, bytearray, memoryview])
async def test_bytes_of_every_length_and_kind_are_stored(server, driver, puts, kind, size):
    """Immutable bytes that fit one part are sent without a copy. Others are read like any source."""
    content = bytes(range(256)) * 12
    receipt = await driver.upload_object_via_stream(kind(content[:size]), "bucket", "key")
    assert (receipt.size, server.objects["bucket", "key"].body) == (size, content[:size])
    assert [request.operation == "PutObject" for request in server.requests][:1] == [size <= PART]
    assert len(puts) == (kind is bytes and size <= PART)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"size": 2}, SizeMismatchError),
        ({"size": 5000}, SizeMismatchError),
        ({"max_size": 2}, ObjectTooLargeError),
        ({"size": len(DATA), "max_size": 2}, ObjectTooLargeError),
    ],
)
async def test_bytes_of_another_size_than_declared_are_refused(server, driver, limits, error):
    """Without a PutObject, and with the message of any other source."""
    texts = []
    for source in (DATA, [DATA]):
        with pytest.raises(error) as caught:
            await driver.upload_object_via_stream(source, "bucket", "key", **limits)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert "PutObject" not in [request.operation for request in server.requests]
    assert server.objects == {}


async def test_a_thousand_concurrent_uploads_of_bytes_leave_nothing(server, driver):
    """Each object is exact."""
    contents = {f"key-{number}": b"%d" % number for number in range(1000)}
    await asyncio.gather(
        *(driver.upload_object_via_stream(content, "bucket", key) for key, content in contents.items())
    )
    assert {key: stored.body for (_, key), stored in server.objects.items()} == contents
    engine = driver._engine
    assert engine is not None
    assert (engine.running, engine.memory.used, engine.pool.idle_bytes) == (set(), 0, 0)


async def test_bytes_are_uploaded_while_other_uploads_wait_for_memory(server, make_driver):
    """Only the caller holds their memory."""
    driver = make_driver(transfer=TransferConfig(part_size=PART, memory_limit=PART))
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield bytes(PART - 1)
        began.set()
        await go_on.wait()

    holding = asyncio.create_task(driver.upload_object_via_stream(slow(), "bucket", "slow"))
    await began.wait()
    await driver.upload_object_via_stream(DATA, "bucket", "key")
    assert list(server.objects) == [("bucket", "key")]
    go_on.set()
    await holding


# the end of the driver


async def held(server, driver):
    """Return an upload whose request the store holds without a response."""
    server.hold("PutObject")
    upload = asyncio.create_task(driver.upload_object_via_stream(DATA, "bucket", "key"))
    await server.wait_for(lambda s: s.held_requests)
    return upload


@pytest.mark.parametrize("grace", [0.0, 30.0])
@pytest.mark.parametrize("keeps_journal", [False, True])
async def test_closing_the_driver_lets_an_upload_of_bytes_end(server, make_driver, tmp_path, keeps_journal, grace):
    """Its commit is in flight. A second closing waits for the same upload."""
    driver = make_driver(journal=tmp_path / "journal" if keeps_journal else None)
    upload = await held(server, driver)
    closing = [asyncio.create_task(driver.aclose(grace=grace)) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(DriverClosedError, match="closed"):
        await driver.upload_object_via_stream(DATA, "bucket", "other")
    server.release("PutObject")
    assert (await upload).size == len(DATA)
    for closed in closing:
        await closed
    assert server.objects["bucket", "key"].body == DATA
    if keeps_journal:
        assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.parametrize("grace", [0.0, 0.01])
async def test_closing_the_driver_ends_a_held_upload_of_bytes(server, make_driver, grace):
    """The caller learns that the outcome is unknown. No connection is in use."""
    driver = make_driver(timeouts=Timeouts(cleanup=0.05))
    upload = await held(server, driver)
    await driver.aclose(grace=grace)
    with pytest.raises(CompletionUnknownError, match="the driver was closed"):
        await upload
    assert upload.cancelling() == 0
    await server.wait_for(lambda s: not s.requests_in_progress)


async def test_closing_the_driver_from_the_uploads_own_task_does_not_deadlock(server, make_driver):
    """The caller's code may run in that task during the request."""

    class Closing:
        async def get_credentials(self):
            await driver.aclose()
            return server.credentials

    driver = make_driver(credentials=Closing())
    async with asyncio.timeout(30):
        with pytest.raises(CompletionUnknownError, match="the driver was closed"):
            await driver.upload_object_via_stream(DATA, "bucket", "key")
    assert server.requests == []
