"""Buckets, and what is in them."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aios3 import (
    PROVIDERS,
    AccessDeniedError,
    ConfigurationError,
    ConflictError,
    Container,
    ContainerNotFoundError,
    ResponseError,
    RetryPolicy,
    S3StorageDriver,
    TransferConfig,
    TransportError,
)
from aios3.testing import Fault, S3Server

ODD_KEYS = [
    " leading", "trailing ", "  ", "a b", "a+b", "a%20b", "%2B", "a//b", "/a", "a/", ".", "..", "a/../b", "tab\t",
    "line\n", "return\r", "\x01\x1f\x7f", "\u2028", "ü", "u\u0308", "🎬", "&amp;<>\"'", "x" * 1024,
]  # fmt: skip
"""In no particular order."""


def operations(server) -> list[str]:
    return [request.operation for request in server.requests]


async def list_keys(driver, bucket="bucket", **options) -> list[str]:
    return [found.key async for found in driver.iterate_container_objects(bucket, **options)]


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


# iterate_container_objects


@pytest.mark.parametrize("page_limit", [1, 2, 7, 1000])
async def test_objects_are_listed_over_all_pages_with_their_exact_keys(small_provider, make_driver, page_limit):
    """Every key once, in the store's order, whatever the size of its pages."""
    async with S3Server(small_provider, page_limit=page_limit) as server:
        driver = make_driver(on=server)
        for key in ODD_KEYS:
            await driver.upload_object_via_stream(b"x", "bucket", key)
        server.requests.clear()
        assert await list_keys(driver) == sorted(ODD_KEYS, key=str.encode)
        assert len(server.requests) == -(-len(ODD_KEYS) // page_limit)


async def test_a_listed_object_is_described(server, driver):
    """What HEAD says too, but for what a listing does not carry."""
    await driver.upload_object_via_stream(b"abc", "bucket", "key", content_type="text/x", storage_class="COLD")
    (found,) = [one async for one in driver.iterate_container_objects("bucket")]
    looked_up = await driver.get_object("bucket", "key")
    assert (found.bucket, found.key, found.size, found.etag) == ("bucket", "key", 3, looked_up.etag)
    assert (found.storage_class, found.content_type, found.metadata, found.version_id) == ("COLD", None, {}, None)
    assert abs(found.last_modified - datetime.now(UTC)) < timedelta(minutes=1)


async def test_objects_of_a_prefix(driver):
    """Only those, and taken literally."""
    for key in ("a/1", "a/2", "b/1", "a%2F1", "A/1", "+ /x"):
        await driver.upload_object_via_stream(b"x", "bucket", key)
    assert await list_keys(driver, prefix="a/") == ["a/1", "a/2"]
    assert await list_keys(driver, prefix="+ ") == ["+ /x"]
    assert await list_keys(driver, prefix="zz") == []


async def test_a_store_that_ignores_the_prefix_does_not_widen_the_list(server, driver):
    """Whoever deletes what is listed must not delete more."""
    page = b"<ListBucketResult><Contents><Key>other</Key><Size>1</Size></Contents></ListBucketResult>"
    server.faults.add(Fault("garbage_200", "ListObjectsV2", body=page))
    assert await list_keys(driver, prefix="mine/") == []


async def test_listing_in_a_missing_bucket(driver):
    """It is not an empty list."""
    with pytest.raises(ContainerNotFoundError):
        await list_keys(driver, "missing")


@pytest.mark.parametrize(
    "token", ["", "<NextContinuationToken> </NextContinuationToken>", "<NextMarker>k</NextMarker>"]
)
async def test_a_listing_that_does_not_go_on_is_an_error(server, driver, token):
    """A store that says that there is more and not where does not make a short list look complete."""
    page = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>".encode()
    server.faults.add(Fault("garbage_200", "ListObjectsV2", body=page, times=1000))
    with pytest.raises(ResponseError, match="without moving on"):
        await list_keys(driver)
    assert len(server.requests) < 20


async def test_a_listing_that_repeats_its_token_is_an_error(server, driver):
    """It does not hold the caller for ever."""
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    page = b"<ListBucketResult>" + more + b"</ListBucketResult>"
    server.faults.add(Fault("garbage_200", "ListObjectsV2", body=page, times=1000))
    with pytest.raises(ResponseError, match="without moving on"):
        await list_keys(driver)
    assert len(server.requests) < 20


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_mid_answer", "answer", "error_in_200"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_passing_failure_in_the_middle_of_a_listing_changes_nothing(small_provider, make_driver, kind, nth):
    """The page is asked for again, and no key is missing or there twice."""
    async with S3Server(small_provider, page_limit=2) as server:
        driver = make_driver(on=server)
        for key in "abcde":
            await driver.upload_object_via_stream(b"x", "bucket", key)
        server.faults.add(Fault(kind, "ListObjectsV2", nth=nth, times=2, code="InternalError"))
        assert await list_keys(driver) == list("abcde")


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault("drop_before", "ListObjectsV2", nth=2, times=99), TransportError, "gave up|ListObjectsV2"),
        (Fault("answer", "ListObjectsV2", nth=2, times=99, status=500, code="InternalError"), ResponseError, "500"),
        (
            Fault("garbage_200", "ListObjectsV2", nth=2, times=99, body=b"<html>hi</html>"),
            ResponseError,
            "unexpected 'html'",
        ),
        (Fault("garbage_200", "ListObjectsV2", nth=2, times=99), ResponseError, "an empty body"),
    ],
)
async def test_a_listing_that_cannot_be_finished_says_so(small_provider, make_driver, fault, error, words):
    """What came before is given first, then the error."""
    async with S3Server(small_provider, page_limit=2) as server:
        driver = make_driver(on=server, retry=RetryPolicy(max_attempts=2, base_delay=0, throttle_base_delay=0))
        for key in "abcde":
            await driver.upload_object_via_stream(b"x", "bucket", key)
        server.faults.add(fault)
        objects = driver.iterate_container_objects("bucket")
        assert [(await anext(objects)).key, (await anext(objects)).key] == ["a", "b"]
        with pytest.raises(error, match=words):
            await anext(objects)


