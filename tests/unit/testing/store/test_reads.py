"""Reads of an object: whole, a range, a part, under conditions, and its attributes."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime

import pytest

from aios3.providers import Provider

BODY = b"0123456789"
CRC = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
MODE = {"x-amz-checksum-mode": "ENABLED"}
STORED_AT = datetime(2030, 1, 1, 12, tzinfo=UTC)


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


async def put_parts(client, *bodies: bytes) -> None:
    """Store the object in parts that have checksums."""
    upload_id = await client.create(headers={"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"})
    parts = []
    for number, body in enumerate(bodies, 1):
        crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        parts.append((number, await client.upload_part(upload_id, number, body, {"x-amz-checksum-crc32": crc})))
    assert (await client.complete(upload_id, parts)).status == 200


@pytest.fixture
async def parts_client(serve, small_parts):
    """A client of a store with an object of the parts ``0123456`` and ``789``."""
    _, client = await serve(provider=small_parts)
    await put_parts(client, BODY[:7], BODY[7:])
    return client


@pytest.fixture
def small_parts():
    """A provider whose parts may have one byte."""
    return Provider("small", min_part_size=1)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_section_never_comes_with_the_checksum_of_the_whole(parts_client, method: str):
    whole = await parts_client.request(method, "/bucket/key", MODE)
    assert (whole.status, whole.headers["x-amz-checksum-crc32"]) == (200, CRC)
    assert whole.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    section = await parts_client.request(method, "/bucket/key", {**MODE, "Range": "bytes=1-3"})
    assert (section.status, section.headers["content-range"]) == (206, "bytes 1-3/10")
    assert section.headers["content-length"] == "3"
    assert "x-amz-checksum-crc32" not in section.headers


@pytest.mark.parametrize(("number", "body", "content_range"), [(1, BODY[:7], "0-6"), (2, BODY[7:], "7-9")])
async def test_a_part_is_read_by_its_number(parts_client, number: int, body: bytes, content_range: str):
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    answer = await parts_client.request("GET", f"/bucket/key?partNumber={number}", MODE)
    assert (answer.status, answer.body) == (206, body)
    assert answer.headers["content-range"] == f"bytes {content_range}/10"
    assert answer.headers["x-amz-mp-parts-count"] == "2"
    assert answer.headers["x-amz-checksum-crc32"] == crc
    head = await parts_client.request("HEAD", f"/bucket/key?partNumber={number}", MODE)
    different = {name for name, _ in head.headers.items() - answer.headers.items()}
    assert different <= {"x-amz-request-id", "date"}


async def test_a_part_that_is_not_there_is_not_satisfiable(parts_client):
    for number in (0, 3):
        answer = await parts_client.request("GET", f"/bucket/key?partNumber={number}")
        assert (answer.status, answer.code) == (416, "InvalidPartNumber")
    both = await parts_client.request("GET", "/bucket/key?partNumber=1", {"Range": "bytes=0-1"})
    assert (both.status, both.code) == (400, "InvalidRequest")


async def test_an_object_without_parts_is_its_first_part(serve):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=BODY)
    answer = await client.request("GET", "/bucket/key?partNumber=1")
    assert (answer.status, answer.body) == (206, BODY)
    assert "x-amz-mp-parts-count" not in answer.headers
    await client.request("PUT", "/bucket/empty")
    assert (await client.request("GET", "/bucket/empty?partNumber=1")).body == b""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "ETAG"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Match": '"other", ETAG'}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Modified-Since": "Tue, 01 Jan 2030 12:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Tue, 01 Jan 2030 11:59:59 GMT"}, 200),
        ({"If-Modified-Since": "nonsense"}, 200),
        ({"If-Modified-Since": "Tue, 01 Jan 2030 12:00:00 -0000"}, 304),
        ({"If-Unmodified-Since": "Tue, 01 Jan 2030 12:00:00 GMT"}, 200),
        ({"If-Unmodified-Since": "Tue, 01 Jan 2030 11:59:59 GMT"}, 412),
        ({"If-Match": "ETAG", "If-Unmodified-Since": "Tue, 01 Jan 2030 11:59:59 GMT"}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": "Tue, 01 Jan 2030 12:00:00 GMT"}, 200),
    ],
)
async def test_a_read_can_have_conditions(serve, headers: dict[str, str], status: int):
    _, client = await serve(clock=lambda: STORED_AT)
    etag = (await client.request("PUT", "/bucket/key", body=BODY, now=STORED_AT)).headers["etag"]
    headers = {name: value.replace("ETAG", etag) for name, value in headers.items()}
    for method in ("GET", "HEAD"):
        await client.send(client.head(method, "/bucket/key", headers, now=STORED_AT))
        answer = await client.read_answer(for_head=method == "HEAD" or status == 304)
        assert answer.status == status


async def test_attributes_are_those_that_were_asked_for(parts_client):
    async def attributes(names: str):
        return await parts_client.request("GET", "/bucket/key?attributes=", {"x-amz-object-attributes": names})

    everything = await attributes("ETag,Checksum,ObjectParts,StorageClass,ObjectSize")
    assert (everything.element("ObjectSize"), everything.element("StorageClass")) == ("10", "STANDARD")
    assert everything.element("ETag").endswith("-2")
    assert everything.element("ChecksumType") == "FULL_OBJECT"
    assert everything.elements("ChecksumCRC32")[0] == CRC
    assert (everything.element("PartsCount"), everything.elements("Size")) == ("2", ["7", "3"])
    size = await attributes("ObjectSize")
    assert (size.element("ObjectSize"), size.element("ETag"), size.element("PartsCount")) == ("10", None, None)
    assert (await attributes("Nonsense")).code == "InvalidArgument"


async def test_parts_of_an_object_are_listed_page_by_page(parts_client):
    headers = {"x-amz-object-attributes": "ObjectParts", "x-amz-max-parts": "1"}
    first = await parts_client.request("GET", "/bucket/key?attributes=", headers)
    assert (first.elements("PartNumber"), first.element("IsTruncated")) == (["1"], "true")
    assert (first.element("MaxParts"), first.element("NextPartNumberMarker")) == ("1", "1")
    last = await parts_client.request("GET", "/bucket/key?attributes=", {**headers, "x-amz-part-number-marker": "1"})
    assert (last.elements("PartNumber"), last.element("IsTruncated")) == (["2"], "false")
    assert last.element("PartsCount") == "2"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_read_does_not_choose_an_encryption(serve, method: str):
    _, client = await serve()
    await client.request("PUT", "/bucket/key", body=BODY)
    assert (await client.request(method, "/bucket/key", {"x-amz-server-side-encryption": "AES256"})).status == 400


async def test_attributes_of_an_encrypted_object_need_its_key(serve):
    _, client = await serve()
    key = {"x-amz-server-side-encryption-customer-key-md5": "DWygnHRtgiJ77HCm+1rvHw=="}
    await client.request("PUT", "/bucket/key", key, BODY)
    wanted = {"x-amz-object-attributes": "ObjectSize"}
    assert (await client.request("GET", "/bucket/key?attributes=", wanted)).code == "InvalidRequest"
    assert (await client.request("GET", "/bucket/key?attributes=", {**wanted, **key})).element("ObjectSize") == "10"
