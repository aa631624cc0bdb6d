"""Checksums over parts, as recorded on Amazon."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from aios3.providers import Provider
from aios3.testing.wire.bodies import checksum_of

SMALL = Provider("small", min_part_size=4)


def crc(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def sha(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def listing(parts: list[tuple[int, str, str | None]], algorithm: str = "CRC32") -> bytes:
    entries = ""
    for number, etag, value in parts:
        checksum = f"<Checksum{algorithm}>{value}</Checksum{algorithm}>" if value else ""
        entries += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{checksum}</Part>"
    return f"<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>".encode()


async def checked_upload(client, algorithm: str, kind: str | None, *bodies: bytes):
    compute = {"crc32": crc, "sha256": sha}[algorithm]
    settings = {"x-amz-checksum-algorithm": algorithm.upper()} | ({"x-amz-checksum-type": kind} if kind else {})
    upload_id = await client.create(headers=settings)
    parts = []
    for number, body in enumerate(bodies, 1):
        value = compute(body)
        etag = await client.upload_part(upload_id, number, body, {f"x-amz-checksum-{algorithm}": value})
        parts.append((number, etag, value))
    return upload_id, parts


@pytest.mark.parametrize("algorithm", ["crc32", "sha256"])
async def test_composite_checksums_are_listed_and_combined(serve, algorithm: str):
    server, client = await serve(provider=SMALL)
    upload_id, parts = await checked_upload(client, algorithm, None, b"aaaa", b"b")
    name = algorithm.upper()
    raw = b"".join(base64.b64decode(value) for *_, value in parts)
    whole = {"crc32": crc, "sha256": sha}[algorithm](raw) + "-2"
    bare = [(number, etag, None) for number, etag, _ in parts]
    assert (await client.complete(upload_id, listing(bare, name))).code == "InvalidRequest"
    swapped = [(1, parts[0][1], parts[1][2]), parts[1]]
    assert (await client.complete(upload_id, listing(swapped, name))).code == "InvalidPart"
    wrong = {f"x-amz-checksum-{algorithm}": whole.replace("-2", "-1")}
    assert (await client.complete(upload_id, listing(parts, name), wrong)).code == "BadDigest"
    answer = await client.complete(upload_id, listing(parts, name), {f"x-amz-checksum-{algorithm}": whole})
    assert (answer.element(f"Checksum{name}"), answer.element("ChecksumType")) == (whole, "COMPOSITE")
    assert server.objects["bucket", "key"].checksums == {f"x-amz-checksum-{algorithm}": whole}


async def test_full_object_checksums_are_of_the_whole(serve):
    _, client = await serve(provider=SMALL)
    upload_id, parts = await checked_upload(client, "crc32", "FULL_OBJECT", b"aaaa", b"b")
    bare = [(number, etag, None) for number, etag, _ in parts]
    headers = {"x-amz-checksum-crc32": crc(b"aaaab"), "x-amz-checksum-type": "FULL_OBJECT"}
    other = {"x-amz-checksum-type": "COMPOSITE"}
    assert (await client.complete(upload_id, listing(bare), other)).code == "InvalidRequest"
    sha1 = {"x-amz-checksum-sha1": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    assert (await client.complete(upload_id, listing(bare), sha1)).code == "InvalidRequest"
    answer = await client.complete(upload_id, listing(bare), headers)
    assert answer.element("ChecksumCRC32") == crc(b"aaaab")


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "crc64nvme"])
async def test_every_crc_of_the_whole_is_compared(serve, algorithm: str):
    server, client = await serve(provider=SMALL)
    name = f"x-amz-checksum-{algorithm}"
    settings = {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": "FULL_OBJECT"}
    upload_id = await client.create(headers=settings)
    parts = []
    for number, body in enumerate((b"1234", b"56789"), 1):
        value = base64.b64encode(checksum_of(algorithm, [body])).decode()
        parts.append((number, await client.upload_part(upload_id, number, body, {name: value}), value))
    wrong = {name: parts[0][2], "x-amz-checksum-type": "FULL_OBJECT"}
    assert (await client.complete(upload_id, listing(parts, algorithm.upper()), wrong)).code == "BadDigest"
    assert server.objects == {}
    right = {"crc32": "y/Q5Jg==", "crc32c": "4waSgw==", "crc64nvme": "rosUhgp5mIg="}[algorithm]
    headers = {name: right, "x-amz-checksum-type": "FULL_OBJECT"}
    answer = await client.complete(upload_id, listing(parts, algorithm.upper()), headers)
    assert answer.element(f"Checksum{algorithm.upper()}") == right


async def test_without_an_algorithm_no_checksum_may_be_listed(serve):
    _, client = await serve(provider=SMALL)
    upload_id = await client.create()
    etag = await client.upload_part(upload_id, 1, b"x", {"x-amz-checksum-crc32": crc(b"x")})
    assert (await client.complete(upload_id, listing([(1, etag, crc(b"x"))]))).code == "InvalidPart"
    assert (
        await client.complete(upload_id, [(1, etag)], {"x-amz-checksum-type": "COMPOSITE"})
    ).code == "InvalidRequest"
    wrong = await client.request(
        "PUT", f"/bucket/key?partNumber=1&uploadId={upload_id}", {"x-amz-checksum-crc32": crc(b"y")}, b"x"
    )
    assert wrong.code == "BadDigest"
    assert (await client.complete(upload_id, [(1, etag)])).status == 200


async def test_parts_carry_the_algorithm_of_their_upload(serve):
    _, client = await serve(provider=SMALL)
    upload_id, parts = await checked_upload(client, "crc32", None, b"aaaa", b"bbbb", b"c")
    target = f"/bucket/key?partNumber=1&uploadId={upload_id}"
    for headers in ({}, {"x-amz-checksum-sha256": sha(b"x")}):
        answer = await client.request("PUT", target, headers, b"x")
        assert (answer.code, b"Checksum Type mismatch" in answer.body) == ("InvalidRequest", True)
    assert (await client.complete(upload_id, listing([parts[0], parts[2]]))).code == "InvalidPartOrder"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-algorithm": "CRC99"},
        {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
    ],
)
async def test_impossible_checksum_plans_are_refused(serve, headers: dict[str, str]):
    _, client = await serve()
    assert (await client.request("POST", "/bucket/key?uploads=", headers)).code == "InvalidRequest"
