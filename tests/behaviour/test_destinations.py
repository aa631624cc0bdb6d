"""Destinations of requests: each reaches the host and the bucket that the caller means, or is not sent."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from aios3 import PROVIDERS, AmazonS3StorageDriver, ConfigurationError, GoogleStorageDriver, Provider, S3StorageDriver
from aios3._config.endpoints.provider_hosts import own_patterns
from tests.conftest import TlsContexts
from tests.support.recording_store import KEYS, Hosts, all_hosts

PLATFORM = "store.platform.example"
SOURCE = b"the bytes of a film"


@pytest.fixture
async def hosts(tls: TlsContexts) -> AsyncIterator[Hosts]:
    async with all_hosts(tls) as hosts:
        yield hosts


async def refused(driver: S3StorageDriver, bucket: str) -> str:
    """Upload, and return the message of the refusal; the source was not read."""
    source = iter([SOURCE])
    with pytest.raises(ConfigurationError) as caught:
        await driver.upload_object_via_stream(source, bucket, "a.mp4")
    assert next(source) == SOURCE
    return str(caught.value)


# An endpoint that holds the bucket.

KNOWN_URLS = [
    pytest.param(provider.name, re.sub(r"\{\w+\}", "x1", pattern.replace("{region}", "eu-test-1")), id=pattern[8:])
    for provider in PROVIDERS.values()
    if not provider.has_zones
    for pattern in own_patterns(replace(provider, partitions=()))
]


@pytest.mark.parametrize("form", ["host", "path"])
@pytest.mark.parametrize(("name", "url"), KNOWN_URLS)
async def test_an_endpoint_that_holds_the_bucket_is_right_for_it_and_refused_for_others(hosts, name, url, form):
    """At every known host; also by a driver that is not told whose host it is."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    base = f"/{path}" if path else ""
    given = f"{scheme}://videos.{rest}" if form == "host" else f"{url}/videos/"
    for provider in (name, "generic"):
        driver = await hosts.driver(provider, endpoint_url=given, region="eu-test-1")
        message = await refused(driver, "audio")
        assert "that of the bucket 'videos'" in message
        assert f"endpoint_url='{url}'" in message
        assert hosts.store.requests == []

        await driver.upload_object_via_stream(SOURCE, "videos", "a.mp4")
        assert hosts.store.requests.pop().place in (
            (host, f"{base}/videos/a.mp4"),
            (f"videos.{host}", f"{base}/a.mp4"),
        )
        assert [found async for found in driver.iterate_containers()] == []
        assert hosts.store.requests.pop().place == (host, f"{base}/")


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("cloudflare", "https://me.r2.cloudflarestorage.com/videos/2026"),
        ("digitalocean", "https://videos.nyc3.digitaloceanspaces.com/2026"),
        ("supabase", "https://me.storage.supabase.co/storage/v1/s3/videos/2026/may"),
        ("generic", "https://s3.eu-west-1.amazonaws.com/videos/2026"),
        ("cloudflare", "https://me.r2.cloudflarestorage.com/not%20a%20bucket"),
    ],
)
async def test_a_prefix_of_keys_in_the_endpoint_is_refused(hosts, provider, url):
    message = await refused(await hosts.driver(provider, endpoint_url=url, region="us-east-1"), "videos")
    assert "no prefix of keys" in message
    assert hosts.store.requests == []


