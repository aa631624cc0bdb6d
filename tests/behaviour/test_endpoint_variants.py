"""Endpoints by host name, from the driver to the wire: variants, acceleration, and redirects to another region."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from aios3 import PROVIDERS, ConfigurationError, ResponseError, RetryPolicy, S3StorageDriver, TransferConfig
from aios3.testing import Fault, S3Server

AWS = dataclasses.replace(PROVIDERS["aws"], name="named", min_part_size=1024)
ANY_HOST = dataclasses.replace(AWS, endpoint="http://{any}.store.test")
CONTENT = bytes(range(256)) * 20


class LoopbackResolver(AbstractResolver):
    """Resolver that finds every host on loopback."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0),
        ]

    async def close(self) -> None:
        """Do nothing: the resolver holds nothing."""


@asynccontextmanager
async def driver_for(server: S3Server, region: str = "us-east-1", **options) -> AsyncIterator[S3StorageDriver]:
    """Make a driver for a store with its own host names, at the server's port."""
    port = server.endpoint_url.rpartition(":")[2]
    provider = dataclasses.replace(
        AWS,
        endpoint=f"http://{{region}}.store.test:{port}",
        endpoint_variants=(
            (frozenset({"dualstack"}), f"http://dual-{{region}}.store.test:{port}"),
            (frozenset({"accelerate"}), f"http://fast.store.test:{port}"),
            (frozenset({"accelerate", "dualstack"}), f"http://fast-dual.store.test:{port}"),
        ),
        endpoint_aliases=(f"http://old-{{region}}.store.test:{port}",),
        partitions=(("cn-", f"store.cn.test:{port}", frozenset()),),
    )
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=LoopbackResolver())) as session,
        S3StorageDriver(
            provider,
            region=region,
            credentials=server.credentials,
            session=session,
            transfer=TransferConfig(part_size=2048),
            retry=RetryPolicy(base_delay=0, throttle_base_delay=0),
            **options,
        ) as driver,
    ):
        yield driver


def hosts(server: S3Server) -> dict[str, set[str]]:
    """Return the hosts of the requests by operation, without the port."""
    found: dict[str, set[str]] = {}
    for request in server.requests:
        name = (request.header("Host") or "").rpartition(":")[0].removesuffix(".store.test")
        found.setdefault(request.operation, set()).add(name)
    return found


