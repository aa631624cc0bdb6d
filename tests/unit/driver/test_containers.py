"""Buckets: seen, made, deleted, listed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios3 import (
    PROVIDERS,
    AccessDeniedError,
    ConfigurationError,
    ConflictError,
    Container,
    ContainerNotFoundError,
    ResponseError,
    TransferConfig,
)
from aios3.testing import Fault, S3Server


def operations(server) -> list[str]:
    return [request.operation for request in server.requests]


# get_container


async def test_a_bucket_is_looked_up_by_one_head(server, driver):
    """HEAD does not tell when it was made."""
    assert await driver.get_container("bucket") == Container("bucket")
    assert operations(server) == ["HeadBucket"]


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


async def test_a_bucket_elsewhere_is_told_with_its_region(server, driver):
    """301 without a body: the header says where."""
    headers = (("x-amz-bucket-region", "eu-west-3"),)
    server.faults.add(Fault("answer", "HeadBucket", status=301, code="PermanentRedirect", headers=headers))
    with pytest.raises(ResponseError, match="'eu-west-3'"):
        await driver.get_container("bucket")


# create_container


async def test_a_bucket_is_created_and_used(server, driver):
    """One request, and it is there."""
    assert await driver.create_container("new-bucket") == Container("new-bucket")
    assert operations(server) == ["CreateBucket"]
    await driver.upload_object_via_stream(b"x", "new-bucket", "key")


@pytest.mark.parametrize("code", ["BucketAlreadyExists", "BucketAlreadyOwnedByYou"])
async def test_a_bucket_that_exists_is_a_conflict(server, driver, code):
    """Also if it is one's own, where the store says so."""
    server.faults.add(Fault("answer", "CreateBucket", status=409, code=code))
    with pytest.raises(ConflictError, match=code):
        await driver.create_container("bucket")


async def test_ones_own_creation_is_no_conflict(server, driver):
    """The answer was lost, and the repetition finds the bucket that the first try made."""
    server.faults.add(Fault("drop_after", "CreateBucket"))
    assert await driver.create_container("new-bucket") == Container("new-bucket")
    assert operations(server) == ["CreateBucket"] * 2


async def test_somebody_elses_bucket_stays_a_conflict_after_a_lost_answer(server, driver):
    """It was not made by us."""
    server.faults.add(Fault("drop_before", "CreateBucket"))
    server.faults.add(Fault("answer", "CreateBucket", nth=2, status=409, code="BucketAlreadyExists"))
    with pytest.raises(ConflictError):
        await driver.create_container("taken")


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


def test_the_providers_of_these_tests_are_those_that_users_get():
    """`aws` names its region, `generic` does not."""
    assert PROVIDERS["aws"].needs_location
    assert not PROVIDERS["generic"].needs_location


# delete_container


async def test_an_empty_bucket_is_deleted(server, driver):
    """One request; afterwards it is not found, also not by a second deletion."""
    assert await driver.delete_container("bucket") is None
    assert operations(server) == ["DeleteBucket"]
    with pytest.raises(ContainerNotFoundError):
        await driver.delete_container("bucket")


async def test_a_bucket_with_objects_stays(server, driver):
    """Nothing is emptied on the way."""
    await driver.upload_object_via_stream(b"x", "bucket", "key")
    with pytest.raises(ConflictError, match="BucketNotEmpty"):
        await driver.delete_container("bucket")
    assert list(server.objects) == [("bucket", "key")]


async def test_ones_own_deletion_is_not_a_missing_bucket(server, driver):
    """The answer was lost, and the repetition finds what the first try did."""
    server.faults.add(Fault("drop_after", "DeleteBucket"))
    await driver.delete_container("bucket")
    assert operations(server) == ["DeleteBucket"] * 2
    assert server.store.buckets == {}


# iterate_containers


async def test_buckets_are_listed_with_their_beginning(make_driver, small_provider):
    """By one request where the store does not page."""
    moment = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    async with S3Server(small_provider, buckets=("b", "a"), clock=lambda: moment, check_signatures=False) as server:
        driver = make_driver(on=server)
        assert [found async for found in driver.iterate_containers()] == [
            Container("a", moment),
            Container("b", moment),
        ]
        assert operations(server) == ["ListBuckets"]
        assert server.requests[0].target == "/"


async def test_no_buckets_are_no_error(make_driver, small_provider):
    """An empty iterator."""
    async with S3Server(small_provider, buckets=()) as server:
        assert [found async for found in make_driver(on=server).iterate_containers()] == []


def buckets_page(name: str, token: str) -> bytes:
    entry = f"<Buckets><Bucket><Name>{name}</Name></Bucket></Buckets><ContinuationToken>{token}</ContinuationToken>"
    return f"<ListAllMyBucketsResult>{entry}</ListAllMyBucketsResult>".encode()


async def test_pages_of_buckets_are_followed(server, driver):
    """By the token that the store gives, exactly."""
    server.faults.add(Fault("garbage_200", "ListBuckets", body=buckets_page("first", "a+/=?b")))
    found = [container.name async for container in driver.iterate_containers()]
    assert found == ["first", "bucket"]
    assert [request.head.parameter("continuation-token") for request in server.requests] == [None, "a+/=?b"]


async def test_pages_of_buckets_in_a_circle_are_an_error(server, driver):
    """Neither an endless iteration nor a list that looks complete."""
    for nth, token in enumerate("abcabcabcabc", 1):
        server.faults.add(Fault("garbage_200", "ListBuckets", nth=nth, body=buckets_page("x", token)))
    with pytest.raises(ResponseError, match="circle"):
        [found async for found in driver.iterate_containers()]
    assert len(server.requests) < 10


async def test_buckets_that_may_not_be_listed_are_denied(server, driver):
    """Credentials for one bucket usually may not."""
    server.faults.add(Fault("answer", "ListBuckets", status=403, code="AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await anext(driver.iterate_containers())


@pytest.mark.parametrize(
    "method", ["get_container", "create_container", "delete_container", "iterate_container_objects"]
)
@pytest.mark.parametrize("bucket", ["", "a/b", "..", "a b", None, "ü"])
async def test_what_cannot_be_a_bucket_is_refused(server, driver, method, bucket):
    """Before any request: it could reach another one."""
    call = getattr(driver, method)(bucket)
    with pytest.raises(ConfigurationError):
        await (anext(call) if method.startswith("iterate") else call)
    assert server.requests == []
