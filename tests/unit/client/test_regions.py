"""A bucket that is in another region than the driver thought: one request is lost, not the upload."""

from __future__ import annotations

import dataclasses

import pytest

from aios3 import PROVIDERS, ResponseError, RetryPolicy, S3StorageDriver, TransferConfig
from aios3.testing import Fault, S3Server

CONTENT = bytes(9000)
SMALL = dataclasses.replace(PROVIDERS["aws"], name="regional", min_part_size=1024, addressing="path")


def driver_for(server: S3Server, region: str) -> S3StorageDriver:
    return S3StorageDriver(
        SMALL,
        endpoint_url=server.endpoint_url,
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


async def test_a_redirect_of_a_custom_endpoint_is_not_followed():
    async with S3Server(SMALL) as server, driver_for(server, "us-east-1") as driver:
        headers = (("x-amz-bucket-region", "eu-west-1"), ("Location", "http://127.0.0.2:1/elsewhere"))
        server.faults.add(Fault("answer", status=307, code="TemporaryRedirect", headers=headers, times=9))
        with pytest.raises(ResponseError) as caught:
            await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert caught.value.status == 307
    assert len(server.requests) == 1
