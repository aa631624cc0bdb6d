"""The server refuses what its provider is known not to take, and takes what is not known."""

from __future__ import annotations

import pytest

from aios3 import Provider
from aios3.testing import S3Server

CRC32 = {"x-amz-checksum-crc32": "26gLsg=="}
"""Of ``b"body"``."""
CUSTOMER_KEY = {"x-amz-server-side-encryption-customer-key-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}


def provider(**fields: object) -> Provider:
    return Provider("mine", **{"min_part_size": 1, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attribute", "header"),
    [
        ("acl", {"x-amz-acl": "private"}),
        ("tags", {"x-amz-tagging": "a=b"}),
        ("metadata", {"x-amz-meta-any": "x"}),
        ("sse_customer_key", CUSTOMER_KEY),
        ("object_lock_legal_hold", {"x-amz-object-lock-legal-hold": "ON"} | CRC32),
        ("if_none_match", {"if-none-match": "*"}),
    ],
)
async def test_a_refused_attribute_is_not_implemented(serve, attribute: str, header: dict[str, str]) -> None:
    server, client = await serve(provider=provider(refused_attributes=frozenset({attribute})))
    answer = await client.request("PUT", "/bucket/key", header, b"body")
    assert (answer.status, answer.code, answer.element("Header")) == (501, "NotImplemented", next(iter(header)))
    assert not server.objects
    _, client = await serve(provider=provider())
    assert (await client.request("PUT", "/bucket/key", header, b"body")).status == 200


async def test_attributes_are_refused_where_an_upload_begins_and_on_reads(serve) -> None:
    refused = frozenset({"acl", "request_payer", "if_match"})
    _, client = await serve(provider=provider(refused_attributes=refused))
    assert (await client.request("PUT", "/bucket/key", body=b"body")).status == 200
    begun = await client.request("POST", "/bucket/key?uploads=", {"x-amz-acl": "private"})
    paid = await client.request("GET", "/bucket/key", {"x-amz-request-payer": "requester"})
    etag = (await client.request("HEAD", "/bucket/key")).headers["etag"]
    read = await client.request("GET", "/bucket/key", {"if-match": etag})
    assert [begun.status, paid.status, read.status] == [501, 501, 200]


@pytest.mark.parametrize("condition", [{"if-none-match": "*"}, {"if-match": '"x"'}])
async def test_conditions_are_refused_where_they_would_be_ignored(serve, condition: dict[str, str]) -> None:
    _, client = await serve(provider=provider(conditional_put=False, conditional_complete=None))
    assert (await client.request("PUT", "/bucket/key", condition, b"body")).status == 501
    _, client = await serve(provider=provider(conditional_put=None, conditional_complete=False))
    assert (await client.request("PUT", "/bucket/key", condition, b"body")).status != 501
    upload_id = await client.create()
    etag = await client.upload_part(upload_id, 1, b"x")
    assert (await client.complete(upload_id, [(1, etag)], condition)).status == 501
    assert (await client.complete(upload_id, [(1, etag)])).status == 200


async def test_a_checksum_that_is_not_taken_is_refused(serve) -> None:
    _, client = await serve(provider=provider(checksums=frozenset({"sha256"})))
    put = await client.request("PUT", "/bucket/key", CRC32, b"body")
    begun = await client.request("POST", "/bucket/key?uploads=", {"x-amz-checksum-algorithm": "CRC32"})
    assert [(answer.status, answer.code) for answer in (put, begun)] == [(400, "InvalidRequest")] * 2
    allowed = await client.request("POST", "/bucket/key?uploads=", {"x-amz-checksum-algorithm": "SHA256"})
    asked = await client.request("HEAD", "/bucket/key", {"x-amz-checksum-mode": "ENABLED"})
    assert (allowed.status, asked.status) == (200, 404)
    _, client = await serve(provider="google")
    assert (await client.request("PUT", "/bucket/key", CRC32, b"body")).status == 400
    assert (await client.request("PUT", "/bucket/key", body=b"body")).status == 200


@pytest.mark.parametrize(
    ("algorithm", "kind", "status"),
    [("CRC32", "FULL_OBJECT", 400), ("CRC32", "COMPOSITE", 200), ("CRC64NVME", "FULL_OBJECT", 200)],
)
async def test_a_kind_of_checksum_that_is_not_taken_is_refused(serve, algorithm: str, kind: str, status: int) -> None:
    """Cloudflare's objects have one checksum of the whole."""
    _, client = await serve(provider="cloudflare")
    headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    assert (await client.request("POST", "/bucket/key?uploads=", headers)).status == status


@pytest.mark.parametrize(("takes", "status"), [(False, 501), (None, 200), (True, 200)])
async def test_content_md5_is_refused_where_it_is_known_not_to_be_taken(serve, takes: bool | None, status: int) -> None:
    _, client = await serve(provider=provider(content_md5=takes))
    answer = await client.request("PUT", "/bucket/key", {"content-md5": "hBotaJrYa9FhFEdFPCLG/A=="}, b"body")
    assert answer.status == status


async def test_an_object_has_a_largest_size(serve) -> None:
    server, client = await serve(provider=provider(max_object_size=5))
    assert (await client.request("PUT", "/bucket/key", body=b"12345")).status == 200
    put = await client.request("PUT", "/bucket/key", body=b"123456")
    upload_id = await client.create()
    etags = [await client.upload_part(upload_id, number, b"123") for number in (1, 2)]
    completed = await client.complete(upload_id, list(enumerate(etags, 1)))
    for answer in (put, completed):
        assert (answer.status, answer.code, answer.element("MaxSizeAllowed")) == (400, "EntityTooLarge", "5")
    assert len(server.open_uploads) == 1
    assert (await client.complete("no-such-upload", list(enumerate(etags, 1)))).code == "NoSuchUpload"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"checks_region": True}, 400),
        ({"checks_region": None}, 400),
        ({"checks_region": False}, 200),
        ({"default_region": "auto"}, 200),
    ],
)
async def test_a_signature_for_another_region_is_taken_where_nobody_looks(
    serve, fields: dict[str, object], status: int
) -> None:
    """Else the answer names the right one."""
    _, client = await serve(provider=provider(**fields))
    answer = await client.request("PUT", "/bucket/key", body=b"x", region="mars-north-1")
    assert (answer.status, answer.element("Region")) == (status, None if status == 200 else "us-east-1")


async def test_https_only_is_meant(serve) -> None:
    server, client = await serve(provider=provider(https_only=True))
    await client.send(client.head("PUT", "/bucket/key", length=100))
    answer = await client.read_answer()
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert server.requests[0].body_received == 0


async def test_over_tls_https_only_is_kept(tls, connect) -> None:
    async with (
        S3Server(provider(https_only=True), ssl_context=tls.server) as server,
        connect(server, ssl=tls.client, server_hostname="localhost") as client,
    ):
        assert (await client.request("PUT", "/bucket/key", body=b"x")).status == 200
