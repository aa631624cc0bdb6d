"""The rows' numbers of parts, scaled down; and that a driver which takes one row for another is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aios3 import (
    PROVIDERS,
    PartLimitError,
    Provider,
    ResponseError,
    RetryPolicy,
    S3StorageDriver,
    StorageError,
    TransferConfig,
)
from aios3.options import KIB, MIB
from tests.conformance.endpoints import Endpoint
from tests.conformance.exchange import payload, put, read, verify
from tests.conformance.rows import address_of, region_of, row_endpoint

FEWER = 250
"""What the numbers of parts are divided by: 10,000 become 40, and 1,000 become 4."""

TRANSFER = TransferConfig(part_size=KIB)
AMAZON = PROVIDERS["aws"]


def small(row: str) -> Provider:
    """Return the row with parts of 1 KiB, and fewer of them."""
    provider = PROVIDERS[row]
    return replace(provider, min_part_size=KIB, max_parts=provider.max_parts // FEWER)


@pytest.mark.parametrize("row", PROVIDERS)
async def test_a_stream_beyond_the_usual_parts_arrives_or_ends_in_a_clear_error(row: str) -> None:
    provider = small(row)
    data = payload((provider.max_parts + 1) * KIB)
    async with row_endpoint(provider) as endpoint, endpoint.driver(transfer=TRANSFER) as driver:
        key = endpoint.key("object")
        await put(driver, endpoint, key, b"before")
        if provider.equal_parts:
            with pytest.raises(PartLimitError):
                await put(driver, endpoint, key, data)
            assert await read(driver, endpoint, key) == b"before"
        else:
            receipt = await put(driver, endpoint, key, data)
            assert len(receipt.parts) <= provider.max_parts
            assert await read(driver, endpoint, key) == data


@pytest.mark.parametrize("row", PROVIDERS)
async def test_a_stream_of_all_the_parts_there_are_arrives(row: str) -> None:
    provider = small(row)
    size = provider.max_parts * KIB
    async with row_endpoint(provider) as endpoint, endpoint.driver(transfer=TRANSFER) as driver:
        key = endpoint.key("object")
        receipt = await put(driver, endpoint, key, payload(size), size=size)
        await verify(driver, endpoint, receipt, payload(size), part_size=KIB)
        assert len(receipt.parts) == provider.max_parts
        longer = payload(2 * MIB)
        receipt = await put(driver, endpoint, key, longer, size=len(longer))
        assert 1 < len(receipt.parts) <= provider.max_parts
        await verify(driver, endpoint, receipt, longer, part_size=receipt.parts[0].size)


def mistaken(endpoint: Endpoint, told: str) -> S3StorageDriver:
    """Return a driver that takes the endpoint's row for another."""
    there = PROVIDERS[endpoint.provider]
    endpoint.provider = told
    return endpoint.driver(
        endpoint_url=address_of(there, region_of(there)) or endpoint.endpoint_url,
        region=endpoint.region or "us-east-1",
        retry=RetryPolicy(max_attempts=1),
    )


@pytest.mark.parametrize(
    ("row", "told", "reason"),
    [
        ("google", "scaleway", "crc32 is not supported"),
        ("oracle", "generic", "UNSIGNED-PAYLOAD"),
        ("s3express", "generic", "keys of a session"),
    ],
)
async def test_a_driver_that_takes_one_row_for_another_is_refused(row: str, told: str, reason: str) -> None:
    with pytest.raises(ResponseError, match=reason):
        async with row_endpoint(PROVIDERS[row]) as endpoint, mistaken(endpoint, told) as driver:
            await put(driver, endpoint, endpoint.key("object"), b"x")


async def test_a_bucket_without_its_region_is_refused() -> None:
    with pytest.raises(ResponseError, match="location constraint"):
        async with row_endpoint(AMAZON) as endpoint, mistaken(endpoint, "generic") as driver:
            await driver.create_container("aios3-new")


async def test_parts_that_may_not_differ_are_refused_if_they_do() -> None:
    """As Cloudflare does at the end of an upload whose parts have grown."""
    provider = small("cloudflare")
    with pytest.raises(StorageError, match="same length"):
        async with row_endpoint(provider) as endpoint:
            endpoint.record = replace(provider, equal_parts=False)
            async with endpoint.driver(transfer=TRANSFER) as driver:
                await put(driver, endpoint, endpoint.key("object"), payload((provider.max_parts + 1) * KIB))


async def test_more_parts_than_a_thousand_are_refused() -> None:
    """By Scaleway's server, scaled down."""
    provider = small("scaleway")
    with pytest.raises(ResponseError, match="between 1 and 4"):
        async with row_endpoint(provider) as endpoint:
            endpoint.record = replace(provider, max_parts=10_000)
            async with endpoint.driver(transfer=TRANSFER) as driver:
                await put(driver, endpoint, endpoint.key("object"), payload((provider.max_parts + 1) * KIB))


async def test_a_bucket_that_is_addressed_otherwise_than_the_row_says_is_found_out() -> None:
    with pytest.raises(AssertionError):
        async with row_endpoint(AMAZON) as endpoint:
            endpoint.record = replace(AMAZON, addressing="path")
            async with endpoint.driver() as driver:
                await put(driver, endpoint, endpoint.key("object"), b"x")


async def test_a_checksum_that_the_row_is_not_known_to_take_is_found_out() -> None:
    with pytest.raises(AssertionError):
        async with row_endpoint(PROVIDERS["generic"]) as endpoint, mistaken(endpoint, "aws") as driver:
            await put(driver, endpoint, endpoint.key("object"), b"x")
