"""Buckets and their settings."""

from __future__ import annotations

from urllib.parse import quote

import pytest


async def test_buckets_are_made_found_listed_and_removed(serve):
    server, client = await serve(buckets=["b-one"])
    assert (await client.request("PUT", "/b-two")).headers["location"] == "/b-two"
    assert (await client.request("HEAD", "/b-two")).headers["x-amz-bucket-region"] == "us-east-1"
    listed = await client.request("GET", "/")
    assert listed.elements("Name") == ["b-one", "b-two"]
    assert len(listed.elements("CreationDate")) == 2
    assert (await client.request("DELETE", "/b-two")).status == 204
    assert (await client.request("HEAD", "/b-two")).status == 404
    assert (await client.request("DELETE", "/b-two")).code == "NoSuchBucket"
    assert list(server.store.buckets) == ["b-one"]


@pytest.mark.parametrize(("region", "outcome"), [("us-east-1", None), ("eu-west-1", "BucketAlreadyOwnedByYou")])
async def test_only_the_first_region_takes_a_bucket_twice(serve, region: str, outcome: str | None):
    server, client = await serve(region=region, provider="minio")
    await client.request("PUT", "/bucket/key", body=b"x")
    location = f"<LocationConstraint>{region}</LocationConstraint>" if outcome else ""
    body = f"<CreateBucketConfiguration>{location}</CreateBucketConfiguration>".encode()
    assert (await client.request("PUT", "/bucket", body=body)).code == outcome
    assert list(server.objects) == [("bucket", "key")]


async def test_buckets_are_listed_page_by_page(serve):
    _, client = await serve(buckets=["b-1", "b-2", "b-3", "other"])
    first = await client.request("GET", "/?max-buckets=2&prefix=b-")
    assert (first.elements("Name"), first.elements("Prefix")) == (["b-1", "b-2"], ["b-"])
    token = quote(first.element("ContinuationToken"), safe="")
    last = await client.request("GET", f"/?continuation-token={token}&max-buckets=2&prefix=b-")
    assert (last.elements("Name"), last.elements("ContinuationToken")) == (["b-3"], [])


async def test_a_bucket_with_objects_or_versions_stays(serve):
    server, client = await serve()
    await client.create()
    await client.request("PUT", "/bucket/key", body=b"x")
    assert (await client.request("DELETE", "/bucket")).code == "BucketNotEmpty"
    server.store.versioned_buckets.add("bucket")
    await client.request("DELETE", "/bucket/key")
    assert (await client.request("DELETE", "/bucket")).code == "BucketNotEmpty"
    server.store.versions.clear()
    assert (await client.request("DELETE", "/bucket")).status == 204
    await client.request("PUT", "/bucket")
    assert (await client.request("GET", "/bucket?versioning=")).element("Status") is None
    assert not server.open_uploads


@pytest.mark.parametrize("name", ["ab", "Bucket", "b_c", "-bc", "b" * 64])
async def test_bucket_names_are_checked(serve, name: str):
    _, client = await serve()
    assert (await client.request("PUT", f"/{name}")).code == "InvalidBucketName"


@pytest.mark.parametrize(
    ("region", "constraint", "outcome"),
    [
        ("us-east-1", None, None),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
        ("us-east-1", "eu-west-1", "IllegalLocationConstraintException"),
        ("eu-west-1", "eu-west-1", None),
        ("eu-west-1", None, "IllegalLocationConstraintException"),
    ],
)
async def test_a_bucket_is_made_in_the_servers_region(serve, region: str, constraint: str | None, outcome: str | None):
    _, client = await serve(provider="aws", region=region)
    element = f"<LocationConstraint>{constraint}</LocationConstraint>"
    body = f"<CreateBucketConfiguration>{element}</CreateBucketConfiguration>".encode() if constraint else b""
    assert (await client.request("PUT", "/new", body=body)).code == outcome


async def test_a_store_without_regions_has_no_constraint(serve):
    _, client = await serve(provider="google")
    assert (await client.request("PUT", "/new", body=b"<CreateBucketConfiguration/>")).status == 200
    assert (await client.request("PUT", "/new2", body=b"<broken")).code == "MalformedXML"


async def test_a_bucket_tells_its_region(serve):
    _, client = await serve()
    assert "<LocationConstraint " in (answer := (await client.request("GET", "/bucket?location=")).body.decode())
    assert "us-east-1" not in answer
    _, client = await serve(region="eu-west-1")
    assert b">eu-west-1</LocationConstraint>" in (await client.request("GET", "/bucket?location=")).body


async def test_versions_are_kept_once_they_are_enabled(serve):
    server, client = await serve()
    assert (await client.request("GET", "/bucket?versioning=")).element("Status") is None
    enable = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert (await client.request("PUT", "/bucket?versioning=", body=enable)).status == 200
    assert (await client.request("GET", "/bucket?versioning=")).element("Status") == "Enabled"
    assert "x-amz-version-id" in (await client.request("PUT", "/bucket/key", body=b"1")).headers
    odd = enable.replace(b"Enabled", b"Odd")
    assert (
        await client.request("PUT", "/bucket?versioning=", body=odd)
    ).code == "IllegalVersioningConfigurationException"
    assert (await client.request("PUT", "/bucket?versioning=", body=b"<broken")).code == "MalformedXML"
    assert server.store.versioned_buckets == {"bucket"}


async def test_lifecycle_rules_are_kept_as_they_were_sent(serve):
    _, client = await serve()
    rules = b"<LifecycleConfiguration><Rule/></LifecycleConfiguration>"
    assert (await client.request("GET", "/bucket?lifecycle=")).code == "NoSuchLifecycleConfiguration"
    assert (await client.request("PUT", "/bucket?lifecycle=", body=rules)).status == 200
    assert (await client.request("GET", "/bucket?lifecycle=")).body == rules
    assert (await client.request("DELETE", "/bucket?lifecycle=")).status == 204
    assert (await client.request("GET", "/bucket?lifecycle=")).status == 404
