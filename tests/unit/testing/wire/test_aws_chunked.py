"""Bodies in the chunks of SDKs, on the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import zlib
from datetime import UTC, datetime

import pytest

BODY = b"0123456789" * 3
CRC = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SCOPE = "20300101/us-east-1/s3/aws4_request"


def chunks_of(body: bytes, size: int) -> list[bytes]:
    return [*(body[start : start + size] for start in range(0, len(body), size)), b""]


def unsigned(body: bytes, trailers: bytes, size: int = 13) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks_of(body, size)[:-1])
    return framed + b"0\r\n" + trailers + b"\r\n"


def headers(size: int, trailer: str | None = "x-amz-checksum-crc32") -> dict[str, str]:
    chosen = {"x-amz-decoded-content-length": str(size), "content-encoding": "aws-chunked"}
    return {**chosen, "x-amz-trailer": trailer} if trailer else chosen


async def put(client, body: bytes, given: dict[str, str], form: str, **options):
    return await client.request("PUT", "/bucket/key", given, body, payload_hash=form, now=NOW, **options)


@pytest.fixture
async def server_and_client(serve):
    return await serve(clock=lambda: NOW)


async def test_a_body_in_chunks_is_stored_without_its_framing(server_and_client):
    server, client = server_and_client
    trailer = f"x-amz-checksum-crc32:{CRC}\r\n".encode()
    answer = await put(client, unsigned(BODY, trailer), headers(len(BODY)), UNSIGNED)
    assert (answer.status, answer.headers["x-amz-checksum-crc32"]) == (200, CRC)
    assert answer.headers["etag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    found = server.objects["bucket", "key"]
    assert (found.body, found.checksums) == (BODY, {"x-amz-checksum-crc32": CRC})
    assert "content-encoding" not in found.headers
    given = {**headers(len(BODY)), "content-encoding": "gzip,aws-chunked", "transfer-encoding": "chunked"}
    framed = unsigned(BODY, trailer)
    await client.send(client.head("PUT", "/bucket/key", given, payload_hash=UNSIGNED, now=NOW))
    await client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(framed), framed))
    assert (await client.read_answer()).status == 200
    assert server.objects["bucket", "key"].headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("framed", "size", "code"),
    [
        (unsigned(BODY, b"x-amz-checksum-crc32:AAAAAA==\r\n"), 30, "BadDigest"),
        (unsigned(BODY, b""), 30, "MalformedTrailerError"),
        (unsigned(BODY, b"x-amz-checksum-crc32:a\r\nother:b\r\n"), 30, "MalformedTrailerError"),
        (unsigned(BODY, b"no colon\r\n"), 30, "InvalidChunk"),
        (unsigned(BODY, b"x-amz-checksum-crc32:a\r\n"), 31, "IncompleteBody"),
        (b"zz\r\n", 30, "InvalidChunk"),
        (b"5\r\n123", 5, "InvalidChunk"),
        (b"3\r\n1234\r\n0\r\n\r\n", 3, "InvalidChunk"),
        (b"0\r\n", 0, "InvalidChunk"),
        (b"3;chunk-signature=" + b"a" * 64 + b"\r\n123\r\n0\r\n\r\n", 3, "InvalidChunk"),
    ],
)
async def test_broken_chunks_are_refused(server_and_client, framed: bytes, size: int, code: str):
    server, client = server_and_client
    answer = await put(client, framed, headers(size), UNSIGNED)
    assert (answer.status, answer.code) == (400, code)
    assert server.objects == {}


async def test_an_unknown_form_and_a_missing_size_are_refused(server_and_client):
    _, client = server_and_client
    assert (await put(client, b"x", headers(1), "STREAMING-NONSENSE")).code == "InvalidArgument"
    assert (await put(client, b"x", {}, UNSIGNED)).code == "MissingContentLength"


def sign_chunks(seed: str, key: bytes, trailers: bytes = b"", break_at: int | None = None) -> bytes:
    """Return the body with the signature of every chunk, made with the one before it."""
    framed, before = b"", seed

    def sign(algorithm: str, *hashes: str) -> str:
        text = "\n".join([algorithm, "20300101T000000Z", SCOPE, *hashes])
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    for place, chunk in enumerate(chunks_of(BODY, 13)):
        empty, digest = hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest()
        before = sign("AWS4-HMAC-SHA256-PAYLOAD", before, empty, digest)
        shown = "0" * 64 if place == break_at else before
        framed += b"%x;chunk-signature=%b\r\n%b" % (len(chunk), shown.encode(), chunk + b"\r\n" if chunk else b"")
    if trailers:
        lines = trailers.replace(b"\r\n", b"\n")
        last = sign("AWS4-HMAC-SHA256-TRAILER", before, hashlib.sha256(lines).hexdigest())
        framed += trailers + f"x-amz-trailer-signature:{last if break_at != -1 else 'x'}\r\n".encode()
    return framed + b"\r\n"


@pytest.mark.parametrize(
    ("trailers", "break_at", "code"),
    [
        (b"", None, None),
        (b"", 0, "SignatureDoesNotMatch"),
        (b"", 3, "SignatureDoesNotMatch"),
        (f"x-amz-checksum-crc32:{CRC}\r\n".encode(), None, None),
        (f"x-amz-checksum-crc32:{CRC}\r\n".encode(), -1, "SignatureDoesNotMatch"),
    ],
)
async def test_the_signature_of_every_chunk_is_checked(server_and_client, trailers: bytes, break_at, code: str | None):
    server, client = server_and_client
    form = f"{SIGNED}-TRAILER" if trailers else SIGNED
    given = headers(len(BODY), "x-amz-checksum-crc32" if trailers else None)
    key = b"AWS4" + server.credentials.secret_access_key.encode()
    for word in SCOPE.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    length = len(sign_chunks("0" * 64, key, trailers, break_at))
    head = client.head("PUT", "/bucket/key", given, length=length, payload_hash=form, now=NOW)
    seed = re.search(rb"Signature=([0-9a-f]{64})", head)
    assert seed
    await client.send(head, sign_chunks(seed[1].decode(), key, trailers, break_at))
    answer = await client.read_answer()
    assert answer.code == code
    assert [found.body for found in server.objects.values()] == ([BODY] if code is None else [])
