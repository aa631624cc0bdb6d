"""Attributes and checksums on the wire: the requests that carry them, and their storage."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import zlib
from datetime import UTC, datetime

import pytest

from aios3 import PROVIDERS, ConfigurationError, PreconditionFailedError, TransferConfig
from aios3.testing import S3Server

PART = 1024
CREATE, UPLOAD_PART, COMPLETE = "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"
HEAD = "HeadObject"
MOMENT = datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC)
EVERY = {CREATE, UPLOAD_PART, COMPLETE, HEAD}

ATTRIBUTES = [
    ({"content_type": "video/mp4"}, {"content-type": "video/mp4"}, {CREATE}),
    ({"cache_control": "no-store"}, {"cache-control": "no-store"}, {CREATE}),
    ({"content_disposition": "inline"}, {"content-disposition": "inline"}, {CREATE}),
    ({"content_encoding": "br"}, {"content-encoding": "br"}, {CREATE}),
    ({"content_language": "de"}, {"content-language": "de"}, {CREATE}),
    ({"expires": MOMENT}, {"expires": "Thu, 31 Jan 2030 12:00:00 GMT"}, {CREATE}),
    ({"metadata": {"Camera": "A7"}}, {"x-amz-meta-camera": "A7"}, {CREATE}),
    ({"tags": {"a b": "c&d"}}, {"x-amz-tagging": "a%20b=c%26d"}, {CREATE}),
    ({"acl": "public-read"}, {"x-amz-acl": "public-read"}, {CREATE}),
    ({"storage_class": "STANDARD_IA"}, {"x-amz-storage-class": "STANDARD_IA"}, {CREATE}),
    ({"server_side_encryption": "aws:kms"}, {"x-amz-server-side-encryption": "aws:kms"}, {CREATE}),
    ({"sse_kms_key_id": "k"}, {"x-amz-server-side-encryption-aws-kms-key-id": "k"}, {CREATE}),
    ({"sse_bucket_key": True}, {"x-amz-server-side-encryption-bucket-key-enabled": "true"}, {CREATE}),
    ({"object_lock_mode": "GOVERNANCE"}, {"x-amz-object-lock-mode": "GOVERNANCE"}, {CREATE}),
    ({"object_lock_retain_until": MOMENT}, {"x-amz-object-lock-retain-until-date": "2030-01-31T12:00:00Z"}, {CREATE}),
    ({"object_lock_legal_hold": True}, {"x-amz-object-lock-legal-hold": "ON"}, {CREATE}),
    ({"website_redirect_location": "/x"}, {"x-amz-website-redirect-location": "/x"}, {CREATE}),
    ({"if_none_match": "*"}, {"if-none-match": "*"}, {COMPLETE}),
    ({"request_payer": "requester"}, {"x-amz-request-payer": "requester"}, EVERY),
    ({"expected_bucket_owner": "123456789012"}, {"x-amz-expected-bucket-owner": "123456789012"}, EVERY),
]


@pytest.mark.parametrize(
    ("attributes", "headers", "where"), ATTRIBUTES, ids=lambda value: next(iter(sorted(value)), "")
)
async def test_an_attribute_is_sent_with_the_requests_that_s3_takes_it_on(server, driver, attributes, headers, where):
    """The PutObject of a small upload, and exactly these requests of a multipart upload."""
    await driver.upload_object_via_stream(b"x", "bucket", "small", **attributes)
    await driver.upload_object_via_stream(bytes(3 * PART), "bucket", "large", **attributes)
    put, *others = server.requests
    for name, value in headers.items():
        assert put.header(name) == value
        found = {request.operation for request in others if request.header(name) == value}
        assert found == where
        if name != "content-type":
            assert {request.operation for request in others if request.header(name) is not None} == where


async def test_an_upload_without_attributes_sends_the_content_type_only(server, driver):
    """A store may not know other headers. Complete's own type is XML."""
    await driver.upload_object_via_stream(bytes(3 * PART), "bucket", "large.bin")
    await driver.upload_object_via_stream(b"x", "bucket", "small.bin")
    usual = {"host", "user-agent", "accept-encoding", "content-length", "authorization", "content-type"}
    usual |= {"x-amz-date", "x-amz-content-sha256"}
    for request in server.requests:
        assert {name.lower() for name, _ in request.headers} <= usual, request.operation
        assert request.header("Transfer-Encoding") is None
        types = {COMPLETE: "application/xml", UPLOAD_PART: None, HEAD: None}
        assert request.header("Content-Type") == types.get(request.operation, "application/octet-stream")


async def test_a_customer_key_is_sent_with_every_request_that_needs_it(make_driver, tls, small_provider):
    """SSE-C over https: three headers on PutObject, Create, the parts and Complete. The key is never stored."""
    async with S3Server(small_provider, ssl_context=tls.server) as server:
        driver = make_driver(on=server, ssl_context=tls.client)
        key = bytes(range(32))
        for size in (10, 3 * PART):
            await driver.upload_object_via_stream(bytes(size), "bucket", "key", sse_customer_key=key)
        prefix = "x-amz-server-side-encryption-customer-"
        for request in server.requests:
            if request.operation == HEAD:
                continue
            assert request.header(f"{prefix}algorithm") == "AES256"
            assert base64.b64decode(request.header(f"{prefix}key")) == key
            assert base64.b64decode(request.header(f"{prefix}key-md5")) == hashlib.md5(key).digest()


