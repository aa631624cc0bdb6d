"""Buckets and whole objects."""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

BODY = b"0123456789"


async def test_buckets_are_made_found_listed_and_removed(serve):
    server, client = await serve(buckets=["b-one"])
    assert (await client.request("PUT", "/b-two")).headers["location"] == "/b-two"
    assert (await client.request("HEAD", "/b-two")).headers["x-amz-bucket-region"] == "us-east-1"
    listed = await client.request("GET", "/")
    assert listed.elements("Name") == ["b-one", "b-two"]
    assert len(listed.elements("CreationDate")) == 2
    assert (await client.request("PUT", "/b-two")).code == "BucketAlreadyOwnedByYou"
    assert (await client.request("DELETE", "/b-two")).status == 204
    assert (await client.request("HEAD", "/b-two")).status == 404
    assert (await client.request("DELETE", "/b-two")).code == "NoSuchBucket"
    assert list(server.store.buckets) == ["b-one"]


async def test_a_bucket_with_objects_stays(serve):
    server, client = await serve()
    await client.create()
    await client.request("PUT", "/bucket/key", body=b"x")
    assert (await client.request("DELETE", "/bucket")).code == "BucketNotEmpty"
    await client.request("DELETE", "/bucket/key")
    assert (await client.request("DELETE", "/bucket")).status == 204
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


@pytest.mark.parametrize(
    "key", ["plain", "a//b", "/a", "a/", "a/../b", ".", "..", "a+b c%d&e=f?g#h", "é/é", "日本", "a\x01b\nc", "soap"]
)
async def test_an_object_has_exactly_the_key_that_was_encoded(serve, key: str):
    server, client = await serve()
    target = "/bucket/" + quote(key, safe="/-_.~")
    put = await client.request("PUT", target, body=BODY)
    assert put.headers["etag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert list(server.objects) == [("bucket", key)]
    assert (await client.request("GET", target)).body == BODY
    assert (await client.request("HEAD", target)).headers["content-length"] == "10"
    assert (await client.request("DELETE", target)).status == 204
    assert (await client.request("GET", target)).code == "NoSuchKey"
    assert (await client.request("HEAD", target)).status == 404
    assert (await client.request("DELETE", target)).status == 204


async def test_a_bucket_can_be_in_the_host_name(serve):
    server, client = await serve()
    port = server.endpoint_url.rpartition(":")[2]
    assert (await client.request("PUT", "/a/b", body=BODY, host=f"bucket.localhost:{port}")).status == 200
    assert list(server.objects) == [("bucket", "a/b")]
    assert (await client.request("GET", "/a/b", host=f"nowhere.localhost:{port}")).code == "NoSuchBucket"


async def test_headers_that_describe_an_object_come_back(serve):
    server, client = await serve(clock=lambda: datetime.now(UTC).replace(microsecond=0))
    given = {
        "content-type": "video/mp4",
        "cache-control": "no-store",
        "content-disposition": "attachment",
        "content-encoding": "gzip",
        "content-language": "de",
        "expires": "Thu, 01 Jan 2030 00:00:00 GMT",
        "x-amz-meta-a": "=?UTF-8?B?w6k=?=",
        "x-amz-storage-class": "GLACIER",
        "x-amz-website-redirect-location": "/there",
    }
    await client.request("PUT", "/bucket/key", {**given, "x-amz-acl": "private", "x-amz-tagging": "a=1&b=2"}, BODY)
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/bucket/key")
        assert given.items() <= answer.headers.items()
        assert answer.headers["x-amz-tagging-count"] == "2"
        assert answer.headers["last-modified"].endswith("GMT")
        assert "x-amz-acl" not in answer.headers
    assert server.objects["bucket", "key"].headers["x-amz-tagging"] == "a=1&b=2"
    await client.request("PUT", "/bucket/plain", body=BODY)
    assert (await client.request("HEAD", "/bucket/plain")).headers["content-type"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=-99", 206, BODY, "bytes 0-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=5-3", 200, BODY, None),
        ("bytes=-", 200, BODY, None),
        ("bytes=0-1,3-4", 200, BODY, None),
        ("lines=1-2", 200, BODY, None),
    ],
)
async def test_ranges_are_answered(serve, asked: str, status: int, body: bytes, content_range: str | None):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=BODY)
    answer = await client.request("GET", "/bucket/key", {"Range": asked})
    assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, content_range)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=-0"])
async def test_a_range_outside_is_not_satisfiable(serve, asked: str):
    """416, with the size."""
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=BODY)
    answer = await client.request("GET", "/bucket/key", {"Range": asked})
    assert (answer.status, answer.code, answer.element("ActualObjectSize")) == (416, "InvalidRange", "10")


async def test_checksums_are_verified_and_given_back(serve):
    server, client = await serve()
    right = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    wrong = await client.request("PUT", "/bucket/key", {"x-amz-checksum-crc32": "AAAAAA=="}, BODY)
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    assert not server.objects
    put = await client.request("PUT", "/bucket/key", {"x-amz-checksum-crc32": right}, BODY)
    assert put.headers["x-amz-checksum-crc32"] == right
    found = await client.request("HEAD", "/bucket/key", {"x-amz-checksum-mode": "ENABLED"})
    assert found.headers["x-amz-checksum-crc32"] == right
    assert "x-amz-checksum-crc32" not in (await client.request("HEAD", "/bucket/key")).headers


async def test_a_locked_object_needs_a_digest_of_its_body(serve):
    server, client = await serve()
    lock = {"x-amz-object-lock-legal-hold": "ON"}
    refused = await client.request("PUT", "/bucket/key", lock, b"x")
    assert (refused.status, refused.code) == (400, "InvalidRequest")
    message = (
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    )
    assert refused.element("Message") == message
    wrong = {**lock, "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert (await client.request("PUT", "/bucket/key", wrong, b"x")).code == "BadDigest"
    assert server.objects == {}
    right = {**lock, "Content-MD5": "ndTkYSaMgDT1yFZOFVxnpg=="}
    assert (await client.request("PUT", "/bucket/key", right, b"x")).status == 200
    assert (await client.request("PUT", "/bucket/key", {}, b"x")).status == 200


async def test_keys_have_a_limit_in_bytes(serve):
    """1,024 bytes of UTF-8."""
    _, client = await serve()
    assert (await client.request("PUT", "/bucket/" + "%C3%A9" * 512)).status == 200
    assert (await client.request("PUT", "/bucket/" + "%C3%A9" * 513)).code == "KeyTooLongError"
