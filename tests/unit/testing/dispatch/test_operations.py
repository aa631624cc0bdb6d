"""Who may do what, and what is refused for all operations."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aios3.credentials import Credentials
from aios3.providers import Provider


async def test_unsigned_requests_are_refused_unless_the_bucket_is_public(serve):
    _, client = await serve(buckets=["bucket", "open"], public_buckets=["open"])
    refused = await client.request("PUT", "/bucket/key", body=b"x", signed=False)
    assert (refused.status, refused.code) == (403, "AccessDenied")
    assert (await client.request("PUT", "/open/key", body=b"x", signed=False)).status == 200
    assert (await client.request("GET", "/", signed=False)).status == 403
    _, client = await serve(check_signatures=False)
    assert (await client.request("PUT", "/bucket/key", body=b"x", signed=False)).status == 200


async def test_a_signature_is_checked_on_the_wire(serve):
    _, client = await serve(region="eu-west-1")
    wrong = Credentials(client.server.credentials.access_key_id, "wrong")
    assert (await client.request("GET", "/", credentials=wrong)).code == "SignatureDoesNotMatch"
    answer = await client.request("GET", "/", region="us-east-1")
    assert (answer.code, answer.element("Region")) == ("AuthorizationHeaderMalformed", "eu-west-1")
    assert answer.headers["x-amz-bucket-region"] == "eu-west-1"
    late = datetime.now(UTC) - timedelta(hours=1)
    assert (await client.request("GET", "/", now=late)).code == "RequestTimeTooSkewed"
    options = {"headers": {"x-amz-acl": "private"}, "leave_unsigned": ("x-amz-acl",)}
    assert (await client.request("PUT", "/bucket/key", **options)).element("HeadersNotSigned") == "x-amz-acl"
    assert (await client.request("HEAD", "/bucket/key", credentials=wrong)).body == b""
    assert (await client.request("GET", "/")).status == 200


async def test_the_clock_is_the_servers(serve):
    then = datetime(2030, 1, 1, tzinfo=UTC)
    _, client = await serve(clock=lambda: then)
    answer = await client.request("GET", "/")
    assert (answer.code, answer.element("ServerTime")) == ("RequestTimeTooSkewed", "2030-01-01T00:00:00.000Z")
    assert answer.headers["date"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert (await client.request("GET", "/", now=then)).status == 200


@pytest.mark.parametrize(
    ("payload_hash", "status", "code"),
    [
        (hashlib.sha256(b"other").hexdigest(), 400, "XAmzContentSHA256Mismatch"),
        ("nonsense", 400, "InvalidArgument"),
        ("UNSIGNED-PAYLOAD", 200, None),
    ],
)
async def test_the_payload_is_compared_with_its_signed_hash(serve, payload_hash: str, status: int, code: str | None):
    server, client = await serve()
    answer = await client.request("PUT", "/bucket/key", body=b"body", payload_hash=payload_hash)
    assert (answer.status, answer.code) == (status, code)
    assert bool(server.objects) == (status == 200)


async def test_some_stores_want_the_payload_signed(serve):
    _, client = await serve(provider=Provider("strict", signs_payload_over_tls=True))
    answer = await client.request("PUT", "/bucket/key", body=b"body", payload_hash="UNSIGNED-PAYLOAD")
    assert answer.code == "XAmzContentSHA256Mismatch"
    target = client.presigned("PUT", "/bucket/key")
    assert (await client.request("PUT", target, body=b"body", signed=False)).status == 200


async def test_presigned_urls_work_on_the_wire(serve):
    """For what they were made for; a header of Amazon's own that was not signed is refused."""
    server, client = await serve()
    target = client.presigned("PUT", "/bucket/key")
    assert (await client.request("PUT", target, body=b"body", signed=False)).status == 200
    assert server.objects["bucket", "key"].body == b"body"
    assert (await client.request("GET", target, signed=False)).code == "SignatureDoesNotMatch"
    extra = await client.request("PUT", target, {"x-amz-acl": "private"}, b"body", signed=False)
    assert extra.element("HeadersNotSigned") == "x-amz-acl"


async def test_a_put_without_a_length_is_refused(serve):
    """411; other operations have no body then."""
    _, client = await serve()
    assert (await client.request("POST", "/bucket/key?uploads=", length=-1)).status == 200
    answer = await client.request("PUT", "/bucket/key", length=-1)
    assert (answer.status, answer.code) == (411, "MissingContentLength")


async def test_a_body_over_the_limit_is_refused_before_it_is_read(serve):
    server, client = await serve(provider=Provider("small", min_part_size=1, max_part_size=10))
    assert (await client.request("PUT", "/bucket/key", body=b"x" * 10)).status == 200
    await client.send(client.head("PUT", "/bucket/key", length=11))
    answer = await client.read_answer()
    assert (answer.status, answer.code, answer.element("MaxSizeAllowed")) == (400, "EntityTooLarge", "10")
    assert server.requests[-1].body_received == 0


async def test_a_document_over_the_limit_is_refused(serve):
    _, client = await serve(provider=Provider("small", min_part_size=1, max_part_size=10))
    await client.send(client.head("POST", "/bucket/key?uploadId=u", length=9_000_000))
    assert (await client.read_answer()).code == "MaxMessageLengthExceeded"


async def test_what_is_not_here_is_not_implemented(serve):
    _, client = await serve()
    unknown = await client.request("GET", "/bucket/key?torrent=")
    copy = await client.request("GET", "/bucket/key", {"x-amz-copy-source": "/bucket/other"})
    odd = await client.request("GET", "/bucket/%FF")
    assert [(answer.status, answer.code) for answer in (unknown, copy, odd)] == [
        (501, "NotImplemented"),
        (501, "NotImplemented"),
        (400, "InvalidURI"),
    ]


async def test_errors_carry_the_id_of_the_request(serve):
    server, client = await serve()
    answer = await client.request("GET", "/nowhere/key")
    assert (answer.status, answer.code, answer.element("BucketName")) == (404, "NoSuchBucket", "nowhere")
    assert answer.element("RequestId") == answer.headers["x-amz-request-id"] == server.requests[0].request_id


async def test_temporary_credentials_bring_their_token(serve):
    temporary = Credentials("TEMP", "secret", "token")
    server, client = await serve(credentials=temporary)
    assert (await client.request("GET", "/")).status == 200
    bare = replace(temporary, session_token=None)
    assert (await client.request("GET", "/", credentials=bare)).code == "InvalidToken"
    server.credentials = replace(temporary, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert (await client.request("GET", "/")).code == "ExpiredToken"
