"""What becomes of a request when the other side does not do as it should."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from aios3._protocol.wire.messages import Request
from aios3._transport import aiohttp_transport
from aios3.errors import TransportError, TransportTimeoutError
from tests.support.wire import OK, answer

BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
PIECE = bytes(256 * 1024)
LARGE = [PIECE] * 64
"""More than the socket buffers of both sides hold."""


async def reset_after_request(peer):
    """Read the request, then reset."""
    await peer.read_request()
    peer.reset()


async def close_after_request(peer):
    """Read the request, then close without an answer."""
    await peer.read_request()


async def reset_after_head(peer):
    """Reset while the body is still to come."""
    await peer.read_head()
    peer.reset()


def after_request(data: bytes):
    """Return a script that answers a request with exactly `data`, then closes."""

    async def script(peer):
        await peer.read_request()
        peer.send(data)

    return script


@BOTH
@pytest.mark.parametrize("method", ["PUT", "POST", "GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("script", [reset_after_request, close_after_request, reset_after_head])
async def test_a_lost_connection_is_a_transport_error(transport, wire, request_to, script, method, secure):
    peer = await wire(script, secure=secure)
    body = LARGE if method in ("PUT", "POST") and script is reset_after_head else [b"abc"] if method == "PUT" else []
    with pytest.raises(TransportError, match=peer.host) as caught:
        await transport.send(request_to(peer, method=method, body=body))
    assert not caught.value.is_permanent
    assert not isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize(
    "data",
    [
        b"this is not HTTP at all\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"HTTP/1.1 OK 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"",
    ],
    ids=lambda data: repr(data[:40]),
)
@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_what_is_not_a_whole_answer_is_a_transport_error(transport, wire, request_to, method, data):
    peer = await wire(after_request(data))
    with pytest.raises(TransportError):
        await transport.send(request_to(peer, method=method, body=[b"x"] if method == "PUT" else []))


async def test_an_answer_without_end_is_given_up(transport, wire, request_to, monkeypatch):
    monkeypatch.setattr(aiohttp_transport, "MAX_RESPONSE", 100_000)

    async def endless(peer):
        await peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                peer.send(b"1000\r\n" + b" " * 4096 + b"\r\n")
                await peer._writer.drain()

    peer = await wire(endless)
    for method in ("GET", "DELETE"):
        with pytest.raises(TransportError, match="longer than 100000 bytes") as caught:
            await transport.send(request_to(peer, method=method))
        assert caught.value.is_permanent is (method == "GET"), "whether a change was made is not known"
        await peer.peers[-1].closed()


async def test_an_answer_that_drips_is_given_up(transport, wire, request_to, loop_clock):
    pieces = 0

    async def drip(peer):
        nonlocal pieces
        await peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while pieces < 100:
                await loop_clock.advance(4)
                peer.send(b" ")
                pieces += 1
                await asyncio.sleep(0.001)

    peer = await wire(drip)
    with pytest.raises(TransportTimeoutError, match="did not end within 50 s"):
        await transport.send(request_to(peer, method="POST"))
    assert 10 <= pieces < 50


async def test_garbage_between_chunks_is_not_quoted(transport, wire, request_to):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nauthorization: s3cret\r\n"
    peer = await wire(after_request(data))
    with pytest.raises(TransportError, match="does not speak HTTP|chunks are garbage") as caught:
        await transport.send(request_to(peer, method="GET"))
    assert "s3cret" not in str(caught.value)
    with pytest.raises(TransportError, match="broke off$|speak HTTP") as caught:
        async with transport.open(request_to(peer, method="GET"), chunk_size=10) as streamed:
            await streamed.read()
    assert "s3cret" not in str(caught.value)


async def test_a_name_that_cannot_be_found_is_a_transport_error(transport, monkeypatch):
    async def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    with pytest.raises(TransportError, match=r"no-such-host\.example.*not known") as caught:
        await transport.send(Request("HeadBucket", "HEAD", "http", "no-such-host.example", "/b"))
    assert not caught.value.is_permanent


@pytest.mark.parametrize("body", [[], [b"abc"], LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_dropped_connection_means_one_request_per_attempt(transport, wire, request_to, method, body):
    """The HTTP library's own repetition on a fresh connection does not happen: it would not be signed or counted."""

    async def script(peer):
        await peer.read_request()
        peer.send(OK)
        await peer.read_request()

    peer = await wire(script)
    await transport.send(request_to(peer, method=method, body=[b"x"]))
    with pytest.raises(TransportError) as caught:
        await transport.send(request_to(peer, method=method, body=body))
    assert [len(one.heads) for one in peer.peers] == [2]
    assert caught.value.on_reused_connection


async def test_nothing_secret_is_in_the_message(transport, wire, request_to):
    peer = await wire(reset_after_request)
    request = request_to(
        peer, method="GET", query=(("X-Amz-Signature", "s3cret"),), headers={"authorization": "AWS4 s3cret"}
    )
    with pytest.raises(TransportError) as caught:
        await transport.send(request)
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error) + repr(error)
        error = error.__cause__ or error.__context__


async def test_a_timeout_while_connecting(make_transport, wire, request_to):
    async def silent(peer):
        await peer.read_to_end()

    peer = await wire(silent)
    transport = make_transport(connect=0.05, send=5, read=5)
    with pytest.raises(TransportTimeoutError) as caught:
        await transport.send(request_to(peer, scheme="https", body=[b"x"]))
    assert isinstance(caught.value, TimeoutError)
    await peer.peers[0].closed()


@pytest.mark.parametrize("status", [200, 403, 503])
async def test_an_answer_that_was_there_before_the_request(transport, wire, request_to, status):
    async def script(peer):
        peer.send(answer(status, b"<Error/>"))
        await peer.read_to_end()

    peer = await wire(script)
    try:
        response = await transport.send(request_to(peer, body=LARGE))
    except TransportError:
        return
    assert response.status == status
    assert response.status != 200
