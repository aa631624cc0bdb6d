"""Movement that the buffers between a write and the wire would hide."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from types import SimpleNamespace

import pytest

from aios3._transport.connection import Connection
from tests.support.fakes import turns


class Transport:
    """One with `waiting` bytes in its buffer, and the socket that it is given."""

    def __init__(self, waiting: int, endpoint: object = None) -> None:
        self._waiting = waiting
        self._endpoint = endpoint

    def get_extra_info(self, name: str) -> object:
        return self._endpoint

    def get_write_buffer_size(self) -> int:
        return self._waiting


def test_a_socket_that_cannot_be_asked_does_not_matter():
    with socket.socket(socket.AF_UNIX) as other:
        assert Connection(Transport(30, other)).moved(100) == 70
        assert other.fileno() > 0
    assert Connection(Transport(30, other)).moved(100) == 70
    descriptor = os.dup(2)
    os.close(descriptor)
    assert Connection(Transport(30, SimpleNamespace(fileno=lambda: descriptor))).moved(100) == 70


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_it_grows_with_every_byte_that_arrives(wire, tls, secure):
    """Also when the whole body was handed over at once, as TLS does."""
    may_read = asyncio.Semaphore(0)

    async def script(peer):
        while True:
            await may_read.acquire()
            await peer.read_body(500_000)

    peer = await wire(script, secure=secure)
    _, writer = await asyncio.open_connection("localhost", peer.port, ssl=tls.client if secure else None)
    written = 8_000_000
    writer.write(bytes(written))
    connection = Connection(writer.transport)
    seen = [-1]
    while len(seen) < 6:
        await asyncio.sleep(0.001)
        if (moved := connection.moved(written)) > seen[-1]:
            seen.append(moved)
            may_read.release()
    assert seen == sorted(seen)
    assert seen[-1] <= written + 20_000  # over TLS the records count too
    writer.transport.abort()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_connection_that_both_sides_have_closed_answers_all_the_same(wire, tls, secure, way):
    async def script(peer):
        await peer.read_some(1)
        getattr(peer, way)()

    peer = await wire(script, secure=secure)
    reader, writer = await asyncio.open_connection("localhost", peer.port, ssl=tls.client if secure else None)
    transport = writer.transport
    connection = Connection(transport)
    assert not connection.is_closing
    writer.write(b"x")
    with contextlib.suppress(OSError):
        await reader.read()
    for _ in range(3):
        transport.close()
        connection.drain_to_the_last_byte()
        connection.drain_as_usual()
        assert connection.is_closing
        assert connection.unsent in (0, None)
        assert connection.moved(100) >= 0
        await turns()
    connection.abort()
    assert Connection(transport).is_closing  # one that is made then, too
    transport.abort()


async def test_a_connection_that_cannot_be_aborted_is_shut_down() -> None:
    ours, theirs = socket.socketpair()
    transport = Transport(0, ours)
    transport.get_write_buffer_size = transport.abort = lambda: None.gone  # type: ignore[attr-defined, method-assign]
    with ours, theirs:
        Connection(transport).abort()
        assert theirs.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            ours.send(b"x")
    Connection(transport).abort()