@pytest.mark.parametrize(
    ("options", "fast", "own"),
    [
        ({"use_accelerate": True}, "new.fast", "us-east-1"),
        ({"use_accelerate": True, "use_dualstack": True}, "new.fast-dual", "dual-us-east-1"),
        ({"use_dualstack": True}, "new.dual-us-east-1", "dual-us-east-1"),
        ({}, "new.us-east-1", "us-east-1"),
    ],
)
async def test_object_requests_are_accelerated_and_bucket_requests_are_not(options, fast, own):
    """The store takes creation, deletion and listing of buckets at the region's host only."""
    async with S3Server(ANY_HOST) as server, driver_for(server, **options) as driver:
        await driver.create_container("new")
        await driver.upload_object_via_stream(CONTENT, "new", "key")
        assert b"".join([chunk async for chunk in driver.download_object_as_stream("new", "key")]) == CONTENT
        assert [found.key async for found in driver.iterate_container_objects("new")] == ["key"]
        await driver.delete_object("new", "key")
        await driver.delete_container("new")
        assert "new" not in [found.name async for found in driver.iterate_containers()]
        asked = hosts(server)
    assert asked.pop("CreateBucket") == asked.pop("DeleteBucket") == {f"new.{own}"}
    assert asked.pop("ListBuckets") == {own}
    assert {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject"} <= asked.keys()
    assert set.union(*asked.values()) == {fast}


async def test_a_bucket_with_a_dot_is_refused_for_acceleration_before_any_request():
    """It can still be created and deleted, by path."""
    async with S3Server(ANY_HOST) as server, driver_for(server, use_accelerate=True) as driver:
        await driver.create_container("a.b")
        with pytest.raises(ConfigurationError, match=r"'a\.b' cannot be accelerated"):
            await driver.upload_object_via_stream(CONTENT, "a.b", "key")
        with pytest.raises(ConfigurationError, match=r"'a\.b' cannot be accelerated"):
            await driver.get_object_cdn_url("a.b", "key")
        await driver.delete_container("a.b")
        assert hosts(server) == {"CreateBucket": {"us-east-1"}, "DeleteBucket": {"us-east-1"}}


async def test_public_and_signed_urls_have_the_hosts_of_the_variant():
    async with S3Server(ANY_HOST) as server:
        port = server.endpoint_url.rpartition(":")[2]
        async with driver_for(server, use_accelerate=True) as driver:
            assert await driver.get_container_cdn_url("bucket") == f"http://bucket.fast.store.test:{port}/"
            for url in (
                await driver.get_object_cdn_url("bucket", "key"),
                await driver.get_object_cdn_url("bucket", "key", expires_in=60),
                await driver.create_upload_url("bucket", "key", expires_in=60),
            ):
                assert url.partition("?")[0] == f"http://bucket.fast.store.test:{port}/key"


async def test_a_wrong_region_is_corrected_within_the_variant():
    """A dualstack driver uses the dualstack host of the other region, from then on for that bucket."""
    async with S3Server(ANY_HOST, region="eu-west-1") as server, driver_for(server, use_dualstack=True) as driver:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        await driver.upload_object_via_stream(b"x", "bucket", "key2")
        seen = [(request.header("Host") or "").split(".")[1] for request in server.requests]
    assert seen == ["dual-us-east-1", "dual-eu-west-1", "dual-eu-west-1"]


async def test_an_accelerated_request_is_signed_for_the_right_region_at_the_same_host():
    """The accelerated host is one for all regions. Bucket requests use the other region's host from then on."""
    async with S3Server(ANY_HOST, region="eu-west-1") as server, driver_for(server, use_accelerate=True) as driver:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        await driver.delete_object("bucket", "key")
        await driver.delete_container("bucket")
        assert [request.status for request in server.requests] == [400, 200, 204, 204]
        assert hosts(server)["PutObject"] == {"bucket.fast"}
        assert hosts(server)["DeleteBucket"] == {"bucket.eu-west-1"}


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("host", ["bucket.old-eu-west-1", "bucket.eu-west-1", "dual-eu-west-1", "BUCKET.EU-WEST-1"])
@pytest.mark.parametrize("size", [10, len(CONTENT)])
async def test_a_redirect_to_a_host_of_the_provider_corrects_the_region(host, status, size):
    """The region is read from the host. The request goes to the driver's own pattern for that region."""
    async with S3Server(ANY_HOST, region="eu-west-1") as server, driver_for(server) as driver:
        port = server.endpoint_url.rpartition(":")[2]
        location = f"http://{host}.store.test:{port}/key?a=b"
        server.faults.add(Fault("answer", status=status, code="TemporaryRedirect", headers=(("Location", location),)))
        await driver.upload_object_via_stream(CONTENT[:size], "bucket", "key")
        seen = [(request.header("Host") or "").split(".")[1] for request in server.requests]
        assert server.objects["bucket", "key"].body == CONTENT[:size]
    assert seen == ["us-east-1", *["eu-west-1"] * (len(seen) - 1)]


@pytest.mark.parametrize(
    "location",
    [
        "http://bucket.eu-west-1.store.test.evil.example:{port}/key",
        "http://other.eu-west-1.store.test:{port}/key",
        "http://bucket.fast.store.test:{port}/key",
        "http://bucket.us-east-1.store.test:{port}/key",
        "http://user@bucket.eu-west-1.store.test:{port}/key",
        "/key",
        "",
    ],
)
async def test_a_redirect_to_any_other_host_is_an_error(location):
    """Nothing is sent to that host, and the request is not repeated."""
    async with S3Server(ANY_HOST) as server, driver_for(server) as driver:
        headers = (("Location", location.format(port=server.endpoint_url.rpartition(":")[2])),)
        server.faults.add(Fault("answer", status=307, code="TemporaryRedirect", headers=headers))
        with pytest.raises(ResponseError, match="307"):
            await driver.upload_object_via_stream(b"x", "bucket", "key")
        assert len(server.requests) == 1


async def test_a_refusal_that_names_a_host_of_the_provider_corrects_the_region():
    """Alibaba sends it with 403 AccessDenied."""
    async with S3Server(ANY_HOST, region="eu-west-1") as server, driver_for(server) as driver:
        port = server.endpoint_url.rpartition(":")[2]
        place = f"<Endpoint>old-eu-west-1.store.test:{port}</Endpoint>"
        body = f"<Error><Code>AccessDenied</Code><Message>Use this endpoint</Message>{place}</Error>".encode()
        server.faults.add(Fault("answer", status=403, body=body))
        await driver.upload_object_via_stream(b"x", "bucket", "key")
        seen = [(request.header("Host") or "").split(".")[1] for request in server.requests]
    assert seen == ["us-east-1", "eu-west-1"]


async def test_a_response_does_not_lead_into_another_partition():
    """Its hosts belong to another party."""
    async with S3Server(ANY_HOST) as server, driver_for(server) as driver:
        headers = (("x-amz-bucket-region", "cn-north-1"),)
        server.faults.add(Fault("answer", status=301, code="PermanentRedirect", headers=headers))
        with pytest.raises(ResponseError, match="301"):
            await driver.upload_object_via_stream(b"x", "bucket", "key")
        assert len(server.requests) == 1
