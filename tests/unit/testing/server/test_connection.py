"""Connections: many requests, bytes in any grouping, clients that leave."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from aios3.testing import Fault
from aios3.testing.server.peer_watch import PeerWatch


async def test_requests_may_come_in_any_grouping(serve):
    server, client = await serve()
    first, second = client.head("PUT", "/bucket/a", body=b"xyz"), client.head("PUT", "/bucket/b", body=b"")
    for byte in first + b"xyz":
        await client.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.read_answer()).status == 200
    await client.send(first + b"xyz" + second)
    assert [(await client.read_answer()).status for _ in range(2)] == [200, 200]
    assert [request.key for request in server.requests] == ["a", "a", "b"]


async def test_a_pipelined_request_waits_for_the_one_before(serve):
    server, client = await serve()
    server.hold("PutObject")
    await client.send(client.head("PUT", "/bucket/a", body=b"x"), b"x")
    await server.wait_for(lambda server: server.requests)
    await client.send(client.head("GET", "/bucket/a"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(server.requests) == 1
    server.release("PutObject")
    assert (await client.read_answer()).status == 200
    assert (await client.read_answer()).body == b"x"


async def test_what_is_not_http_is_answered_and_noted(serve):
    """400, closed, and visible to the test; no request is recorded."""
    server, client = await serve()
    await client.send(b"HELO\r\n\r\n" + b"x" * 1000)
    answer = await client.read_answer()
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert await client.read_rest() == b""
    assert len(server.protocol_errors) == 1
    assert not server.requests


async def test_a_tls_greeting_on_a_port_for_http_ends_at_once(serve):
    """Its client waits for the server, so nothing may wait for more bytes."""
    server, _ = await serve()
    host, port = server.endpoint_url.removeprefix("http://").split(":")
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(host, int(port), ssl=context)
    assert server.protocol_errors == ["a TLS greeting on a port for http"]


async def test_a_client_that_leaves_mid_body_ends_its_request(serve):
    server, client = await serve()
    await client.send(client.head("PUT", "/bucket/key", length=100), b"abc")
    await server.wait_for(lambda server: server.requests and server.requests[0].body_received == 3)
    await client.aclose()
    await server.wait_for(lambda server: not server.requests_in_progress)
    assert server.requests[0].body == b"abc"
    assert not server.objects


async def test_a_client_that_leaves_while_held_is_processed_on_release(serve):
    server, client = await serve()
    server.hold("CreateMultipartUpload")
    await client.send(client.head("POST", "/bucket/key?uploads="))
    await server.wait_for(lambda server: server.requests)
    await client.aclose()
    await server.wait_for(lambda server: not server.open_connections)
    assert not server.open_uploads
    server.release("CreateMultipartUpload")
    assert len(server.open_uploads) == 1
    assert server.requests[0].status is None


async def test_every_fault_of_a_lost_client_is_harmless_on_release(serve, connect):
    server, _ = await serve()
    kinds = ("drop_after", "drop_mid_answer", "raw", "whitespace_200", "no_etag", "answer")
    server.hold("PutObject")
    for kind in kinds:
        server.faults.clear()
        server.faults.add(Fault(kind, body=b"x"))
        async with connect(server) as client:
            await client.send(client.head("PUT", f"/bucket/{kind}", body=b"x"), b"x")
            count = len(server.requests)
            await server.wait_for(lambda server, count=count: len(server.requests) > count)
    await server.wait_for(lambda server: server.open_connections == 1)
    server.release("PutObject")
    assert server.requests_in_progress == 0
    assert {key for _, key in server.objects} == set(kinds) - {"raw", "answer"}


async def test_where_closing_cannot_be_noticed_a_stall_throws_away(serve, monkeypatch):
    """So that the end is read, on platforms that tell of it only to readers."""
    monkeypatch.setattr(PeerWatch, "is_possible", False)
    server, client = await serve()
    server.faults.add(Fault("stall_before"))
    await client.send(client.head("PUT", "/bucket/key", length=100), b"abc")
    await server.wait_for(lambda server: server.requests)
    await client.aclose()
    await server.wait_for(lambda server: not server.open_connections)
    assert server.requests[0].body_received == 0