async def test_leaving_a_listing_early_leaves_nothing(small_provider, make_driver):
    """No further page is asked for."""
    async with S3Server(small_provider, page_limit=2) as server:
        driver = make_driver(on=server)
        for key in "abcde":
            await driver.upload_object_via_stream(b"x", "bucket", key)
        server.requests.clear()
        objects = driver.iterate_container_objects("bucket")
        assert (await anext(objects)).key == "a"
        await objects.aclose()
        assert operations(server) == ["ListObjectsV2"]


KEYS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(" +%/.\r\n\t\x00&<")), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(KEYS, min_size=1, max_size=6), encoding=st.sampled_from(["%20", "+"]))
@example(keys={" ", "+", "%20", "%2B"}, encoding="+")
async def test_any_key_comes_back_from_a_listing_as_it_was_written(keys, encoding, small_provider, monkeypatch):
    """Stores write a space as ``%20`` or as ``+``, and a plus always as ``%2B``."""
    from aios3.testing import listings

    real = listings._Encoder.__call__
    monkeypatch.setattr(listings._Encoder, "__call__", lambda self, key: real(self, key).replace("%20", encoding))
    try:
        async with S3Server(small_provider, page_limit=2) as server:
            options = {"endpoint_url": server.endpoint_url, "credentials": server.credentials, "region": server.region}
            async with S3StorageDriver(**options) as driver:
                for key in keys:
                    await driver.upload_object_via_stream(b"x", "bucket", key)
                assert await list_keys(driver) == sorted(keys, key=str.encode)
    finally:
        monkeypatch.undo()


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


@pytest.mark.parametrize("prefix", [None, b"a", "\ud800", "x" * 1025])
async def test_what_no_key_can_begin_with_is_refused(server, driver, prefix):
    """Before any request."""
    with pytest.raises(ConfigurationError, match="prefix"):
        await list_keys(driver, prefix=prefix)
    assert server.requests == []


def test_the_odd_keys_are_odd():
    """They are not all plain, and no two are the same."""
    assert len(set(ODD_KEYS)) == len(ODD_KEYS)
    assert not any(set(key) <= set(string.ascii_letters) for key in ODD_KEYS if len(key) < 1024)
