"""Buckets, and the unfinished uploads in them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from aios3 import (
    PROVIDERS,
    AccessDeniedError,
    ConflictError,
    Container,
    ContainerNotFoundError,
    ResponseError,
    S3StorageDriver,
)
from aios3._protocol.operations import CreateMultipartUpload
from aios3.testing import Fault, S3Server


async def test_a_bucket_is_looked_up_by_one_head(server, driver):
    """HEAD does not tell when it was made."""
    assert await driver.get_container("bucket") == Container("bucket")
    assert [request.operation for request in server.requests] == ["HeadBucket"]


async def test_a_missing_bucket_is_not_found(driver):
    """404 without a body."""
    with pytest.raises(ContainerNotFoundError) as caught:
        await driver.get_container("missing")
    assert (caught.value.bucket, caught.value.status) == ("missing", 404)


async def test_a_bucket_of_somebody_else_is_denied(server, driver):
    """403: it may exist."""
    server.faults.add(Fault("answer", "HeadBucket", status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await driver.get_container("bucket")


async def test_a_bucket_is_created_and_used(server, driver):
    """One request, and it is there."""
    assert await driver.create_container("new-bucket") == Container("new-bucket")
    assert [request.operation for request in server.requests] == ["CreateBucket"]
    await driver.upload_object_via_stream(b"x", "new-bucket", "key")


async def test_a_bucket_that_exists_is_a_conflict(server, driver):
    """Also if it is one's own, where the store says so."""
    server.faults.add(Fault("answer", "CreateBucket", status=409, code="BucketAlreadyExists"))
    with pytest.raises(ConflictError, match="BucketAlreadyExists"):
        await driver.create_container("bucket")


@pytest.mark.parametrize(
    ("name", "region", "is_named"),
    [("aws", "eu-west-1", True), ("aws", "us-east-1", False), ("generic", "us-east-1", False)],
)
async def test_the_region_is_named_where_the_store_keeps_regions_apart(make_driver, name, region, is_named):
    """In the body, unless it is the default, which S3 refuses to have named."""
    async with S3Server(name, region=region) as server:
        driver = make_driver(on=server, transfer=S3StorageDriver()._transfer)
        await driver.create_container("new-bucket")
        body = server.requests[0].body or b""
        assert (b"<LocationConstraint>" + region.encode() in body) == is_named


async def begin(driver, key: str) -> str:
    """Leave an upload open, as a process that died does."""
    engine = await driver._open()
    return await engine.client.run(CreateMultipartUpload("bucket", key, {}))


@pytest.mark.parametrize("page_limit", [1, 2, 3, 1000])
async def test_pending_uploads_are_listed_over_all_pages(small_provider, make_driver, page_limit):
    """Each once, also several of one key and keys of every kind, with key, id and time."""
    async with S3Server(small_provider, page_limit=page_limit) as server:
        driver = make_driver(on=server)
        keys = ["a", "a", "b//c", "b/../d", "ü &<>", "z\t+", "a"]
        expected = {(key, await begin(driver, key)) for key in keys}
        found = [upload async for upload in driver.iterate_multipart_uploads("bucket")]
        assert {(upload.key, upload.upload_id) for upload in found} == expected
        assert len(found) == len(expected)
        assert all(upload.bucket == "bucket" for upload in found)
        assert all(abs(upload.initiated_at - datetime.now(UTC)) < timedelta(minutes=1) for upload in found)


async def test_pending_uploads_of_a_prefix(server, driver):
    """Only those, and taken literally."""
    for key in ("a/1", "a/2", "b/1", "a%2F1", "A/1"):
        await begin(driver, key)
    found = [upload.key async for upload in driver.iterate_multipart_uploads("bucket", prefix="a/")]
    assert sorted(found) == ["a/1", "a/2"]
    assert [upload async for upload in driver.iterate_multipart_uploads("bucket", prefix="zz")] == []


async def test_listing_in_a_missing_bucket(driver):
    """It is not an empty list."""
    with pytest.raises(ContainerNotFoundError):
        [upload async for upload in driver.iterate_multipart_uploads("missing")]


async def test_a_listing_that_does_not_go_on_is_an_error(server, driver):
    """A store that repeats its markers does not hold the caller for ever, nor looks like a short list."""
    page = (
        b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
        b"<NextUploadIdMarker>i</NextUploadIdMarker><Upload><Key>k</Key><UploadId>i</UploadId></Upload>"
        b"</ListMultipartUploadsResult>"
    )
    server.faults.add(Fault("garbage_200", "ListMultipartUploads", body=page, times=1000))
    with pytest.raises(ResponseError, match="without moving on"):
        [upload async for upload in driver.iterate_multipart_uploads("bucket")]
    assert len(server.requests) < 20


def test_the_providers_of_these_tests_are_those_that_users_get():
    """`aws` names its region, `generic` does not."""
    assert dataclasses.asdict(PROVIDERS["aws"])["needs_location"]
    assert not PROVIDERS["generic"].needs_location
