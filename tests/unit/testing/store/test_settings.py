"""Reads of bucket settings that were never set."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("setting", "outcome"),
    [
        ("cors", "NoSuchCORSConfiguration"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
        ("policy", "NoSuchBucketPolicy"),
        ("policyStatus", "NoSuchBucketPolicy"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("tagging", "NoSuchTagSet"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("accelerate", "<AccelerateConfiguration"),
        ("logging", "<BucketLoggingStatus"),
        ("notification", "<NotificationConfiguration"),
        ("requestPayment", "<Payer>BucketOwner</Payer>"),
    ],
)
async def test_a_setting_that_was_never_set_reads_as_on_s3(serve, setting: str, outcome: str):
    _, client = await serve()
    answer = await client.request("GET", f"/bucket?{setting}=")
    assert answer.status == (200 if outcome.startswith("<") else 404)
    assert outcome in answer.body.decode()
    assert (await client.request("GET", f"/nowhere?{setting}=")).code == "NoSuchBucket"
    assert (await client.request("PUT", f"/bucket?{setting}=", body=b"<x/>")).code == "NotImplemented"
