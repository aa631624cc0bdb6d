"""However an upload ends badly: nothing is open, and the key holds what it held before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from aios3 import (
    ContainerNotFoundError,
    Credentials,
    CredentialsError,
    DriverClosedError,
    ObjectTooLargeError,
    ResponseError,
    S3StorageDriver,
    SizeMismatchError,
    UploadProgress,
)
from tests.conformance.endpoints import PART, Endpoint, meddling_session
from tests.conformance.exchange import chunks, open_keys, payload, put, read
from tests.conformance.registry import check

BEFORE = b"what the key held before"


async def _hold_something(endpoint: Endpoint) -> str:
    key = endpoint.key("object")
    async with endpoint.driver() as driver:
        await put(driver, endpoint, key, BEFORE)
    return key


class _Stopped:
    """A source of two parts that ends with an error, or never, once a part is stored."""

    def __init__(self, error: Exception | None = None) -> None:
        self.stored, self.closed = asyncio.Event(), asyncio.Event()
        self._error = error

    def watch(self, progress: UploadProgress) -> None:
        if progress.parts_stored:
            self.stored.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks(payload(2 * PART + 1)):
                yield chunk
            await self.stored.wait()
            if self._error is not None:
                raise self._error
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def upload(self, driver: S3StorageDriver, endpoint: Endpoint, key: str) -> None:
        await driver.upload_object_via_stream(self.chunks(), endpoint.bucket, key, on_progress=self.watch)


async def _nothing_happened(driver: S3StorageDriver, endpoint: Endpoint, key: str) -> None:
    assert await open_keys(driver, endpoint, key) == []
    assert await read(driver, endpoint, key) == BEFORE


@check
async def a_source_that_fails_commits_nothing(endpoint: Endpoint) -> None:
    """Its error comes out unchanged, with a note of what became of the upload."""
    trouble = RuntimeError("the camera is gone")
    key = await _hold_something(endpoint)
    async with endpoint.driver() as driver:
        with pytest.raises(RuntimeError) as caught:
            await _Stopped(trouble).upload(driver, endpoint, key)
        assert caught.value is trouble
        assert "it was aborted" in trouble.__notes__[0]
        await _nothing_happened(driver, endpoint, key)


@check
async def a_refused_part_commits_nothing(endpoint: Endpoint) -> None:
    """The second part is sent to a bucket that does not exist, so that every store has a reason to refuse it."""

    async def misdirect(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        if request.method == "PUT" and request.url.query.get("partNumber") == "2":
            wrong = str(request.url).replace(endpoint.bucket, f"no-such-{endpoint.bucket}", 1)
            request.url = URL(wrong, encoded=True)
            request.headers["Host"] = request.url.authority  # where a bucket may be, too
        return await handler(request)

    key = await _hold_something(endpoint)
    async with meddling_session(misdirect) as session, endpoint.driver(session=session) as driver:
        with pytest.raises(ResponseError) as caught:
            await put(driver, endpoint, key, payload(3 * PART))
        assert (caught.value.operation, caught.value.part_number) == ("UploadPart", 2)
        assert "it was aborted" in caught.value.__notes__[-1]
        await _nothing_happened(driver, endpoint, key)


@check
async def a_cancellation_in_the_middle_commits_nothing(endpoint: Endpoint) -> None:
    """While the source is being waited for, with parts stored and another under way."""
    key, source = await _hold_something(endpoint), _Stopped()
    async with endpoint.driver() as driver:
        uploading = asyncio.create_task(source.upload(driver, endpoint, key))
        await source.stored.wait()
        uploading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await uploading
        assert source.closed.is_set()
        await _nothing_happened(driver, endpoint, key)


@check
async def closing_the_driver_ends_its_uploads(endpoint: Endpoint) -> None:
    """As a server does that shuts down."""
    key, source = await _hold_something(endpoint), _Stopped()
    async with endpoint.driver() as driver:
        uploading = asyncio.create_task(source.upload(driver, endpoint, key))
        await source.stored.wait()
    with pytest.raises(DriverClosedError, match="the driver was closed"):
        await uploading
    async with endpoint.driver() as driver:
        await _nothing_happened(driver, endpoint, key)


@check
async def a_wrong_declared_size_commits_nothing(endpoint: Endpoint) -> None:
    """Too long and too short, within one part and beyond it."""
    key = await _hold_something(endpoint)
    async with endpoint.driver() as driver:
        for size in (10, PART + 10):
            for declared in (size - 1, size + 1):
                with pytest.raises(SizeMismatchError, match="declared"):
                    await put(driver, endpoint, key, payload(size), size=declared)
                await _nothing_happened(driver, endpoint, key)


@check
async def going_over_the_allowed_size_commits_nothing(endpoint: Endpoint) -> None:
    """Within one part and beyond it; the source is not read to its end."""
    key = await _hold_something(endpoint)
    async with endpoint.driver() as driver:
        for limit in (10, 2 * PART):
            with pytest.raises(ObjectTooLargeError, match=f"max_size={limit}"):
                await put(driver, endpoint, key, payload(limit + 1), max_size=limit)
            await _nothing_happened(driver, endpoint, key)


@check
async def a_wrong_secret_is_refused(endpoint: Endpoint) -> None:
    """As a `CredentialsError`, whether the upload is one put or has parts."""
    wrong = Credentials(endpoint.credentials.access_key_id, "not-the-secret-access-key")
    async with endpoint.driver(credentials=wrong) as driver:
        for size in (10, PART + 1):
            with pytest.raises(CredentialsError) as caught:
                await put(driver, endpoint, endpoint.key("object"), payload(size))
            assert wrong.secret_access_key not in str(caught.value)


@check
async def a_missing_bucket_is_told(endpoint: Endpoint) -> None:
    """As a `ContainerNotFoundError`, whether the upload is one put or has parts."""
    async with endpoint.driver() as driver:
        for size in (10, PART + 1):
            with pytest.raises(ContainerNotFoundError):
                await driver.upload_object_via_stream(
                    payload(size), endpoint.bucket_name("aios3-no-such-bucket"), "key"
                )


@check
async def a_wrong_region_is_healed(endpoint: Endpoint) -> None:
    """Where the store names the right one, the request is signed for that; where it takes any, nothing is to heal."""
    key = endpoint.key("object")
    async with endpoint.driver(region="mars-north-1") as driver:
        receipt = await put(driver, endpoint, key, b"x")
        again = await put(driver, endpoint, key, b"y")
    assert receipt.retries <= 1
    assert again.retries == 0, "the region is remembered"
