"""Effects of a provider's record on an upload, besides its limits."""

from __future__ import annotations

import asyncio
import dataclasses

import aiohttp
import pytest

from aios3 import PROVIDERS, ConfigurationError, ObjectTooLargeError, S3StorageDriver, TransferConfig
from aios3.testing import S3Server

MIB = 1024 * 1024
SMALL = dataclasses.replace(PROVIDERS["generic"], min_part_size=1024)


def driver_for(server: S3Server, provider, **options) -> S3StorageDriver:
    return S3StorageDriver(
        provider, endpoint_url=server.endpoint_url, region=server.region, credentials=server.credentials, **options
    )


@pytest.mark.parametrize(
    ("options", "sizes"), [({}, [6 * MIB, MIB]), ({"transfer": TransferConfig()}, [5 * MIB, 2 * MIB])]
)
async def test_the_recommended_part_size_of_a_provider_is_the_default(options, sizes):
    """Storj bills every part below 64 MiB like one of 64 MiB. An explicit part size of the caller replaces it."""
    storj_like = dataclasses.replace(SMALL, recommended_part_size=6 * MIB)
    async with S3Server(storj_like) as server, driver_for(server, storj_like, **options) as driver:
        receipt = await driver.upload_object_via_stream(bytes(7 * MIB), "bucket", "key")
    assert [part.size for part in receipt.parts] == sizes
    assert PROVIDERS["storj"].recommended_part_size == 64 * MIB


@pytest.mark.parametrize("concurrency", [8, "auto"])
@pytest.mark.parametrize(("buffer", "most"), [(None, 8), (3 * 4096, 3), (100, 1)])
async def test_parts_in_flight_do_not_exceed_the_stores_reorder_limit(buffer, most, concurrency):
    """Further parts would stand still until a timeout. Higher goodput does not raise the limit."""
    ordered = dataclasses.replace(SMALL, reorder_buffer=buffer)
    transfer = TransferConfig(part_size=4096, concurrency=concurrency)
    async with S3Server(ordered) as server, driver_for(server, ordered, transfer=transfer) as driver:
        server.hold("UploadPart")
        upload = asyncio.create_task(driver.upload_object_via_stream(bytes(20 * 4096), "bucket", "key"))
        await server.wait_for(lambda s: s.max_parts_in_progress == most)
        server.release("UploadPart")
        await upload

        assert server.max_parts_in_progress == most or (buffer, concurrency) == (None, "auto")


async def test_a_declared_size_above_the_largest_object_is_refused_before_any_request():
    limited = dataclasses.replace(SMALL, max_object_size=1000)
    async with S3Server(limited) as server, driver_for(server, limited) as driver:
        with pytest.raises(ObjectTooLargeError, match="generic takes objects of 1000 bytes at most, not of 1001"):
            await driver.upload_object_via_stream(bytes(1001), "bucket", "key", size=1001)
        await driver.upload_object_via_stream(bytes(1000), "bucket", "key", size=1000)

        assert len(server.requests) == 1


async def test_a_default_checksum_that_needs_a_missing_extra_is_left_out(monkeypatch):
    """TLS still protects the bytes in transit."""
    checked = dataclasses.replace(
        SMALL,
        checksums=frozenset({"crc64nvme"}),
        full_object_checksums=frozenset({"crc64nvme"}),
        default_checksum="crc64nvme",
    )
    monkeypatch.setattr("aios3._driver.arguments.is_available", lambda algorithm: False)
    async with S3Server(checked) as server, driver_for(server, checked) as driver:
        receipt = await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert receipt.checksum is None
    assert server.requests[0].header("x-amz-checksum-crc64nvme") is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # aiohttp is about to do without BasicAuth
async def test_a_session_with_its_own_authorization_is_refused():
    """aiohttp refuses two kinds of authorization. The error names the session."""
    keys = aiohttp.BasicAuth("user", "password")
    async with (
        S3Server(SMALL) as server,
        aiohttp.ClientSession(auth=keys) as session,
        driver_for(server, SMALL, session=session) as driver,
    ):
        with pytest.raises(ConfigurationError, match="cannot be made with this aiohttp session") as caught:
            await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert "password" not in str(caught.value)
    assert server.requests == []
