"""Answers whose body is read as it comes."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from aios3._transport.interface import StreamedResponse
from aios3.errors import TransportError, TransportTimeoutError
from tests.support.wire import answer

BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


async def chunks(*pieces):
    for piece in pieces:
        yield piece


async def test_an_answer_that_is_read_whole_is_bounded():
    async def endless():
        while True:
            yield bytes(2**20)

    with pytest.raises(TransportError, match="status 500 is longer than 8388608 bytes") as caught:
        await StreamedResponse(500, {}, endless()).read()
    assert caught.value.is_permanent

    async def silent():
        yield b"x"
        await asyncio.Event().wait()

    with pytest.raises(TransportTimeoutError, match="did not end within 0.01 s"):
        await StreamedResponse(500, {}, silent(), patience=0.01).read()


def serve(data: bytes, hold: asyncio.Event | None = None):
    """Return a script that answers every request with `data`, and with the last byte only after `hold`."""

    async def script(peer):
        while True:
            await peer.read_request()
            peer.send(data[:-1])
            if hold is not None:
                await hold.wait()
            peer.send(data[-1:])

    return script


@BOTH
async def test_a_download_comes_in_chunks_and_keeps_its_connection(transport, wire, request_to, secure):
    content = bytes(range(256)) * 1000
    peer = await wire(serve(answer(206, content, "ETag: x")), secure=secure)
    for _ in range(2):
        async with transport.open(request_to(peer, method="GET"), chunk_size=10_000) as streamed:
            assert (streamed.status, streamed.headers["etag"]) == (206, "x")
            pieces = [chunk async for chunk in streamed.chunks]
        assert b"".join(pieces) == content
        assert max(len(piece) for piece in pieces) <= 10_000
    assert len(peer.peers) == 1


async def test_a_download_is_not_read_ahead(transport, wire, request_to):
    sent = 0

    async def script(peer):
        nonlocal sent
        await peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            peer.send(bytes(65536))
            await peer._writer.drain()
            sent += 65536

    peer = await wire(script)
    async with transport.open(request_to(peer, method="GET"), chunk_size=1000) as streamed:
        assert await anext(streamed.chunks)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.02)
        assert sent < 32 * 1024 * 1024
    await peer.peers[0].closed()


@BOTH
async def test_a_download_that_breaks_off_is_an_error(transport, wire, request_to, secure):
    async def script(peer):
        await peer.read_request()
        peer.send(answer(200, b"x" * 1000)[:-1])

    peer = await wire(script, secure=secure)
    async with transport.open(request_to(peer, operation="GetObject", method="GET"), chunk_size=100) as streamed:
        with pytest.raises(TransportError, match="GetObject: the response broke off"):
            [chunk async for chunk in streamed.chunks]


@pytest.mark.parametrize(
    "error", [AttributeError("a"), RuntimeError("a"), AssertionError(), ValueError("a"), OSError()]
)
async def test_a_download_in_which_the_http_client_fails_is_an_error_of_the_tree(
    transport, wire, request_to, monkeypatch, error
):
    async def fail(self: aiohttp.StreamReader, count: int) -> bytes:
        raise error

    peer = await wire(serve(answer(200, b"abc")))
    async with transport.open(request_to(peer, method="GET"), chunk_size=1) as streamed:
        monkeypatch.setattr(aiohttp.StreamReader, "read", fail)
        with pytest.raises(TransportError, match="broke off") as caught:
            await anext(streamed.chunks)
    assert caught.value.__cause__ is error


async def test_a_download_that_stalls_is_a_timeout(make_transport, wire, request_to, loop_clock):
    hold = asyncio.Event()
    peer = await wire(serve(answer(200, b"abc"), hold))
    transport = make_transport(read=30)
    async with transport.open(request_to(peer, method="GET"), chunk_size=1) as streamed:
        assert [await anext(streamed.chunks) for _ in range(2)] == [b"a", b"b"]
        following = asyncio.ensure_future(anext(streamed.chunks))
        await asyncio.sleep(0)
        await loop_clock.advance(29)
        assert not following.done()
        await loop_clock.advance(2)
        with pytest.raises(TransportTimeoutError, match="30 s"):
            await following
    hold.set()


async def test_a_slow_consumer_is_no_stall(make_transport, wire, request_to, loop_clock):
    peer = await wire(serve(answer(200, b"abc")))
    async with make_transport(read=30).open(request_to(peer, method="GET"), chunk_size=1) as streamed:
        async for _ in streamed.chunks:
            await loop_clock.advance(1000)


@BOTH
async def test_leaving_early_closes_the_connection(transport, wire, request_to, secure):
    async def script(peer):
        await peer.read_request()
        peer.send(answer(200, b"x" * 100_000)[:-1])
        await peer.read_to_end()

    peer = await wire(script, secure=secure)
    with pytest.raises(KeyError):
        async with transport.open(request_to(peer, method="GET"), chunk_size=10) as streamed:
            await anext(streamed.chunks)
            raise KeyError
    await peer.peers[0].closed()


async def test_a_cancelled_download_closes_the_connection(transport, wire, request_to):
    asked = asyncio.Event()

    async def script(peer):
        await peer.read_request()
        asked.set()
        await peer.read_to_end()

    async def download():
        async with transport.open(request_to(peer, method="GET"), chunk_size=10):
            raise AssertionError("there was no answer")

    peer = await wire(script)
    task = asyncio.create_task(download())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await peer.peers[0].closed()


async def test_an_error_of_the_block_is_not_translated(transport, wire, request_to):
    peer = await wire(serve(answer(200, b"abc")))
    for error in (TimeoutError("mine"), OSError("mine"), asyncio.CancelledError()):
        with pytest.raises(type(error)) as caught:
            async with transport.open(request_to(peer, method="GET"), chunk_size=10):
                raise error
        assert caught.value is error
