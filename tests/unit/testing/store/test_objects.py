"""Whole objects and their tags."""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest

BODY = b"0123456789"


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


async def test_tags_are_replaced_and_removed(serve):
    server, client = await serve(versioned_buckets=["bucket"])
    await client.request("PUT", "/bucket/key", {"x-amz-tagging": "a=1"}, BODY)
    tags = b"<Tagging><TagSet><Tag><Key>b c</Key><Value>2</Value></Tag></TagSet></Tagging>"
    put = await client.request("PUT", "/bucket/key?tagging=", body=tags)
    assert (put.status, "x-amz-version-id" in put.headers) == (200, True)
    assert (await client.request("GET", "/bucket/key?tagging=")).elements("Key") == ["b c"]
    assert server.store.versions["bucket", "key"][-1].found is server.objects["bucket", "key"]
    assert (await client.request("DELETE", "/bucket/key?tagging=")).status == 204
    assert (await client.request("GET", "/bucket/key?tagging=")).elements("Key") == []
    assert (
        await client.request("PUT", "/bucket/key?tagging=", body=b"<Tagging><Tag/></Tagging>")
    ).code == "MalformedXML"


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([(f"k{number}", "") for number in range(10)], None),
        ([(f"k{number}", "") for number in range(11)], "BadRequest"),
        ([("k" * 128, "v" * 256)], None),
        ([("k" * 129, "v")], "InvalidTag"),
        ([("k", "v" * 257)], "InvalidTag"),
        ([("", "v")], "InvalidTag"),
    ],
)
async def test_tags_that_s3_refuses_are_refused_in_a_header_and_in_a_document(serve, tags, code: str | None):
    server, client = await serve()
    await client.request("PUT", "/bucket/tagged", body=BODY)
    document = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags)
    answers = [
        await client.request("PUT", "/bucket/key", {"x-amz-tagging": urlencode(tags)}, BODY),
        await client.request("POST", "/bucket/key?uploads=", {"x-amz-tagging": urlencode(tags)}),
        await client.request(
            "PUT", "/bucket/tagged?tagging=", body=f"<Tagging><TagSet>{document}</TagSet></Tagging>".encode()
        ),
    ]
    assert [(answer.status, code and answer.code) for answer in answers] == [(400 if code else 200, code)] * 3
    assert (("bucket", "key") in server.objects, len(server.open_uploads)) == (
        (True, 1) if code is None else (False, 0)
    )


async def test_a_tag_that_comes_twice_in_a_header_is_refused(serve):
    server, client = await serve()
    assert (await client.request("PUT", "/bucket/key", {"x-amz-tagging": "a=1&a=2"}, BODY)).code == "InvalidArgument"
    assert server.objects == {}