@pytest.mark.parametrize(
    ("provider", "url", "right"),
    [
        ("aws", "https://videos.nyc3.digitaloceanspaces.com", "https://nyc3.digitaloceanspaces.com"),
        ("aws", "https://me.r2.cloudflarestorage.com//videos", "https://me.r2.cloudflarestorage.com"),
        ("scaleway", "https://Videos.S3.eu-central-1.Wasabisys.com:443/", "https://s3.eu-central-1.wasabisys.com"),
        ("aws", "https://videos.s3.eu-west-1.amazonaws.com.", "https://s3.eu-west-1.amazonaws.com"),
        (
            Provider("mine", endpoint="https://S3.{region}.Mine.example:443/a/"),
            "https://s3.x.mine.example/a/videos",
            "",
        ),
    ],
)
async def test_the_bucket_is_found_although_the_driver_names_another_provider(hosts, provider, url, right):
    """The host shows whose it is. A record of the caller's own may be written in any way."""
    driver = await hosts.driver(provider, endpoint_url=url, region="x")
    message = await refused(driver, "audio")
    assert f"for every bucket use endpoint_url='{right or 'https://s3.x.mine.example/a'}'" in message
    await driver.upload_object_via_stream(SOURCE, "videos", "a")
    assert "videos/videos" not in "".join(hosts.store.requests[0].place)
    assert "videos.videos" not in hosts.store.requests[0].host


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("aws", "https://videos.s3-website.us-east-1.amazonaws.com"),
        ("scaleway", "https://videos.s3-website.fr-par.scw.cloud"),
        ("generic", "https://videos.cn-hangzhou.oss.aliyuncs.com"),
    ],
)
async def test_a_host_of_a_provider_that_no_pattern_fits_is_refused_if_it_begins_with_the_bucket(hosts, provider, url):
    """Only the provider gives names below that domain, so the host holds the bucket. `addressing` says otherwise."""
    message = await refused(await hosts.driver(provider, endpoint_url=url, region="x"), "videos")
    assert f"use endpoint_url='{url.replace('videos.', '')}'" in message
    for options, bucket in (({"addressing": "path"}, "videos"), ({}, "audio")):
        driver = await hosts.driver(provider, endpoint_url=url, region="x", **options)
        await driver.upload_object_via_stream(SOURCE, bucket, "a")
    assert len(hosts.store.requests) == 2


