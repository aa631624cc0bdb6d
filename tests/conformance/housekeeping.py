"""Buckets and objects around the uploads."""

from __future__ import annotations

import secrets

import pytest

from aios3 import ContainerNotFoundError, ObjectNotFoundError
from tests.conformance.endpoints import Endpoint
from tests.conformance.exchange import payload, put, read
from tests.conformance.registry import check

MISSING = "aios3-no-such-bucket"


@check
async def a_new_container_can_be_used(endpoint: Endpoint) -> None:
    """Once created it is found, has no uploads, and takes objects."""
    if not endpoint.may_create_buckets:
        pytest.skip("AIOS3_TEST_BUCKET is set, so no bucket is created")
    name = endpoint.bucket_name(f"aios3-new-{secrets.token_hex(4)}")
    async with endpoint.driver() as driver:
        with pytest.raises(ContainerNotFoundError):
            await driver.get_container(name)
        assert (await driver.create_container(name)).name == name
        assert (await driver.get_container(name)).name == name
        assert [upload async for upload in driver.iterate_multipart_uploads(name)] == []
        receipt = await driver.upload_object_via_stream(b"x", name, "key")
        assert (await driver.get_object(name, "key")).etag == receipt.etag
        await driver.delete_object(name, "key")


@check
async def missing_things_are_told_apart(endpoint: Endpoint) -> None:
    """A bucket is not an object."""
    async with endpoint.driver() as driver:
        assert (await driver.get_container(endpoint.bucket)).name == endpoint.bucket
        with pytest.raises(ContainerNotFoundError):
            await driver.get_container(endpoint.bucket_name(MISSING))
        with pytest.raises(ObjectNotFoundError):
            await driver.get_object(endpoint.bucket, endpoint.key("missing"))
        with pytest.raises(ObjectNotFoundError):
            await read(driver, endpoint, endpoint.key("missing"))


@check
async def listing_uploads_of_a_missing_bucket_is_told(endpoint: Endpoint) -> None:
    """As a `ContainerNotFoundError`, not as an empty list."""
    async with endpoint.driver() as driver:
        with pytest.raises(ContainerNotFoundError):
            await anext(aiter(driver.iterate_multipart_uploads(endpoint.bucket_name(MISSING))))


@check
async def an_object_is_described(endpoint: Endpoint) -> None:
    """Its size, its time in UTC, and an ETag without quotes."""
    key = endpoint.key("object")
    async with endpoint.driver() as driver:
        await put(driver, endpoint, key, payload(1234))
        found = await driver.get_object(endpoint.bucket, key)
    assert (found.bucket, found.key, found.size) == (endpoint.bucket, key, 1234)
    assert found.etag
    assert '"' not in found.etag
    assert found.last_modified is not None
    assert found.last_modified.utcoffset().total_seconds() == 0


@check
async def a_deleted_object_is_gone(endpoint: Endpoint) -> None:
    """Deleting what is not there is no error."""
    key = endpoint.key("object")
    async with endpoint.driver() as driver:
        await put(driver, endpoint, key, b"x")
        await driver.delete_object(endpoint.bucket, key)
        with pytest.raises(ObjectNotFoundError):
            await driver.get_object(endpoint.bucket, key)
        await driver.delete_object(endpoint.bucket, key)
