"""Transfer acceleration."""

from __future__ import annotations

import pytest

from aios3._config.aws_files.profiles import Section
from aios3._config.aws_files.shared_files import Profile
from aios3._config.endpoints.bucket_endpoints import accelerated_endpoint
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