async def test_conditions_hold_for_put_and_multipart_uploads(server, driver):
    """`if_none_match` overwrites nothing, and `if_match` only the named version."""
    first = await driver.upload_object_via_stream(b"x", "bucket", "key", if_none_match="*")
    for size in (1, 3 * PART):
        with pytest.raises(PreconditionFailedError):
            await driver.upload_object_via_stream(bytes(size), "bucket", "key", if_none_match="*")
        with pytest.raises(PreconditionFailedError):
            await driver.upload_object_via_stream(bytes(size), "bucket", "key", if_match="0" * 32)
    assert server.objects["bucket", "key"].body == b"x"
    second = await driver.upload_object_via_stream(bytes(3 * PART), "bucket", "key", if_match=first.etag)
    await driver.upload_object_via_stream(b"y", "bucket", "key", if_match=second.etag)
    assert server.objects["bucket", "key"].body == b"y"
    assert server.open_uploads == []


IGNORED = [("conditional_put", PART), ("conditional_complete", 3 * PART)]


@pytest.mark.parametrize(("ignored", "size"), [*IGNORED, ("conditional_put", None), ("conditional_complete", None)])
async def test_a_condition_that_the_store_would_ignore_is_refused(make_driver, server, small_provider, ignored, size):
    """The upload may end in the request that ignores the condition, and would then overwrite."""
    driver = make_driver(provider=dataclasses.replace(small_provider, **{ignored: False}))
    with pytest.raises(ConfigurationError, match="generic ignores if_match and if_none_match at"):
        await driver.upload_object_via_stream(bytes(size or 1), "bucket", "key", size=size, if_none_match="*")
    assert server.requests == []


@pytest.mark.parametrize(("ignored", "size"), [("conditional_put", 3 * PART), ("conditional_complete", PART)])
async def test_a_condition_with_a_declared_size_is_allowed(make_driver, server, small_provider, ignored, size):
    """The size rules out the request that ignores the condition."""
    driver = make_driver(provider=dataclasses.replace(small_provider, **{ignored: False}))
    await driver.upload_object_via_stream(bytes(size), "bucket", "key", size=size, if_none_match="*")
    assert server.objects["bucket", "key"].size == size


async def test_metadata_and_tags_of_the_caller_are_not_changed(driver):
    metadata, tags = {"Name": "é"}, {"a": "b"}
    await driver.upload_object_via_stream(b"x", "bucket", "key", metadata=metadata, tags=tags)
    assert (metadata, tags) == ({"Name": "é"}, {"a": "b"})


@pytest.mark.parametrize("name", ["google", "cloudflare", "rclone"])
async def test_an_attribute_that_the_provider_does_not_take_is_refused(make_driver, server, name):
    provider = dataclasses.replace(PROVIDERS[name], min_part_size=PART)
    driver = make_driver(provider=provider)
    values = {"tags": {"a": "b"}, "sse_bucket_key": True, "object_lock_legal_hold": True}
    values |= {"object_lock_retain_until": MOMENT, "sse_kms_context": {"a": "b"}}
    for attribute in sorted(provider.refused_attributes):
        with pytest.raises(ConfigurationError, match=f"provider '{name}' does not take the attribute '{attribute}'"):
            await driver.upload_object_via_stream(b"x", "bucket", "key", **{attribute: values.get(attribute, "x")})
    assert server.requests == []


def checksum(algorithm: str, data: bytes) -> str:
    """Return a checksum in base64, as the header carries it."""
    raw = zlib.crc32(data).to_bytes(4, "big") if algorithm == "crc32" else hashlib.new(algorithm, data).digest()
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("algorithm", ["crc32", "sha1", "sha256"])
@pytest.mark.parametrize("name", ["aws", "minio", "swift"])
async def test_checksums_are_sent_stored_and_reported(make_driver, name, algorithm):
    """The store verifies those of every part and of the whole, and the receipt names them."""
    provider = dataclasses.replace(PROVIDERS[name], min_part_size=PART)
    content = bytes(range(256)) * 10
    header = f"x-amz-checksum-{algorithm}"
    async with S3Server(provider) as server:
        driver = make_driver(on=server, transfer=TransferConfig(part_size=PART, checksum=algorithm))
        receipt = await driver.upload_object_via_stream(content, "bucket", "large")
        small = await driver.upload_object_via_stream(b"x", "bucket", "small")
        stored = server.objects["bucket", "large"]
        assert stored.body == content
        assert [part.checksums[header] for part in stored.parts] == [part.checksum for part in receipt.parts]
        pieces = [content[start : start + PART] for start in range(0, len(content), PART)]
        assert [part.checksum for part in receipt.parts] == [checksum(algorithm, piece) for piece in pieces]
        assert receipt.checksum == stored.checksums[header]
        assert server.objects["bucket", "small"].checksums[header] == checksum(algorithm, b"x")
        assert small.checksum == checksum(algorithm, b"x")
        operations = {request.operation: request for request in server.requests}
        assert operations[CREATE].header("x-amz-checksum-algorithm") == algorithm.upper()


async def test_a_checksum_that_the_provider_is_not_known_to_take_is_refused(server, driver):
    own = TransferConfig(part_size=PART, checksum="sha256")
    with pytest.raises(ConfigurationError, match="generic is not known to take sha256"):
        await driver.upload_object_via_stream(b"x", "bucket", "key", transfer=own)
    assert server.requests == []
