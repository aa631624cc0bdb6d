"""Uploads under an object lock: the digest of every body, and what is refused before any request."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aios3 import PROVIDERS, ConfigurationError, ResponseError, TransferConfig
from aios3.testing import Fault, S3Server
from tests.support.upload_scene import content

UNTIL = datetime(2040, 1, 1, tzinfo=UTC)
PART = 1024
AMAZON = replace(PROVIDERS["aws"], endpoint=None, endpoint_variants=(), addressing="path", min_part_size=PART)
LOCKS: list[dict[str, Any]] = [
    {"object_lock_mode": "GOVERNANCE", "object_lock_retain_until": UNTIL},
    {"object_lock_legal_hold": True},
]
REFUSAL = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def of(server, *operations: str) -> list:
    return [request for request in server.requests if request.operation in operations]


@pytest.mark.parametrize("lock", LOCKS, ids=["retention", "legal-hold"])
async def test_every_body_of_a_locked_object_is_sent_with_its_md5(server, driver, lock):
    """No other request has one."""
    await driver.upload_object_via_stream(b"small", "bucket", "small", **lock)
    await driver.upload_object_via_stream(content(0.7), "bucket", "large", **lock)
    bodies = of(server, "PutObject", "UploadPart")
    assert len(bodies) == 4
    assert all(request.header("Content-MD5") == md5(request.body) for request in bodies)
    assert not [request for request in server.requests if request.header("Content-MD5") and request not in bodies]
    assert server.objects["bucket", "large"].body == content(0.7)


async def test_a_checksum_replaces_the_md5_of_a_locked_object(make_driver):
    async with S3Server(AMAZON) as server:
        driver = make_driver(on=server)
        for body in (b"small", content(0.7)):
            await driver.upload_object_via_stream(body, "bucket", "key", object_lock_legal_hold=True)
        assert all(request.header("Content-MD5") is None for request in server.requests)
        assert len(of(server, "PutObject", "UploadPart")) == 4


async def test_a_part_that_arrives_damaged_is_sent_again(server, driver):
    server.faults.add(Fault("answer", "UploadPart", 2, status=400, code="BadDigest"))
    receipt = await driver.upload_object_via_stream(content(0.7), "bucket", "key", object_lock_legal_hold=True)
    assert receipt.retries == 1
    assert server.objects["bucket", "key"].body == content(0.7)


async def test_a_lock_without_any_digest_is_refused_before_any_request(make_driver):
    async with S3Server(replace(AMAZON, content_md5=False)) as server:
        driver = make_driver(on=server, transfer=TransferConfig(part_size=PART, checksum=None))
        told = r"Content-MD5, which aws does not take, .* choose one with TransferConfig\(checksum=\.\.\.\)$"
        with pytest.raises(ConfigurationError, match=told):
            await driver.upload_object_via_stream(b"x", "bucket", "key", object_lock_legal_hold=True)
        assert server.requests == []
        own = TransferConfig(part_size=PART, checksum="sha256")
        await driver.upload_object_via_stream(b"x", "bucket", "key", object_lock_legal_hold=True, transfer=own)


@pytest.mark.parametrize("provider", [AMAZON, PROVIDERS["generic"]], ids=lambda provider: provider.name)
@pytest.mark.parametrize("size", [None, 2 * PART])
async def test_a_lock_of_a_streamed_body_is_refused_unless_it_fits_one_part(server, make_driver, provider, size):
    own = TransferConfig(part_size=PART, mechanism="stream")
    driver = make_driver(provider=replace(provider, min_part_size=PART), transfer=own)
    with pytest.raises(ConfigurationError, match=r"needs Content-MD5 or a checksum .* a streamed upload has neither"):
        await driver.upload_object_via_stream(b"x", "bucket", "key", size=size, object_lock_legal_hold=True)
    assert server.requests == []
    for whole in (b"x", bytes(PART)):
        await driver.upload_object_via_stream(whole, "bucket", "key", size=len(whole), object_lock_legal_hold=True)
        assert server.objects["bucket", "key"].body == whole


async def test_the_refusal_of_a_bucket_that_locks_by_itself_reaches_the_caller(server, driver):
    body = f"<Error><Code>InvalidRequest</Code><Message>{REFUSAL}</Message></Error>".encode()
    server.faults.add(Fault("answer", "PutObject", status=400, body=body))
    with pytest.raises(ResponseError) as caught:
        await driver.upload_object_via_stream(b"x", "bucket", "key")
    assert (caught.value.code, caught.value.status) == ("InvalidRequest", 400)
    assert REFUSAL in str(caught.value)
    assert len(server.requests) == 1
