"""Stores that send arbitrary responses: a result or a documented error, in bounded memory and time."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing

import pytest

from aios3 import (
    PROVIDERS,
    CompletionUnknownError,
    ConfigurationError,
    Credentials,
    RetryPolicy,
    S3StorageDriver,
    StorageError,
    Timeouts,
    TransferConfig,
)
from tests.support.wire import Peer, Wire, answer

from .hostile_answers import ENDLESS, EVILS, HONEST, Evil, operation_of

PART = 1024
PROVIDER = dataclasses.replace(PROVIDERS["generic"], min_part_size=PART)
MOST_SECONDS = 20.0
"""For one call with two attempts per request; timeouts are some tenths of a second."""
MOST_BYTES = 48 * 2**20
MOST_REQUESTS = 60


class SourceError(Exception):
    """Error of the source."""


async def broken_source() -> AsyncIterator[bytes]:
    yield bytes(2 * PART)
    raise SourceError


async def download(driver: S3StorageDriver) -> None:
    async with aclosing(driver.download_object_as_stream("bucket", "key")) as chunks:
        received = 0
        async for chunk in chunks:
            received += len(chunk)
            if received > 2**24:  # as long as the caller goes on reading an endless object
                return


async def drain(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


Call = Callable[[S3StorageDriver], Awaitable[object]]
UPLOAD: Call = lambda driver: driver.upload_object_via_stream(bytes(3 * PART), "bucket", "key")  # noqa: E731
BREAK: Call = lambda driver: driver.upload_object_via_stream(broken_source(), "bucket", "key")  # noqa: E731
CALLS: dict[str, Call] = {
    "CreateMultipartUpload": UPLOAD,
    "UploadPart": UPLOAD,
    "CompleteMultipartUpload": UPLOAD,
    "AbortMultipartUpload": BREAK,
    "ListParts": BREAK,
    "PutObject": lambda driver: driver.upload_object_via_stream(b"x", "bucket", "key"),
    "HeadObject": lambda driver: driver.get_object("bucket", "key"),
    "GetObject": download,
    "ListObjectsV2": lambda driver: drain(driver.iterate_container_objects("bucket")),
}


def pairs(evils: list[str]) -> list[tuple[str, str]]:
    """Return each hostile response with three operations, in rotation, or with every operation on request."""
    names, turn = list(CALLS), 0 if os.environ.get("AIOS3_FUZZ_ALL") else 3
    return [
        (evil, operation)
        for number, evil in enumerate(evils)
        for place, operation in enumerate(names)
        if not turn or place % turn == number % turn
    ]


@pytest.fixture
async def play() -> AsyncIterator[Callable[[str, Evil], Awaitable[Wire]]]:
    """Make a call against a store that is hostile in one operation and correct in the others."""
    async with AsyncExitStack() as stack:

        async def play(operation: str, evil: Evil) -> Wire:
            async def script(peer: Peer) -> None:
                while True:
                    name = operation_of(await peer.read_request())
                    if name == operation:
                        return await evil(peer)
                    peer.send(HONEST[name])

            wire = await stack.enter_async_context(Wire(script))
            await call_on(wire, CALLS[operation])
            return wire

        yield play


async def call_on(wire: Wire, call: Call) -> None:
    """Make the call, and check that it ends in time, with a result, the source's error, or a documented error."""
    async with S3StorageDriver(
        PROVIDER,
        endpoint_url=f"http://{wire.host}",
        region="us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "secret", "token"),
        retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0, max_delay=0),
        transfer=TransferConfig(part_size=PART, concurrency=2),
        timeouts=Timeouts(connect=0.3, send=5, read=0.2, complete=0.2, cleanup=2),
    ) as driver:
        failure = None
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await call(driver)
        except SourceError:
            return
        except StorageError as error:
            failure = error
        assert not isinstance(failure, ConfigurationError), failure
        assert str(failure).isprintable()
        assert len(str(failure)) < 1000


@pytest.mark.parametrize(("evil", "operation"), pairs([name for name in EVILS if name not in ENDLESS]))
async def test_any_response_is_a_result_or_a_documented_error(play, operation, evil):
    wire = await play(operation, EVILS[evil])
    heads = [head.lower() for peer in wire.peers for head in peer.heads]
    assert 1 <= len(heads) <= MOST_REQUESTS
    assert all(b"authorization: aws4-hmac-sha256 " in head for head in heads)
    assert not any(b"\r\ncookie:" in head or b"\r\nproxy-authorization:" in head for head in heads)


@pytest.mark.parametrize(("evil", "operation"), pairs(list(ENDLESS)))
async def test_an_endless_response_takes_bounded_memory(play, operation, evil):
    tracemalloc.start()
    try:
        wire = await play(operation, ENDLESS[evil])
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert sum(len(peer.heads) for peer in wire.peers) <= MOST_REQUESTS


@pytest.mark.parametrize("operation", CALLS)
async def test_a_redirect_sends_nothing_to_another_host(play, operation):
    seen, statuses = [], iter((301, 302, 303, 307, 308) * MOST_REQUESTS)

    async def other(peer: Peer) -> None:
        seen.append(peer)
        await peer.read_to_end()

    async with Wire(other) as elsewhere:
        place = f"http://{elsewhere.host}/bucket/key"
        body = f"<Error><Code>PermanentRedirect</Code><Endpoint>{elsewhere.host}</Endpoint></Error>".encode()

        async def redirect(peer: Peer) -> None:
            peer.send(answer(next(statuses), body, f"Location: {place}", f"X-Amz-Bucket-Region: {elsewhere.host}"))

        for _ in range(3):
            await play(operation, redirect)
        assert seen == []


async def test_a_commit_with_an_unbounded_response_is_not_reported_as_failed():
    commits = 0

    async def script(peer: Peer) -> None:
        nonlocal commits
        while True:
            name = operation_of(await peer.read_request())
            if name == "CompleteMultipartUpload":
                commits += 1
                return await ENDLESS["endless body"](peer)
            gone = answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
            peer.send(gone if commits and name == "AbortMultipartUpload" else HONEST[name])

    async with Wire(script) as wire:
        with pytest.raises(StorageError) as caught:
            await call_raw(wire)
    assert isinstance(caught.value, CompletionUnknownError)


async def call_raw(wire: Wire) -> None:
    async with S3StorageDriver(
        PROVIDER,
        endpoint_url=f"http://{wire.host}",
        region="us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "secret"),
        retry=RetryPolicy(max_attempts=2, base_delay=0),
        transfer=TransferConfig(part_size=PART, concurrency=2),
    ) as driver:
        await UPLOAD(driver)
