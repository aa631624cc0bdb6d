"""Patterns of a store's own hosts."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3 import PROVIDERS
from aios3._config.endpoints import host_patterns
from aios3._config.endpoints.host_patterns import fill_pattern, is_below, match_host, read_region
from aios3._config.endpoints.provider_hosts import own_patterns

OWN = (
    "https://s3.{region}.store.example",
    "https://s3-fips.{region}.store.example",
    "https://s3-{region}.store.example",
    "https://s3-fast.store.example",
    "https://{account}.{region}.form.example:8443/base",
)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("s3.eu-west-1.store.example", "eu-west-1"),
        ("s3-fips.eu-west-1.store.example", "eu-west-1"),
        ("s3-eu-west-1.store.example", "eu-west-1"),
        ("me.eu-west-1.form.example:8443", "eu-west-1"),
        ("s3-fast.store.example", None),
        ("s3.store.example", None),
        ("me.eu-west-1.form.example", None),
        ("bucket.s3.eu-west-1.store.example", None),
        ("s3.eu-west-1.store.example.evil.example", None),
        ("s3.eu.west.store.example", None),
        ("s3xeu-west-1.store.example", None),
        (f"s3.{'x' * 64}.store.example", None),
        ("", None),
    ],
)
def test_the_region_is_read_from_a_whole_host(host: str, region: str | None) -> None:
    """One label of it; the pattern with the most fixed text says what a host is."""
    assert read_region(OWN, host) == region
    assert read_region((), host) is None


@pytest.mark.parametrize("bucket", ["bucket", "a.b", "s3", "s3-fips"])
def test_a_bucket_may_stand_before_the_host(bucket: str) -> None:
    assert read_region(OWN, f"{bucket}.s3.eu-west-1.store.example", bucket) == "eu-west-1"
    assert read_region(OWN, "s3.eu-west-1.store.example", bucket) == "eu-west-1"
    assert read_region(OWN, f"x.{bucket}.s3.eu-west-1.store.example", bucket) is None


@given(st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=63))
def test_a_region_can_be_read_back(region: str) -> None:
    for provider in PROVIDERS.values():
        if "{region}" in (pattern := provider.endpoint or ""):
            assert read_region([pattern], fill_pattern(pattern, region).replace("{zone}", "use1-az4")[8:]) == region


def patterns_of(name: str) -> tuple[str, ...]:
    return own_patterns(PROVIDERS[name])


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_host_of_a_provider_is_taken_for_another_of_its_hosts(name: str) -> None:
    """Each of its patterns gives back the region that it was filled with; one without a region gives none."""
    for pattern in patterns_of(name):
        host = re.sub(r"\{\w+\}", "any", fill_pattern(pattern, "eu-test-1")).split("/")[2]
        assert read_region(patterns_of(name), host) == ("eu-test-1" if "{region}" in pattern else None)


@pytest.mark.parametrize(
    ("name", "host", "region"),
    [
        ("aws", "s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("aws", "s3.dualstack.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
        ("aws", "s3.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("aws", "s3-fips.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ("aws", "s3.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
        ("aws", "s3.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"),
        ("aws", "s3.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"),
        ("aws", "s3.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("ovh", "s3.us-east-va.io.cloud.ovh.us", "us-east-va"),
        ("alibaba", "s3.oss-cn-hangzhou-internal.aliyuncs.com", "cn-hangzhou"),
        ("alibaba", "oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("alibaba", "oss-accelerate.aliyuncs.com", None),
        ("mega", "s3.eu-central-1.s4.mega.io", "eu-central-1"),
        ("aws", "s3-fips-us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("oracle", "me.compat.objectstorage.uk-london-1.oraclecloud.com", "uk-london-1"),
        ("ibm", "s3.private.eu-de.cloud-object-storage.appdomain.cloud", "eu-de"),
        ("tencent", "cos.ap-beijing.tencentcos.cn", "ap-beijing"),
        ("tencent", "cos.accelerate.myqcloud.com", None),
        ("ovh", "s3.gra.cloud.ovh.net", "gra"),
    ],
)
def test_further_hosts_of_a_provider_name_their_region(name: str, host: str, region: str | None) -> None:
    assert read_region(patterns_of(name), host) == region


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_pattern_makes_a_stranger_one_of_the_provider(name: str) -> None:
    for pattern in patterns_of(name):
        assert not any(is_below(pattern, f"stranger.{domain}") for domain in ("com", "net", "eu", "io", "uk", "gov"))


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("https://s3.{region}.store.example", "s3.eu.store.example", True),
        ("https://s3.{region}.store.example", "x.vpce.store.example", True),
        ("https://s3.{region}.store.example", "s3.evil-store.example", False),
        ("https://{account}.r2.store.example", "me.r2.store.example", True),
        ("https://{account}.r2.store.example", "me.r3.store.example", False),
        ("https://store.example", "store.example", True),
        ("https://store.example", "eu.store.example", True),
        ("https://store.example", "mystore.example", False),
        ("https://store.example", "store.example:8443", False),
        ("https://s3.{region}", "s3.eu-west-1", False),
        ("", "store.example", False),
        ("https://", "host.example", False),
        ("https://", "host.example.", False),
        ("https://{host}", "host.example", False),
    ],
)
def test_what_ends_as_the_pattern_is_below_it(pattern: str, host: str, expected: bool) -> None:
    """At a dot; a pattern that ends in a name has nothing below it, and another port is another's."""
    assert is_below(pattern, host) is expected


def test_patterns_that_cannot_fit_a_host_are_not_compiled() -> None:
    """All known patterns together would block the event loop of the first driver for 60 ms."""
    host_patterns._compile.cache_clear()
    patterns = {pattern for provider in PROVIDERS.values() for pattern in own_patterns(provider)}
    assert match_host(patterns, "127.0.0.1:9000") is None
    assert host_patterns._compile.cache_info().currsize == 0
