"""Operations on buckets: the request on the wire, and what its answer means."""

from __future__ import annotations

import pytest

from aios3._protocol.operations import CreateBucket, DeleteBucket, HeadBucket
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.errors import AccessDeniedError, ConflictError, ContainerNotFoundError

ENDPOINT = Endpoint.parse("https://s3.example.com", "virtual")
BUCKET_URL = "https://bucket.s3.example.com/"


def test_head_bucket_asks_for_the_bucket() -> None:
    """200 is yes, 404 is no."""
    request = HeadBucket("bucket").build(ENDPOINT)
    assert (request.method, request_url(request)) == ("HEAD", BUCKET_URL)
    HeadBucket("bucket").read(Response(200, {}))
    with pytest.raises(ContainerNotFoundError):
        HeadBucket("bucket").read(Response(404, {}))


def test_create_bucket_names_a_region_only_if_there_is_one() -> None:
    plain = CreateBucket("bucket", None).build(ENDPOINT)
    assert (plain.method, request_url(plain), plain.headers, plain.body) == ("PUT", BUCKET_URL, {}, ())
    placed = CreateBucket("bucket", "eu-west-1").build(ENDPOINT)
    assert (placed.method, placed.headers) == ("PUT", {"content-type": "application/xml"})
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in bytes(placed.body[0])


def test_a_bucket_that_exists_is_a_conflict() -> None:
    CreateBucket("bucket", None).read(Response(200, {}))
    with pytest.raises(ConflictError):
        CreateBucket("bucket", None).read(Response(409, {}, b"<Error><Code>BucketAlreadyOwnedByYou</Code></Error>"))


def test_a_bucket_is_deleted() -> None:
    """204 is success, without a result; one that holds something is a conflict."""
    request = DeleteBucket("bucket").build(ENDPOINT)
    assert (request.method, request_url(request), request.headers) == ("DELETE", BUCKET_URL, {})
    DeleteBucket("bucket").read(Response(204, {}))
    with pytest.raises(ConflictError):
        DeleteBucket("bucket").read(Response(409, {}, b"<Error><Code>BucketNotEmpty</Code></Error>"))


@pytest.mark.parametrize("operation", [HeadBucket("bucket"), CreateBucket("bucket", None), DeleteBucket("bucket")])
def test_a_refusal_is_raised_by_all(operation: HeadBucket | CreateBucket | DeleteBucket) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        operation.read(Response(403, {}))
    assert (caught.value.operation, caught.value.bucket, caught.value.key) == (operation.name, "bucket", None)
