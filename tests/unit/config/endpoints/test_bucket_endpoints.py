"""Endpoints that depend on the bucket: accelerated ones, and those of zones."""

from __future__ import annotations

import pytest

from aios3 import PROVIDERS
from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.endpoints.bucket_endpoints import accelerated_endpoint, control_endpoint, zonal_endpoint
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider, find_provider

AWS = find_provider("aws")
ACCELERATE = frozenset({"accelerate"})


@pytest.mark.parametrize(
    ("variant", "host"),
    [
        (ACCELERATE, "videos.s3-accelerate.amazonaws.com"),
        (ACCELERATE | {"dualstack"}, "videos.s3-accelerate.dualstack.amazonaws.com"),
    ],
)
def test_what_is_in_buckets_is_reached_at_one_host_for_all_regions(variant, host):
    found = accelerated_endpoint(AWS, variant, Profile())
    assert found is not None
    for region in ("eu-west-1", "us-east-1"):
        assert found("videos", region).scheme == "https"
        assert found("videos", region).locate("videos", "a//b") == (host, "/a//b")


@pytest.mark.parametrize("variant", [set(), {"dualstack"}, {"fips", "dualstack"}])
def test_nothing_else_is_accelerated(variant):
    assert accelerated_endpoint(AWS, frozenset(variant), Profile()) is None


@pytest.mark.parametrize("bucket", ["a.b", "Videos", "my_videos", "-a"])
def test_a_bucket_that_cannot_be_a_subdomain_is_refused(bucket):
    """By path it would not be reached; the words say what is wrong with it."""
    found = accelerated_endpoint(AWS, ACCELERATE, Profile())
    assert found is not None
    with pytest.raises(ConfigurationError, match=f"the bucket '{bucket}' cannot be accelerated: .* without dots"):
        found(bucket, "eu-west-1")


def test_buckets_by_path_cannot_be_accelerated():
    """The profile is named; virtual addressing is what it is anyway, whatever the provider does else."""
    by_path = Profile("p", settings=Section(nested={"s3": {"addressing_style": "path"}}))
    with pytest.raises(ConfigurationError, match="profile 'p': addressing_style = path"):
        accelerated_endpoint(AWS, ACCELERATE, by_path)
    fast = Provider(
        "fast", endpoint="https://{region}.example", endpoint_variants=((ACCELERATE, "https://fast.example"),)
    )
    found = accelerated_endpoint(fast, ACCELERATE, Profile())
    assert found is not None
    assert found("b", "r").locate("b", None)[0] == "b.fast.example"


EXPRESS = PROVIDERS["s3express"]
BUCKET = "videos--use1-az4--x-s3"


def test_most_providers_have_no_control_endpoint() -> None:
    assert control_endpoint(PROVIDERS["aws"], "us-east-1") is None


def test_objects_are_reached_in_the_zone_that_the_bucket_names() -> None:
    control = control_endpoint(EXPRESS, "us-east-1")
    assert control.locate(BUCKET, None) == ("s3express-control.us-east-1.amazonaws.com", f"/{BUCKET}")
    of_bucket = zonal_endpoint(EXPRESS, control, "us-east-1")
    host, path = of_bucket(BUCKET, "us-east-1").locate(BUCKET, "key")
    assert (host, path) == (f"{BUCKET}.s3express-use1-az4.us-east-1.amazonaws.com", "/key")
    assert of_bucket("v--usw2-az1--x-s3", "us-west-2").host == "s3express-usw2-az1.us-west-2.amazonaws.com"
    with pytest.raises(ConfigurationError, match="'videos' is not the name of a directory bucket"):
        of_bucket("videos", "us-east-1")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("s3express", "http://127.0.0.1:9000"),
        ("s3express", "https://s3express-control.eu-north-1.amazonaws.com"),
        ("aws", "https://s3.us-east-1.amazonaws.com"),
        ("generic", "http://127.0.0.1:9000"),
    ],
)
def test_any_other_endpoint_takes_everything(name: str, url: str) -> None:
    assert zonal_endpoint(PROVIDERS[name], Endpoint.parse(url, "path"), "us-east-1") is None