async def test_an_endpoint_of_the_environment_that_holds_the_bucket_is_recognised_too(hosts, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://me.r2.cloudflarestorage.com/videos")
    driver = await hosts.driver("cloudflare")
    await driver.upload_object_via_stream(SOURCE, "videos", "a.mp4")
    assert hosts.store.requests.pop().place == ("me.r2.cloudflarestorage.com", "/videos/a.mp4")


async def test_a_path_at_an_unknown_host_is_the_stores_unless_it_ends_with_the_bucket(hosts):
    """Nothing tells whether it is the bucket, until the caller names the addressing."""
    url = "https://gate.example/s3/videos"
    for provider, given, right in (
        ("minio", url, "https://gate.example/s3"),
        ("supabase", "https://me.supabase.co/videos", "https://me.supabase.co"),
    ):
        driver = await hosts.driver(provider, endpoint_url=given)
        assert f"endpoint_url='{right}'" in await refused(driver, "videos")
    assert hosts.store.requests == []
    driver = await hosts.driver("minio", endpoint_url=url)
    await driver.upload_object_via_stream(SOURCE, "audio", "a.mp4")
    driver = await hosts.driver("minio", endpoint_url=url, addressing="path")
    await driver.upload_object_via_stream(SOURCE, "videos", "a.mp4")
    assert [request.target for request in hosts.store.requests] == ["/s3/videos/audio/a.mp4", "/s3/videos/videos/a.mp4"]


@pytest.mark.parametrize("provider", ["generic", "alibaba", "cloudflare"])
async def test_a_host_that_stands_for_one_bucket_takes_only_that_bucket(hosts, provider):
    """The first call names it. Buckets are neither made nor removed nor listed there."""
    driver = await hosts.driver(
        provider, endpoint_url="https://media.example.org/", region="cn-hangzhou", addressing="cname"
    )
    with pytest.raises(ConfigurationError, match="stands for one bucket"):
        await driver.create_container("videos")
    with pytest.raises(ConfigurationError, match="stands for one bucket"):
        await anext(driver.iterate_containers())
    await driver.upload_object_via_stream(SOURCE, "videos", "a//b.mp4")
    assert hosts.store.requests.pop().place == ("media.example.org", "/a//b.mp4")
    assert "this call names 'audio': its host stands for one bucket" in await refused(driver, "audio")
    with pytest.raises(ConfigurationError, match="stands for one bucket"):
        await driver.delete_container("videos")
    assert await driver.get_object_cdn_url("videos", "k") == "https://media.example.org/k"
    assert hosts.store.requests == []


async def test_a_cname_needs_an_endpoint(hosts):
    assert "needs endpoint_url=" in await refused(await hosts.driver("aws", addressing="cname"), "videos")
    with pytest.raises(ConfigurationError, match="addressing must be 'virtual', 'path', 'cname' or None"):
        S3StorageDriver("aws", addressing="sideways")  # type: ignore[arg-type]


# Variables and profiles that mean another store.

NAMED = [name for name, provider in PROVIDERS.items() if own_patterns(provider) and not provider.owns_variables]
ANYWHERE = [name for name, provider in PROVIDERS.items() if not own_patterns(provider)]


@pytest.fixture(params=["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "endpoint_url", "services"])
def configure(request, monkeypatch, tmp_path):
    """Set the endpoint of the environment, in each of the ways."""

    def set_endpoint(url: str) -> None:
        if request.param.startswith("AWS"):
            monkeypatch.setenv(request.param, url)
            return
        Path(tmp_path, "config").write_text(
            f"[default]\nendpoint_url = {url}\n"
            if request.param == "endpoint_url"
            else f"[default]\nservices = all\n[services all]\ns3 =\n  endpoint_url = {url}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    return set_endpoint


@pytest.mark.parametrize("name", NAMED)
async def test_an_endpoint_meant_for_another_store_gets_no_byte_of_a_named_provider(hosts, monkeypatch, caplog, name):
    """Neither bodies, nor signed requests, nor signed URLs; a line of the log says so once."""
    platform = await hosts.add(PLATFORM)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"https://{PLATFORM}")
    driver = await hosts.driver(name, region="eu-test-1")
    if PROVIDERS[name].endpoint is None:
        assert "pass endpoint_url= of the form" in await refused(driver, "videos")
    else:
        for key in "ab":
            await driver.upload_object_via_stream(SOURCE, "videos", key)
        assert PLATFORM not in await driver.create_download_url("videos", "a", expires_in=60)
        assert PLATFORM not in await driver.create_upload_url("videos", "a", expires_in=60)
        assert len(hosts.store.requests) == 2
    assert (platform.requests, platform.wire.peers) == ([], [])
    (record,) = [record for record in caplog.records if record.name == "aios3"]
    assert record.levelno == logging.WARNING
    assert f"{PLATFORM} is no host of provider '{name}'" in record.getMessage()


async def test_the_next_endpoint_counts_if_one_is_passed_over(hosts, monkeypatch, tmp_path):
    """Of the environment first, then of the profile."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"https://{PLATFORM}")
    (tmp_path / "config").write_text("[default]\nendpoint_url = https://me.r2.cloudflarestorage.com\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for general, account in (
        ("", "me"),
        (f"https://{PLATFORM}", "me"),
        ("https://you.r2.cloudflarestorage.com", "you"),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", general)
        await (await hosts.driver("cloudflare")).upload_object_via_stream(SOURCE, "videos", "a")
        assert hosts.store.requests.pop().host == f"{account}.r2.cloudflarestorage.com"


@pytest.mark.parametrize(
    ("name", "host"), [("aws", "videos.s3.us-east-1.amazonaws.com"), ("wasabi", "s3.us-east-1.wasabisys.com")]
)
async def test_a_platforms_region_auto_is_no_region_of_a_provider_with_regional_hosts(hosts, monkeypatch, name, host):
    """Fly exports it beside its endpoint. A provider without a default asks for the region."""
    monkeypatch.setenv("AWS_REGION", "auto")
    await (await hosts.driver(name)).upload_object_via_stream(SOURCE, "videos", "a")
    assert hosts.store.requests.pop().host == host
    assert "pass region=" in await refused(await hosts.driver("scaleway"), "videos")


async def test_the_drivers_with_a_name_are_no_exception(hosts, configure):
    """Amazon's takes what the variables name, for example an emulator, but no host of another known provider."""
    platform = await hosts.add("fly.storage.tigris.dev")
    configure("https://fly.storage.tigris.dev")
    for kind in (GoogleStorageDriver, AmazonS3StorageDriver):
        async with kind(credentials=KEYS) as driver:
            assert "tigris" not in await driver.create_upload_url("videos", "a", expires_in=60)
    configure("http://localhost:4566")
    async with AmazonS3StorageDriver(credentials=KEYS) as driver:
        assert (await driver.get_object_cdn_url("videos", "a")) == "http://localhost:4566/videos/a"
    assert platform.wire.peers == []


@pytest.mark.parametrize("name", ANYWHERE)
async def test_a_store_that_can_be_anywhere_takes_the_endpoint_of_the_environment(hosts, monkeypatch, caplog, name):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"https://{PLATFORM}")
    await (await hosts.driver(name)).upload_object_via_stream(SOURCE, "videos", "a")
    assert [request.host for request in hosts.store.requests] == [PLATFORM]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("wasabi", "https://s3.ap-northeast-1.wasabisys.com"),
        ("wasabi", "https://s3.wasabisys.com"),
        ("cloudflare", "https://me.eu.r2.cloudflarestorage.com"),
        ("google", "https://storage.me-central2.rep.googleapis.com"),
        ("aws", "https://bucket.vpce-1a2b-3c4d.s3.eu-west-1.vpce.amazonaws.com"),
    ],
)
async def test_the_environment_may_choose_among_the_hosts_of_the_provider(hosts, monkeypatch, caplog, name, url):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    await (await hosts.driver(name)).upload_object_via_stream(SOURCE, "videos", "a")
    assert hosts.store.requests[0].host.removeprefix("videos.") == url[8:]
    assert caplog.records == []


