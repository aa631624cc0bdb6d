"""Buckets: seen, made, deleted, listed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3 import (
    AccessDeniedError,
    ConflictError,
    Container,
    ContainerNotFoundError,
    ResponseError,
    RetryPolicy,
    Timeouts,
    TransferConfig,
    TransportTimeoutError,
)
from aios3.testing import Fault, S3Server
from tests.support.driver_scenes import operations


async def test_a_bucket_is_looked_up_by_one_head(server, driver):
    assert await driver.get_container("bucket") == Container("bucket")
    assert operations(server) == ["HeadBucket"]


async def test_a_silent_store_is_not_called_a_connection_that_is_never_made(server, make_driver):
    """A request without a body does not show when it is connected, so the message names both."""
    server.faults.add(Fault("stall_before", "HeadBucket"))
    driver = make_driver(timeouts=Timeouts(connect=0.05, read=0.05), retry=RetryPolicy(max_attempts=1))
    with pytest.raises(TransportTimeoutError, match="for 0.1 s while connecting or waiting for the response"):
        await driver.get_container("bucket")


async def test_a_missing_bucket_is_not_found(driver):
    with pytest.raises(ContainerNotFoundError) as caught:
        await driver.get_container("missing")
    assert (caught.value.bucket, caught.value.status) == ("missing", 404)


@pytest.mark.parametrize("operation", ["HeadBucket", "ListBuckets"])
async def test_a_bucket_or_a_listing_of_others_is_denied(server, driver, operation):
    server.faults.add(Fault("answer", operation, status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await (driver.get_container("bucket") if operation == "HeadBucket" else anext(driver.iterate_containers()))


async def test_the_error_of_a_bucket_elsewhere_names_its_region(server, driver):
    """301 without a body: the header says where."""
    headers = (("x-amz-bucket-region", "eu-west-3"),)
    server.faults.add(Fault("answer", "HeadBucket", status=301, code="PermanentRedirect", headers=headers))
    with pytest.raises(ResponseError, match="'eu-west-3'"):
        await driver.get_container("bucket")


async def test_a_bucket_is_created_and_used(server, driver):
    assert await driver.create_container("new-bucket") == Container("new-bucket")
    assert operations(server) == ["CreateBucket"]
    await driver.upload_object_via_stream(b"x", "new-bucket", "key")


@pytest.mark.parametrize("code", ["BucketAlreadyExists", "BucketAlreadyOwnedByYou"])
@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_bucket_that_exists_is_a_conflict(server, driver, code, is_lost):
    """Also one of another owner after a lost request, because the driver did not make it."""
    if is_lost and code == "BucketAlreadyExists":
        server.faults.add(Fault("drop_before", "CreateBucket"))
    server.faults.add(Fault("answer", "CreateBucket", nth=1 + len(server.faults.unused), status=409, code=code))
    with pytest.raises(ConflictError, match=code):
        await driver.create_container("bucket")


async def test_a_repeated_request_whose_response_was_lost_succeeds(server, driver):
    for operation in ("CreateBucket", "DeleteBucket"):
        server.faults.add(Fault("drop_after", operation))
    assert await driver.create_container("new-bucket") == Container("new-bucket")
    assert await driver.delete_container("new-bucket") is None
    assert operations(server) == ["CreateBucket"] * 2 + ["DeleteBucket"] * 2
    assert "new-bucket" not in server.store.buckets


@pytest.mark.parametrize(
    ("name", "region", "is_named"),
    [("aws", "eu-west-1", True), ("aws", "us-east-1", False), ("generic", "eu-west-1", False)],
)
async def test_the_region_is_named_where_the_store_keeps_regions_apart(make_driver, name, region, is_named):
    """In the body, unless it is the default, which S3 refuses to have named."""
    async with S3Server(name, region=region) as server:
        driver = make_driver(on=server, transfer=TransferConfig())
        if name == "generic":
            server.faults.add(Fault("garbage_200", "CreateBucket"))
        await driver.create_container("new-bucket")
        body = server.requests[0].body or b""
        assert (b"<LocationConstraint>" + region.encode() in body) == is_named


async def test_an_empty_bucket_is_deleted(server, driver):
    assert await driver.delete_container("bucket") is None
    assert operations(server) == ["DeleteBucket"]
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_container("bucket")


async def test_a_bucket_with_objects_stays(server, driver):
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    with pytest.raises(ConflictError, match="BucketNotEmpty"):
        await driver.delete_container("bucket")
    assert list(server.objects) == [("bucket", "key")]


@pytest.mark.parametrize("names", [("a", "b"), ()])
async def test_buckets_are_listed_with_the_time_of_their_creation(make_driver, small_provider, names):
    moment = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    async with S3Server(small_provider, buckets=names, clock=lambda: moment, check_signatures=False) as server:
        found = [each async for each in make_driver(on=server).iterate_containers()]
        assert found == [Container(name, moment) for name in names]
        assert [(request.operation, request.target) for request in server.requests] == [("ListBuckets", "/")]


def buckets_page(name: str, token: str) -> bytes:
    entry = f"<Buckets><Bucket><Name>{name}</Name></Bucket></Buckets><ContinuationToken>{token}</ContinuationToken>"
    return f"<ListAllMyBucketsResult>{entry}</ListAllMyBucketsResult>".encode()


async def test_pages_of_buckets_are_followed_by_the_exact_token(server, driver):
    for nth, page in enumerate((buckets_page("first", "a+/=?b"), buckets_page("bucket", "")), 1):
        server.faults.add(Fault("garbage_200", "ListBuckets", nth=nth, body=page))
    found = [container.name async for container in driver.iterate_containers()]
    assert found == ["first", "bucket"]
    assert [request.head.parameter("continuation-token") for request in server.requests] == [None, "a+/=?b"]


async def test_pages_of_buckets_in_a_circle_are_an_error(server, driver):
    for nth, token in enumerate("abcabcabcabc", 1):
        server.faults.add(Fault("garbage_200", "ListBuckets", nth=nth, body=buckets_page("x", token)))
    with pytest.raises(ResponseError, match="repeats its pages"):
        [found async for found in driver.iterate_containers()]
    assert len(server.requests) < 10
