"""Directory buckets: what their names tell, and how one is made."""

from __future__ import annotations

import pytest

from aios3._protocol.operations import CreateDirectoryBucket
from aios3._protocol.operations.directory_buckets import folder_of, zone_of
from aios3._protocol.wire.messages import Response
from aios3._protocol.wire.uri import Endpoint, request_url
from aios3.errors import ConfigurationError, ConflictError

CONTROL = Endpoint.parse("https://s3express-control.us-east-1.amazonaws.com", "path")


@pytest.mark.parametrize(
    ("bucket", "zone"),
    [
        ("videos--use1-az4--x-s3", "use1-az4"),
        ("v--apne1-az1--x-s3", "apne1-az1"),
        ("my--own-videos--usw2-lax1-az1--x-s3", "usw2-lax1-az1"),
        ("v" * 47 + "--use1-az4--x-s3", "use1-az4"),
    ],
)
def test_the_name_tells_the_zone(bucket: str, zone: str) -> None:
    assert zone_of(bucket) == zone


@pytest.mark.parametrize(
    "bucket",
    [
        "videos",
        "videos--x-s3",
        "videos--use1--x-s3",
        "--use1-az4--x-s3",
        "videos---use1-az4--x-s3",
        "videos--use1-az4--x-s3\n",
        "Videos--use1-az4--x-s3",
        "my.videos--use1-az4--x-s3",
        "videos--use1.evil.test-az4--x-s3",
        "videos--use1-az4--xa-s3",
        "v" * 48 + "--use1-az4--x-s3",
    ],
)
def test_another_name_is_refused(bucket: str) -> None:
    """It becomes a part of a host name, so nothing else may get there; the message shows a good one."""
    with pytest.raises(ConfigurationError, match="is not the name of a directory bucket, which is like 'base-name--"):
        zone_of(bucket)


@pytest.mark.parametrize(("prefix", "folder"), [("", ""), ("a", ""), ("a/", "a/"), ("a//b", "a//"), ("/", "/")])
def test_a_prefix_is_asked_for_up_to_its_last_slash(prefix: str, folder: str) -> None:
    assert folder_of(prefix) == folder


@pytest.mark.parametrize(("zone", "kind"), [("use1-az4", "AvailabilityZone"), ("usw2-lax1-az1", "LocalZone")])
def test_a_bucket_is_made_in_its_zone(zone: str, kind: str) -> None:
    """By path at the control endpoint; the body says what the name says, as S3 wants it."""
    bucket = f"videos--{zone}--x-s3"
    request = CreateDirectoryBucket(bucket).build(CONTROL)
    assert (request.operation, request.method) == ("CreateBucket", "PUT")
    assert request_url(request) == f"https://s3express-control.us-east-1.amazonaws.com/{bucket}"
    assert request.headers == {"content-type": "application/xml"}
    body = b"".join(bytes(piece) for piece in request.body).decode()
    assert f"<Location><Name>{zone}</Name><Type>{kind}</Type></Location>" in body
    assert f"<Bucket><DataRedundancy>Single{kind}</DataRedundancy><Type>Directory</Type></Bucket>" in body


def test_a_refused_directory_bucket_is_an_error() -> None:
    body = b"<Error><Code>BucketAlreadyExists</Code></Error>"
    with pytest.raises(ConflictError):
        CreateDirectoryBucket("media--use1-az4--x-s3").read(Response(409, {}, body))
