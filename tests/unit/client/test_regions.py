"""A bucket that is in another region than the driver thought: one request is lost, not the upload."""

from __future__ import annotations

import dataclasses

import pytest

from aios3 import PROVIDERS, ResponseError, RetryPolicy, S3StorageDriver, TransferConfig
from aios3.testing import Fault, S3Server

CONTENT = bytes(9000)
SMALL = dataclasses.replace(PROVIDERS["aws"], name="regional", min_part_size=1024, addressing="path")


def driver_for(server: S3Server, region: str, **changes: object) -> S3StorageDriver:
    """Make a driver whose endpoint is a custom one unless `endpoint` says otherwise."""
    provider = dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]
    return S3StorageDriver(
        provider,
        endpoint_url=None if provider.endpoint == "http://127.0.0.1:{region}" else server.endpoint_url,
        region=region,
        credentials=server.credentials,
        transfer=TransferConfig(part_size=4096),
        retry=RetryPolicy(base_delay=0, throttle_base_delay=0),
    )


@pytest.mark.parametrize("size", [10, 9000])
async def test_a_wrong_region_is_healed_by_signing_once_more_and_remembered(size):
    async with S3Server(SMALL, region="eu-central-1") as server, driver_for(server, "us-east-1") as driver:
        receipt = await driver.upload_object_via_stream(CONTENT[:size], "bucket", "key")
        await driver.upload_object_via_stream(CONTENT[:size], "bucket", "key2")

    assert server.objects["bucket", "key"].body == CONTENT[:size]
    assert [request.status for request in server.requests].count(400) == 1
    assert receipt.retries == 1


async def test_a_download_corrects_a_wrong_region_too():
    async with S3Server(SMALL, region="eu-central-1") as server:
        async with driver_for(server, "eu-central-1") as driver:
            await driver.upload_object_via_stream(b"content", "bucket", "key")
        async with driver_for(server, "us-east-1") as driver:
            chunks = [chunk async for chunk in driver.download_object_as_stream("bucket", "key")]
    assert b"".join(chunks) == b"content"


async def test_a_region_that_is_refused_twice_is_an_error_that_names_it():
    """Only one region is tried per request: a store that cannot make up its mind does not keep it going round."""
    async with S3Server(SMALL) as server, driver_for(server, "us-east-1") as driver:
        for region in ("eu-west-1", "eu-west-2"):
            body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>no</Message><Region>%s</Region></Error>"
            server.faults.add(Fault("answer", status=400, body=body % region.encode(), nth=1))
        with pytest.raises(ResponseError) as caught:
            await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert caught.value.code == "AuthorizationHeaderMalformed"
    assert len(server.requests) == 2


async def test_a_redirect_goes_to_the_providers_own_endpoint_of_the_region():
    """301 names a region in a header; the request goes where the provider's pattern says, signed for that region."""
    async with S3Server(SMALL) as old, S3Server(SMALL) as new:
        ports = [server.endpoint_url.rpartition(":")[2] for server in (old, new)]
        new.store.region = ports[1]
        headers = (("x-amz-bucket-region", ports[1]), ("Location", "http://127.0.0.2:1/elsewhere"))
        old.faults.add(Fault("answer", status=301, code="PermanentRedirect", headers=headers))
        # The stand-in for a regional host name: the "region" is the port.
        async with driver_for(old, ports[0], endpoint="http://127.0.0.1:{region}") as driver:
            await driver.upload_object_via_stream(b"content", "bucket", "key")
            await driver.upload_object_via_stream(b"content", "bucket", "key2")

        assert len(old.requests) == 1
        assert set(new.objects) == {("bucket", "key"), ("bucket", "key2")}


async def test_a_redirect_of_a_custom_endpoint_is_not_followed():
    async with S3Server(SMALL) as server, driver_for(server, "us-east-1") as driver:
        headers = (("x-amz-bucket-region", "eu-west-1"), ("Location", "http://127.0.0.2:1/elsewhere"))
        server.faults.add(Fault("answer", status=307, code="TemporaryRedirect", headers=headers, times=9))
        with pytest.raises(ResponseError) as caught:
            await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert caught.value.status == 307
    assert len(server.requests) == 1