async def test_an_argument_counts_whatever_host_it_names(hosts, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.nl-ams.scw.cloud")
    driver = await hosts.driver("scaleway", endpoint_url=f"https://{PLATFORM}", region="nl-ams")
    await driver.upload_object_via_stream(SOURCE, "videos", "a")
    assert [request.host for request in hosts.store.requests] == [PLATFORM]


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.has_one_region])
async def test_a_provider_with_one_region_signs_for_it_whatever_the_environment_says(hosts, monkeypatch, name):
    """A function of AWS Lambda has AWS_REGION set. The argument still counts."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    url = None if PROVIDERS[name].endpoint else "https://me.r2.cloudflarestorage.com"
    for region in (None, "apac"):
        driver = await hosts.driver(name, endpoint_url=url, region=region)
        await driver.upload_object_via_stream(SOURCE, "videos", "a")
        assert hosts.store.requests.pop().region == (region or PROVIDERS[name].default_region)


# The place of the bucket in the URL.


@pytest.mark.parametrize("kind", [S3StorageDriver, GoogleStorageDriver, AmazonS3StorageDriver])
@pytest.mark.parametrize(
    ("addressing", "url"),
    [
        ("virtual", "https://videos.store.example.org/a"),
        ("path", "https://store.example.org/videos/a"),
        ("cname", "https://store.example.org/a"),
        (None, "https://store.example.org/videos/a"),
    ],
)
async def test_every_driver_takes_the_addressing(kind, addressing, url):
    async with kind(endpoint_url="https://store.example.org", credentials=KEYS, addressing=addressing) as driver:
        assert await driver.get_object_cdn_url("videos", "a") == url


async def test_a_records_own_addressing_wins_over_a_custom_endpoint(hosts):
    """The caller's argument wins over the record. An IP address has no subdomains."""
    mine = Provider("mine", addressing="virtual")
    await (await hosts.driver(mine, endpoint_url="https://store.example.org")).upload_object_via_stream(
        SOURCE, "videos", "a"
    )
    assert hosts.store.requests.pop().place == ("videos.store.example.org", "/a")
    for options, url in (
        ({"endpoint_url": "https://store.example.org", "addressing": "path"}, "https://store.example.org/videos/a"),
        ({"endpoint_url": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000/videos/a"),
    ):
        driver = await hosts.driver(mine, **options)
        assert await driver.get_object_cdn_url("videos", "a") == url


async def test_addressing_by_path_is_refused_where_only_subdomains_are_taken(hosts):
    for name, options in (("s3express", {"region": "us-east-1"}), ("aws", {"use_accelerate": True})):
        driver = await hosts.driver(name, addressing="path", **options)
        assert "by subdomain only" in await refused(driver, "videos--use1-az4--x-s3")


# Partitions of Amazon.


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-east-1", "amazonaws.com"),
        ("cn-northwest-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("us-iso-west-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
    ],
)
async def test_a_region_of_amazon_is_reached_in_its_partition(hosts, region, domain):
    """With every variant that the partition has; an endpoint that is written down says the region."""
    for options, service in (
        ({}, "s3"),
        ({"use_dualstack": True}, "s3.dualstack"),
        ({"use_fips": True}, "s3-fips"),
        ({"use_fips": True, "use_dualstack": True}, "s3-fips.dualstack"),
    ):
        host = f"{service}.{region}.{domain}"
        driver = await hosts.driver("aws", region=region, **options)
        if domain == "amazonaws.com.cn" and "use_fips" in options:
            assert "no endpoint for" in await refused(driver, "videos")
            continue
        await driver.upload_object_via_stream(SOURCE, "videos", "a")
        assert hosts.store.requests.pop().place == (f"videos.{host}", "/a")
        given = await hosts.driver("aws", endpoint_url=f"https://{host}")
        await given.upload_object_via_stream(SOURCE, "videos", "a")
        request = hosts.store.requests.pop()
        assert (request.host, request.region) == (f"videos.{host}", region)


async def test_acceleration_is_refused_in_a_partition_without_it(hosts):
    driver = await hosts.driver("aws", region="cn-north-1", use_accelerate=True)
    assert "no endpoint for accelerate in region 'cn-north-1'" in await refused(driver, "videos")


@pytest.mark.parametrize(
    ("name", "region", "host"),
    [
        ("ovh", "us-east-va", "s3.us-east-va.io.cloud.ovh.us"),
        ("ovh", "gra", "s3.gra.io.cloud.ovh.net"),
        ("huawei", "eu-west-101", "videos.obs.eu-west-101.myhuaweicloud.eu"),
    ],
)
async def test_other_providers_have_partitions_too(hosts, name, region, host):
    await (await hosts.driver(name, region=region)).upload_object_via_stream(SOURCE, "videos", "a")
    assert hosts.store.requests.pop().host == host


# Names that are more than a bucket.


async def test_a_bucket_of_another_tenant_is_reached_by_path_at_ceph(hosts):
    driver = await hosts.driver("ceph", endpoint_url="https://rgw.example.org", addressing="virtual")
    await driver.upload_object_via_stream(SOURCE, "acme:videos", "a")
    assert hosts.store.requests.pop().place == ("rgw.example.org", "/acme%3Avideos/a")
    driver = await hosts.driver("minio", endpoint_url="https://minio.example.org")
    assert "cannot be a bucket name" in await refused(driver, "acme:videos")
    with pytest.raises(ConfigurationError, match="cannot be a bucket name"):
        await driver.create_container("acme:videos")
    assert hosts.store.requests == []


POINT = "arn:aws:s3:eu-west-3:123456789012:accesspoint/films"


@pytest.mark.parametrize(
    ("options", "arn", "host"),
    [
        ({}, POINT, "films-123456789012.s3-accesspoint.eu-west-3.amazonaws.com"),
        (
            {},
            POINT.replace("accesspoint/", "accesspoint:"),
            "films-123456789012.s3-accesspoint.eu-west-3.amazonaws.com",
        ),
        ({"use_dualstack": True}, POINT, "films-123456789012.s3-accesspoint.dualstack.eu-west-3.amazonaws.com"),
        ({"use_fips": True}, POINT, "films-123456789012.s3-accesspoint-fips.eu-west-3.amazonaws.com"),
        (
            {"region": "cn-north-1"},
            POINT.replace("aws", "aws-cn").replace("eu-west-3", "cn-north-1"),
            "films-123456789012.s3-accesspoint.cn-north-1.amazonaws.com.cn",
        ),
        (
            {"endpoint_url": "https://s3.dualstack.eu-west-1.amazonaws.com"},
            POINT,
            "films-123456789012.s3-accesspoint.dualstack.eu-west-3.amazonaws.com",
        ),
        (
            {"endpoint_url": "https://s3.amazonaws.com"},
            POINT,
            "films-123456789012.s3-accesspoint.eu-west-3.amazonaws.com",
        ),
        (
            {"endpoint_url": "https://accesspoint.vpce-1a-2b.s3.eu-west-3.vpce.amazonaws.com"},
            POINT,
            "films-123456789012.accesspoint.vpce-1a-2b.s3.eu-west-3.vpce.amazonaws.com",
        ),
        ({"endpoint_url": "https://aws.example.org"}, POINT, "films-123456789012.aws.example.org"),
    ],
)
async def test_an_access_point_is_reached_at_its_own_host_and_signed_for_its_region(hosts, options, arn, host):
    driver = await hosts.driver("aws", **{"region": "us-east-1", **options})
    await driver.upload_object_via_stream(SOURCE, arn, "a")
    request = hosts.store.requests.pop()
    assert (request.place, request.region) == ((host, "/a"), arn.split(":")[3])
    assert (await driver.create_download_url(arn, "a", expires_in=60)).startswith(f"https://{host}/a?")


@pytest.mark.parametrize(
    ("name", "options", "bucket", "words"),
    [
        ("aws", {}, "arn:aws:s3::123456789012:accesspoint/m1.mrap", "SigV4A"),
        ("aws", {}, "m1.mrap", "SigV4A"),
        ("aws", {}, "arn:aws:s3-object-lambda:eu-west-1:1:accesspoint/x", "Object Lambda"),
        ("aws", {}, "arn:aws:s3-outposts:eu-west-1:1:outpost/op-1/accesspoint/x", "Outposts"),
        ("aws", {}, "arn:aws:s3:::videos", "name a bucket by its name alone"),
        ("aws", {}, "arn:aws-cn:s3:cn-north-1:1:accesspoint/x", "another partition"),
        ("aws", {"addressing": "path"}, POINT, "a host of its own"),
        ("aws", {"use_accelerate": True}, POINT, "cannot be accelerated"),
        ("aws", {"endpoint_url": "http://127.0.0.1:9"}, POINT, "reached by subdomain"),
        ("aws", {"endpoint_url": "https://videos.s3.us-east-1.amazonaws.com"}, POINT, "that of the bucket 'videos'"),
        ("generic", {"endpoint_url": "https://store.example.org"}, POINT, "no ARN is taken"),
    ],
)
async def test_a_name_that_cannot_be_reached_says_what_is_missing(hosts, name, options, bucket, words):
    assert words in await refused(await hosts.driver(name, region="us-east-1", **options), bucket)
    assert hosts.store.requests == []


async def test_a_record_without_a_host_for_the_variant_refuses_access_points(hosts):
    aws = replace(PROVIDERS["aws"], access_points=PROVIDERS["aws"].access_points[:1])
    driver = await hosts.driver(aws, region="eu-west-1", use_fips=True)
    assert "has no access points for fips" in await refused(driver, POINT)


@pytest.mark.parametrize(("region", "domain"), [("eu-north-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")])
async def test_a_directory_bucket_is_made_at_the_control_endpoint_of_its_region(hosts, region, domain):
    bucket = "videos--eun1-az1--x-s3"
    await (await hosts.driver("s3express", region=region)).create_container(bucket)
    request = hosts.store.requests.pop()
    assert (request.place, request.region) == ((f"s3express-control.{region}.{domain}", f"/{bucket}"), region)


async def test_an_alias_of_an_access_point_is_a_bucket(hosts):
    alias = "films-1a2b3c4d-s3alias"
    await (await hosts.driver("aws", region="eu-west-1")).upload_object_via_stream(SOURCE, alias, "a")
    assert hosts.store.requests.pop().host == f"{alias}.s3.eu-west-1.amazonaws.com"


async def test_an_access_point_is_neither_created_nor_deleted(hosts):
    driver = await hosts.driver("aws", region="eu-west-1")
    for call in (driver.create_container, driver.delete_container):
        with pytest.raises(ConfigurationError, match="no ARN is taken"):
            await call(POINT)
    assert hosts.store.requests == []
