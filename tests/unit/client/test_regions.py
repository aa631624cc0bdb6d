"""A bucket that is in another region than the driver thought: one request is lost, not the upload."""

from __future__ import annotations

import dataclasses

import pytest

from aios3 import PROVIDERS, ResponseError, RetryPolicy, S3StorageDriver, TransferConfig
from aios3.testing import Fault, S3Server

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


def error(code: str, message: str, more: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


WRONG_SCOPE = "the region 'us-east-1' is wrong; expecting"


@pytest.mark.parametrize(
    ("status", "body", "region"),
    [
        (400, error("AuthorizationHeaderMalformed", f"malformed; {WRONG_SCOPE} 'eu-nl-1'"), "eu-nl-1"),
        (400, error("AuthorizationHeaderMalformed", f"malformed; {WRONG_SCOPE} 'NL'"), "NL"),
        (403, error("AccessDenied", f"malformed; {WRONG_SCOPE} 'fr-par'"), "fr-par"),
        (400, error("InvalidRegionName", "'us-east-1' is not valid. Must be one of: wnam, weur, auto"), "auto"),
        (400, error("InvalidRegion", "Invalid region: expected eu-central-003, got us-east-1"), "eu-central-003"),
        (403, error("SignatureDoesNotMatch", "no", "<Region>garage</Region>"), "garage"),
        (400, error("AuthorizationHeaderMalformed", "unexpected scope", "<Region>garage</Region>"), "garage"),
        (
            400,
            error(
                "InvalidRequest",
                "unexpected scope: 20260101/us-east-1/s3/aws4_request, expected: 20260101/cluster/s3/aws4_request",
            ),
            "cluster",
        ),
    ],
)
async def test_a_wrong_region_is_healed_whatever_the_words_of_the_store(status, body, region):
    async with S3Server(SMALL, region=region) as server, driver_for(server, "us-east-1") as driver:
        server.faults.add(Fault("answer", status=status, body=body))
        await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert [request.status for request in server.requests] == [status, 200]


@pytest.mark.parametrize(
    ("status", "headers"),
    [(400, ("x-amz-bucket-region",)), (403, ("x-cos-bucket-region",)), (403, ("x-obs-bucket-location",))],
)
async def test_a_wrong_region_is_healed_by_a_header_of_the_response_to_head(status, headers):
    async with S3Server(SMALL, region="eu-2") as server, driver_for(server, "us-east-1") as driver:
        server.faults.add(Fault("answer", status=status, body=b"", headers=tuple((name, "eu-2") for name in headers)))
        await driver.get_container("bucket")

    assert [request.status for request in server.requests] == [status, 200]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, error("AccessDenied", "no", "<Region>eu-2</Region>")),
        (403, error("AccessDenied", "User 'eu-2' must not write")),
        (400, error("InvalidRegionName", "The region 'us-east-1' is not valid. Must be one of: wnam, weur")),
        (400, error("AuthorizationHeaderMalformed", "Credential should be scoped to a valid region, not 'us-east-1'.")),
        (400, error("AuthorizationHeaderMalformed", "expecting 'KEY/YYYYMMDD/REGION/SERVICE/aws4_request'")),
        (404, error("NoSuchBucket", "the bucket is in region 'eu-2'")),
    ],
)
async def test_a_refusal_that_asks_for_no_other_region_is_the_end(status, body):
    """Stores name their region in many responses."""
    async with S3Server(SMALL) as server, driver_for(server, "us-east-1") as driver:
        server.faults.add(Fault("answer", status=status, body=body, times=9))
        with pytest.raises(ResponseError):
            await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert len(server.requests) == 1


async def test_a_redirect_of_a_custom_endpoint_is_not_followed():
    async with S3Server(SMALL) as server, driver_for(server, "us-east-1") as driver:
        headers = (("x-amz-bucket-region", "eu-west-1"), ("Location", "http://127.0.0.2:1/elsewhere"))
        server.faults.add(Fault("answer", status=307, code="TemporaryRedirect", headers=headers, times=9))
        with pytest.raises(ResponseError) as caught:
            await driver.upload_object_via_stream(b"content", "bucket", "key")

    assert caught.value.status == 307
    assert len(server.requests) == 1
