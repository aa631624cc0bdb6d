"""The server's life, its gates, and what it counts."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from datetime import UTC, datetime

import pytest
import trustme

from aios3.credentials import Credentials
from aios3.providers import Provider
from aios3.testing import Fault, S3Server
from aios3.testing.server.connection import Connection


async def test_stopping_ends_every_kind_of_connection(connect):
    async with S3Server() as server:
        server.hold("DeleteObject")
        server.faults.add(Fault("stall_before", "GetObject"))
        server.faults.add(Fault("stall_after", "HeadObject"))
        clients = [connect(server) for _ in range(7)]
        idle, head, body, held, before, after, fresh = [await client.__aenter__() for client in clients]
        assert idle is not fresh
        await head.send(b"GET / HT")
        await body.send(body.head("PUT", "/bucket/key", length=10), b"abc")
        for client, method in ((held, "DELETE"), (before, "GET"), (after, "HEAD")):
            await client.send(client.head(method, "/bucket/key"))
        await server.wait_for(lambda server: len(server.requests) == 4)
        late = await asyncio.open_connection(*server.endpoint_url.removeprefix("http://").split(":"))
        assert server.requests_in_progress == 4
    assert (server.open_connections, server.requests_in_progress) == (0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for client in clients:
        await client.__aexit__(None, None, None)
    late[1].transport.abort()
    await asyncio.sleep(0)
    gc.collect()  # an unclosed socket would warn here, and warnings are errors


async def test_stopping_is_clean_in_every_turn_of_an_accept():
    for turns in range(8):
        async with S3Server() as server:
            host, port = server.endpoint_url.removeprefix("http://").split(":")
            connecting = asyncio.create_task(asyncio.open_connection(host, int(port)))
            for _ in range(turns):
                await asyncio.sleep(0)
        assert server.open_connections == 0
        with contextlib.suppress(ConnectionError):
            _, writer = await connecting
            writer.transport.abort()
            await asyncio.sleep(0)
    gc.collect()


async def test_a_held_operation_waits_for_its_release(serve):
    server, client = await serve()
    server.hold("PutObject")
    putting = asyncio.create_task(client.request("PUT", "/bucket/key", body=b"abc"))
    await server.wait_for(lambda server: server.held_requests)
    assert server.held_requests[0].body == b"abc"
    assert not putting.done()
    assert not server.objects
    server.release("PutObject")
    assert server.objects
    assert (await putting).status == 200
    assert (await client.request("PUT", "/bucket/key", body=b"abc")).status == 200
    server.release("PutObject")


async def test_waiting_ends_with_the_predicate():
    async with S3Server() as server:
        await server.wait_for(lambda server: True)
        broken = asyncio.create_task(server.wait_for(lambda server: server.requests and 1 / 0))
        endless = asyncio.create_task(server.wait_for(lambda server: False))
        cancelled = asyncio.create_task(server.wait_for(lambda server: False))
        await asyncio.sleep(0)
        cancelled.cancel()
        _, writer = await asyncio.open_connection(*server.endpoint_url.removeprefix("http://").split(":"))
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        with pytest.raises(ZeroDivisionError):
            await broken
        writer.transport.abort()
    with pytest.raises(RuntimeError, match="closed"):
        await endless
    assert cancelled.cancelled()


async def test_what_was_waited_for_counts_although_the_server_stops():
    async with S3Server() as server:
        server.hold("PutObject")
        _, writer = await asyncio.open_connection(*server.endpoint_url.removeprefix("http://").split(":"))
        writer.write(b"PUT /bucket/key HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        await server.wait_for(lambda server: server.held_requests)
        waiting = asyncio.create_task(server.wait_for(lambda server: server.requests[0].status))
        await asyncio.sleep(0)
        server.release("PutObject")
    await waiting
    assert server.requests[0].status == 403
    writer.transport.abort()


async def test_ids_and_dates_are_the_same_every_time(connect):
    seen = []
    create = b"POST /bucket/key?uploads= HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    last = b"GET /bucket/no HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    for _ in range(2):
        made = S3Server(clock=lambda: datetime(2026, 1, 1, tzinfo=UTC), check_signatures=False)
        async with made as server, connect(server) as client:
            await client.send(create, create, last)
            seen.append(await client.read_rest())
    assert seen[0] == seen[1]
    assert seen[0].count(b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n") == 3


async def test_without_keeping_bodies_only_hashes_stay(serve):
    server, client = await serve(keep_bodies=False, provider=Provider("small", min_part_size=1))
    await client.request("PUT", "/bucket/key", body=b"abc")
    upload_id = await client.create()
    etags = [await client.upload_part(upload_id, number, b"abc" * 50_000) for number in (1, 2)]
    completed = await client.complete(upload_id, list(enumerate(etags, 1)))
    assert completed.status == 200
    stored = server.objects["bucket", "key"]
    assert (stored.size, len(stored.parts)) == (300_000, 2)
    assert [request.body is None for request in server.requests] == [True, False, True, True, False]
    assert [request.body_received for request in server.requests[:3]] == [3, 0, 150_000]
    with pytest.raises(LookupError):
        _ = stored.body
    with pytest.raises(LookupError):
        _ = stored.parts[0].body
    assert (await client.request("GET", "/bucket/key")).status == 501


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def open_tls(server: S3Server, authority: trustme.CA | None):
    context = ssl.create_default_context()
    if authority:
        authority.configure_trust(context)
    port = int(server.endpoint_url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def test_https_serves_fails_and_stalls_as_http_does(authority, tls):
    async with S3Server(ssl_context=tls, check_signatures=False) as server:
        assert server.endpoint_url.startswith("https://localhost:")
        put = b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        reader, writer = await open_tls(server, authority)
        writer.write(put + b"x" * 100_000)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        server.faults.add(Fault("drop_mid_body", after_bytes=777))
        server.faults.add(Fault("early_answer", nth=2))
        server.faults.add(Fault("stall_before", nth=3))
        writer.write(put + b"x" * 100_000)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        assert server.requests[-1].body_received == 777
        early, early_writer = await open_tls(server, authority)
        early_writer.write(put)
        assert (await early.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503")
        early_writer.write(b"x" * 100_000)
        _, stalled = await open_tls(server, authority)
        stalled.write(put + b"x" * 100_000)
        await server.wait_for(lambda server: len(server.requests) == 4 and server.open_connections == 1)
        stalled.transport.abort()
        await server.wait_for(lambda server: not server.open_connections)
        for one in (writer, early_writer):
            one.transport.abort()


async def test_a_client_that_does_not_trust_the_certificate_is_no_failure(authority, tls):
    async with S3Server(ssl_context=tls) as server:
        with pytest.raises(ssl.SSLError):
            await open_tls(server, None)
        await server.wait_for(lambda server: not server.open_connections)
        port = int(server.endpoint_url.rpartition(":")[2])
        _, mute = await asyncio.open_connection("127.0.0.1", port)
        await server.wait_for(lambda server: server.open_connections)
    assert server.open_connections == 0
    mute.transport.abort()
    await asyncio.sleep(0)
    gc.collect()


async def test_a_reset_survives_a_socket_without_options(serve, monkeypatch):
    def refuse(self: Connection) -> None:
        raise OSError

    monkeypatch.setattr(Connection, "_real_socket", refuse)
    server, client = await serve()
    server.faults.add(Fault("drop_before"))
    await client.send(client.head("GET", "/bucket/key"))
    assert await client.read_rest() == b""


@pytest.mark.parametrize(
    ("kind", "is_notified"), [("close_after", True), ("ragged_close", False), ("half_close", False)]
)
async def test_the_end_of_tls_is_told_or_not(tls, authority, kind, is_notified):
    def ask(port: int) -> tuple[bytes, bool]:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        received = b""
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secure,
        ):
            secure.sendall(b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                while piece := secure.recv(1 << 16):
                    received += piece
            except ssl.SSLEOFError:
                return received, False
        return received, True

    async with S3Server(ssl_context=tls) as server:
        server.faults.add(Fault(kind))
        received, was_notified = await asyncio.to_thread(ask, int(server.endpoint_url.rpartition(":")[2]))
    assert received.endswith(b"</Error>")
    assert was_notified is is_notified


async def test_credentials_can_be_changed_while_it_runs(serve):
    server, client = await serve()
    old, server.credentials = server.credentials, Credentials("NEW", "secret", "token")
    assert (await client.request("GET", "/", credentials=old)).code == "InvalidAccessKeyId"
    assert (await client.request("GET", "/")).status == 200
