"""Uploads to a store without multipart uploads: the same calls and promises, with one request."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib

import pytest

from aios3 import (
    PROVIDERS,
    AccessDeniedError,
    CompletionUnknownError,
    ConfigurationError,
    ObjectTooLargeError,
    S3StorageDriver,
    SizeMismatchError,
    StorageError,
    ThrottledError,
    TransferConfig,
    TransportError,
)
from aios3.testing import ALL_FAULT_KINDS, Fault, S3Server
from tests.support.driver_scenes import in_chunks
from tests.support.fakes import RecordingSource
from tests.support.fault_sweep import FOR_EVER, FOUR_PARTS, upload_with
from tests.support.sweep import CONTENT, PART, SMALL_PARTS, WAYS, Source, by_writer, end_at, sweep

PLAIN = dataclasses.replace(SMALL_PARTS, name="plain", multipart=False)
STREAM = TransferConfig(part_size=PART, mechanism="stream")
BIG = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
async def server():
    async with S3Server(PLAIN) as running:
        yield running


@pytest.fixture
async def driver(server):
    async with S3StorageDriver(
        PLAIN,
        endpoint_url=server.endpoint_url,
        credentials=server.credentials,
        transfer=TransferConfig(part_size=PART, memory_limit=16 * PART),
    ) as made:
        yield made


# every call


@pytest.mark.parametrize("size", [None, len(BIG)])
async def test_a_longer_stream_is_one_put(driver, server, size):
    """Exact bytes, chunked or with a length. The signature does not cover the payload."""
    receipt = await driver.upload_object_via_stream(in_chunks(BIG), "bucket", "key", size=size, metadata={"a": "b"})
    (request,) = server.requests
    assert request.operation == "PutObject"
    assert request.header("Transfer-Encoding") == (None if size else "chunked")
    assert request.header("Content-Length") == (str(size) if size else None)
    assert request.header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
    assert request.header("x-amz-meta-a") == "b"
    assert server.objects["bucket", "key"].body == BIG
    assert (receipt.size, receipt.parts, receipt.upload_id, receipt.retries) == (len(BIG), (), None, 0)
    assert receipt.etag == hashlib.md5(BIG).hexdigest()


async def test_a_file_is_sent_with_its_length(driver, server, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(BIG)
    assert (await driver.upload_object(path, "bucket", "key")).size == len(BIG)
    assert server.requests[0].header("Content-Length") == str(len(BIG))
    assert server.objects["bucket", "key"].body == BIG


async def test_a_short_source_is_an_ordinary_put(driver, server):
    """It is signed with its hash, and can be retried."""
    server.faults.add(Fault("drop_mid_body", after_bytes=10))
    receipt = await driver.upload_object_via_stream(in_chunks(BIG[:PART]), "bucket", "key")
    assert receipt.retries == 1
    assert server.requests[1].header("x-amz-content-sha256") == hashlib.sha256(BIG[:PART]).hexdigest()


async def test_conditions_are_sent_with_the_streamed_put(driver, server):
    await driver.upload_object_via_stream(in_chunks(BIG), "bucket", "key", if_none_match="*")
    with pytest.raises(StorageError) as caught:
        await driver.upload_object_via_stream(in_chunks(BIG[::-1]), "bucket", "key", if_none_match="*")
    assert caught.value.code == "PreconditionFailed"
    assert server.objects["bucket", "key"].body == BIG


# choosing


async def test_mechanism_stream_streams_to_any_store():
    """A store that takes no chunked bodies needs a declared size."""
    async with (
        S3Server(SMALL_PARTS) as server,
        S3StorageDriver(SMALL_PARTS, endpoint_url=server.endpoint_url, credentials=server.credentials) as driver,
    ):
        with pytest.raises(StorageError, match="501 NotImplemented"):
            await driver.upload_object_via_stream(in_chunks(BIG), "bucket", "key", transfer=STREAM)
        await driver.upload_object_via_stream(in_chunks(BIG), "bucket", "key", size=len(BIG), transfer=STREAM)
        with pytest.raises(ObjectTooLargeError, match="in one PutObject"):
            size = SMALL_PARTS.max_part_size + 1
            await driver.upload_object_via_stream(in_chunks(BIG), "bucket", "key", size=size, transfer=STREAM)
        assert server.objects["bucket", "key"].body == BIG
        assert {request.operation for request in server.requests} == {"PutObject"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mechanism": "multipart"}, "no multipart uploads"),
        ({"checksum": "crc32"}, "checksum"),
        ({"payload_signing": "sha256"}, "UNSIGNED-PAYLOAD"),
    ],
)
async def test_impossible_streams_are_refused_before_any_request(server, options, words):
    """The source is not read."""
    provider = dataclasses.replace(PLAIN, checksums=PROVIDERS["aws"].checksums)
    source = Source()
    async with S3StorageDriver(provider, endpoint_url=server.endpoint_url, credentials=server.credentials) as driver:
        with pytest.raises(ConfigurationError, match=words):
            await driver.upload_object_via_stream(
                source, "bucket", "key", transfer=TransferConfig(part_size=PART, **options)
            )
    assert server.requests == []
    assert source.content == CONTENT


# all or nothing


@pytest.mark.parametrize("size", [len(BIG) - 1, len(BIG) + 1])
async def test_another_size_than_declared_commits_nothing(driver, server, size):
    """The connection is cut before the last declared byte."""
    with pytest.raises(SizeMismatchError):
        await driver.upload_object_via_stream(in_chunks(BIG), "bucket", "key", size=size)
    await server.wait_for(lambda s: not s.requests_in_progress)
    assert server.objects == {}
    assert server.requests[0].body_received < size


@pytest.mark.parametrize("size", [None, len(BIG)])
@pytest.mark.parametrize("after", [0, PART, PART + 1, 10 * PART, len(BIG)])
async def test_a_failed_source_commits_nothing(driver, server, after, size):
    """Even if it fails after its last byte."""
    source = RecordingSource(*[BIG[at : min(at + 1500, after)] for at in range(0, after, 1500)], KeyError("the source"))
    with pytest.raises(KeyError):
        await driver.upload_object_via_stream(source, "bucket", "key", size=size)
    await server.wait_for(lambda s: not s.requests_in_progress)
    assert server.objects == {}


@pytest.mark.parametrize(
    ("kind", "times", "stride"),
    [("chunked", 1, 1), ("chunked", 2, 1), ("declared", 1, 1), ("declared", 2, 1), ("writer", 1, 2)],
)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_an_ending_at_any_turn_leaves_nothing(way, kind, times, stride):
    """No partial object, task, connection in use or byte is left, and the source is closed."""

    async def upload(driver, source):
        size = len(CONTENT) if kind == "declared" else None
        await driver.upload_object_via_stream(source, "bucket", "key", size=size)

    runs, ended_early, problems = await sweep(
        way, by_writer if kind == "writer" else upload, times, stride, provider=PLAIN
    )

    assert problems == []
    assert ended_early > 20 // stride
    assert runs > ended_early


@pytest.mark.parametrize("kind", ["drop_mid_body", "early_answer", "slow_read", "drop_after"])
async def test_an_ending_during_a_store_failure_leaves_nothing(kind):
    """The ending or the failure comes first."""

    async def upload(driver, source):
        try:
            await driver.upload_object_via_stream(source, "bucket", "key")
        except (TransportError, ThrottledError):
            raise asyncio.CancelledError from None  # ended early, as the sweep sees it

    fault = Fault(kind, "PutObject", nth=2, after_bytes=PART + 100)
    problems = []
    for step in range(0, 60, 2):
        ending = await end_at(WAYS["task.cancel()"], upload, step, 2, (fault,), PLAIN)
        problems += [f"turn {step}: {problem}" for problem in ending.problems]

    assert problems == []


# failures of the one request


@pytest.mark.parametrize("times", [1, FOR_EVER], ids=["once", "always"])
@pytest.mark.parametrize("after", [0, 100, PART + 100, len(FOUR_PARTS) - 1])
@pytest.mark.parametrize("kind", ALL_FAULT_KINDS)
async def test_any_fault_ends_in_exact_bytes_or_a_typed_error(kind, after, times):
    """An upload is reported as committed if and only if it is."""
    body = {"raw": b"\x00\xff not HTTP at all\r\n\r\n", "garbage_200": b"<html>hello</html>"}.get(kind)
    fault = Fault(kind, "PutObject", times=times, after_bytes=after, body=body)
    outcome = await upload_with(fault, provider=PLAIN)

    assert outcome.problems == []
    assert outcome.error is None or not outcome.committed
    assert 1 <= outcome.attempts <= 3


@pytest.mark.parametrize("kind", ["drop_after", "drop_mid_answer", "stall_after", "no_etag"])
async def test_a_lost_commit_response_is_settled_by_the_key(kind):
    outcome = await upload_with(Fault(kind, "PutObject"), provider=PLAIN)

    assert outcome.word == "exact"
    assert outcome.attempts == 1


async def test_a_lost_commit_response_without_a_readable_key_is_unknown():
    outcome = await upload_with(
        Fault("drop_after", "PutObject"), Fault("drop_before", "HeadObject", times=FOR_EVER), provider=PLAIN
    )

    assert isinstance(outcome.error, CompletionUnknownError)
    assert outcome.error.upload_id is None
    assert outcome.committed


async def test_an_early_refusal_ends_the_wait_for_the_source(driver, server):
    """The caller gets its error at once."""
    source = RecordingSource(BIG[: 2 * PART], asyncio.Event())
    server.faults.add(Fault("early_answer", status=403, code="AccessDenied", after_bytes=PART + 1))
    with pytest.raises(AccessDeniedError):
        await driver.upload_object_via_stream(source, "bucket", "key")
    assert source.closed == 1
    assert driver._engine.memory.used == 0


async def test_a_source_is_not_read_while_the_store_does_not_read(driver, server):
    """Except for the bytes that the sockets hold and three pieces."""
    server.faults.add(Fault("stall_before", "PutObject"))
    pulled = 0

    async def endless():
        nonlocal pulled
        while True:
            pulled += 1
            yield bytes(PART)

    task = asyncio.create_task(driver.upload_object_via_stream(endless(), "bucket", "key"))
    before = -1
    while pulled != before or not server.requests:
        before = pulled
        for _ in range(300):
            await asyncio.sleep(0)
    assert driver._engine.memory.used <= 3 * PART
    assert pulled * PART < 64 << 20
    task.cancel()
    await asyncio.wait({task})
    assert driver._engine.memory.used == 0
    assert server.objects == {}
