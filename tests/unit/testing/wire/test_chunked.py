"""The framing of bodies in chunks, on its own and through the server."""

from __future__ import annotations

import hashlib

import pytest

from aios3.providers import Provider
from aios3.testing import Fault
from aios3.testing.wire.chunked import ChunkReader
from aios3.testing.wire.heads import MalformedHeadError

PLAIN = Provider("plain", min_part_size=1, multipart=False)
CHUNKED = {"transfer-encoding": "chunked"}
BODY = b"3\r\nabc\r\nB\r\nhello world\r\n0\r\n\r\n"


def read(framed: bytes) -> tuple[bytes, ChunkReader]:
    reader, data = ChunkReader(), b""
    while framed and not reader.is_at_end:
        count = reader.data_left or 1
        if reader.data_left:
            data += framed[:count]
            reader.take_data(count)
        else:
            reader.take_framing(framed[:1])
        framed = framed[count:]
    return data, reader


@pytest.mark.parametrize(
    "wrong",
    [
        b"xyz\r\n",
        b"\r\n",
        b"-1\r\n",
        b"3;name=value\r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"0\r\ntrailer: x\r\n\r\n",
        b"3\nabc\n0\n\n" + b" " * 20,
        b"1234567890abcdef\r\n",
        b"0\r\n0\r\n\r\n",
    ],
    ids=repr,
)
def test_anything_else_is_malformed(wrong: bytes) -> None:
    with pytest.raises(MalformedHeadError):
        read(wrong)


# through the server


@pytest.mark.parametrize("piece", [1, 5, 1000])
async def test_an_object_may_come_in_chunks_where_there_are_no_parts(serve, piece: int):
    server, client = await serve(provider=PLAIN)
    head = client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD")
    for start in range(0, len(BODY), piece):
        await client.send(head + BODY[start : start + piece])
        head = b""
        await server.wait_for(
            lambda s, end=start + piece: s.requests and s.requests[0].body_received >= min(14, end - 9)
        )
    answer = await client.read_answer()
    assert answer.status == 200
    assert answer.headers["etag"].strip('"') == hashlib.md5(b"abchello world").hexdigest()
    assert server.objects["bucket", "key"].body == server.requests[0].body == b"abchello world"
    assert server.requests[0].body_received == 14
    assert (await client.request("PUT", "/bucket/next", body=b"x")).status == 200


async def test_a_signed_hash_is_compared(serve):
    _, client = await serve(provider=PLAIN)
    right = hashlib.sha256(b"abchello world").hexdigest()
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash=right), BODY)
    assert (await client.read_answer()).status == 200
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="0" * 64), BODY)
    assert (await client.read_answer()).code == "XAmzContentSHA256Mismatch"


async def test_where_there_are_parts_chunks_are_not_implemented(serve, connect):
    server, client = await serve()
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"))
    assert (await client.read_answer()).status == 501
    server, client = await serve(accept_chunked=True)
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"), BODY)
    assert (await client.read_answer()).status == 200
    async with connect(server) as other:
        upload_id = await other.create()
        target = f"/bucket/key?partNumber=1&uploadId={upload_id}"
        await other.send(other.head("PUT", target, CHUNKED, payload_hash="UNSIGNED-PAYLOAD"), BODY)
        assert (await other.read_answer()).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "gzip, chunked", "identity"])
async def test_other_encodings_are_not_implemented(serve, encoding: str):
    _, client = await serve(provider=PLAIN)
    await client.send(
        client.head("PUT", "/bucket/key", {"transfer-encoding": encoding}, payload_hash="UNSIGNED-PAYLOAD")
    )
    assert (await client.read_answer()).status == 501


async def test_only_object_data_comes_in_chunks(serve):
    _, client = await serve(accept_chunked=True)
    await client.send(client.head("PUT", "/new", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"))
    assert (await client.read_answer()).status == 501


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/bucket/key?uploads="),
        ("GET", "/bucket?uploads="),
        ("PUT", "/bucket/key?partNumber=1&uploadId=x"),
        ("GET", "/bucket/key?uploadId=x"),
        ("POST", "/bucket/key?uploadId=x"),
        ("DELETE", "/bucket/key?uploadId=x"),
    ],
)
async def test_a_provider_without_multipart_has_none(serve, method: str, target: str):
    _, client = await serve(provider=PLAIN)
    assert (await client.request(method, target)).status == 501


@pytest.mark.parametrize("how", ["abort", "malformed"])
@pytest.mark.parametrize("length", [0, 4, 8, len(BODY) - 1])
async def test_a_body_that_breaks_off_is_discarded(serve, connect, how: str, length: int):
    server, client = await serve(provider=PLAIN)
    async with connect(server) as other:
        await other.request("PUT", "/bucket/key", body=b"old")
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"), BODY[:length])
    await server.wait_for(lambda s: len(s.requests) == 2)
    if how == "malformed":
        await client.send(b"x" * 20)
        assert (await client.read_answer()).status == 400
        assert len(server.protocol_errors) == 1
    client.abort()
    await server.wait_for(lambda s: not s.requests_in_progress)
    assert server.objects["bucket", "key"].body == b"old"
    assert server.requests[-1].status is None


async def test_an_object_over_the_limit_is_refused(serve):
    """When all of it has come, since nobody said how long it would be."""
    server, client = await serve(provider=Provider("plain", min_part_size=1, max_part_size=13, multipart=False))
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"), BODY)
    assert (await client.read_answer()).code == "EntityTooLarge"
    assert not server.objects


# faults


@pytest.mark.parametrize("after", [0, 2, 3, 9])
@pytest.mark.parametrize("kind", ["drop_mid_body", "early_answer"])
async def test_faults_hit_an_exact_byte_of_the_data(serve, kind: str, after: int):
    server, client = await serve(provider=PLAIN)
    server.faults.add(Fault(kind, after_bytes=after))
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"), BODY)
    if kind == "early_answer":
        assert (await client.read_answer()).status == 503
        client.abort()
    await server.wait_for(lambda s: not s.requests_in_progress and not s.open_connections)
    assert server.requests[0].body_received == after
    assert not server.objects


async def test_a_slow_reader_reads_data_in_small_pieces(serve):
    server, client = await serve(provider=PLAIN)
    server.faults.add(Fault("slow_read", after_bytes=2))
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD"))
    await server.wait_for(lambda s: s.requests)
    await client.send(BODY)
    assert (await client.read_answer()).status == 200
    assert server.objects["bucket", "key"].body == b"abchello world"


async def test_framing_may_be_malformed_from_the_beginning(serve):
    server, client = await serve(provider=PLAIN)
    await client.send(client.head("PUT", "/bucket/key", CHUNKED, payload_hash="UNSIGNED-PAYLOAD") + b"zz\r\n")
    assert (await client.read_answer()).status == 400
    assert not server.objects
