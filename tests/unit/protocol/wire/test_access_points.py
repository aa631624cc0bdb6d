"""Access points in the place of a bucket."""

from __future__ import annotations

import pytest

from aios3._protocol.wire.access_points import AccessPoint, is_arn, read_access_point, region_in_name
from aios3.errors import ConfigurationError


@pytest.mark.parametrize("separator", "/:")
def test_an_arn_names_the_label_and_the_region_of_an_access_point(separator: str) -> None:
    arn = f"arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint{separator}my-point"
    assert read_access_point(arn) == AccessPoint("us-gov-west-1", "my-point-123456789012")
    assert region_in_name(arn) == "us-gov-west-1"


@pytest.mark.parametrize("bucket", ["videos", "arn", "tenant:videos", "a.b", "arn:aws:iam::1:role/x", "films-s3alias"])
def test_the_name_of_a_bucket_is_no_access_point(bucket: str) -> None:
    assert not is_arn(bucket)
    assert read_access_point(bucket) is region_in_name(bucket) is None


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:s3:eu-west-1::accesspoint/x",
        "arn:aws:s3:eu-west-1:1:accesspoint/a.evil.example",
        "arn:aws:s3:eu-west-1:1:accesspoint/a/b",
        "arn:aws:s3:eu-west-1:1:bucket/x",
        "arn:aws:s3:eu-west-1:1:x",
        "arn:aws:s3:::videos",
    ],
)
def test_an_arn_that_names_no_access_point_is_refused(arn: str) -> None:
    """Nothing of it can become part of a host."""
    with pytest.raises(ConfigurationError, match="does not name an access point"):
        read_access_point(arn)
