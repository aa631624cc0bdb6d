"""A transport under test, peers to talk to, and every event loop that is installed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from aios3._protocol.wire.messages import Request
from aios3._transport.aiohttp_transport import AiohttpTransport
from aios3.options import Timeouts
from tests.support.wire import Script, Wire


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run what meets the network on uvloop too, where it is installed, unless the test moves the loop's clock."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    names = set(getattr(item, "fixturenames", ()))
    try:
        import uvloop
    except ImportError:
        return factories
    if "wire" in names and "loop_clock" not in names:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


MakeTransport = Callable[..., AiohttpTransport]
StartWire = Callable[..., Any]


@pytest.fixture
async def make_transport(tls: Any) -> AsyncIterator[MakeTransport]:
    """Make transports; they are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(session: aiohttp.ClientSession | None = None, ssl_context: Any = tls.client, **timeouts: float):
            transport = AiohttpTransport(timeouts=Timeouts(**timeouts), session=session, ssl_context=ssl_context)
            stack.push_async_callback(transport.aclose)
            return transport

        yield make


@pytest.fixture
async def transport(make_transport: MakeTransport) -> AiohttpTransport:
    """A transport with short timeouts, that trusts the test's authority."""
    return make_transport(connect=5, send=5, read=5)


@pytest.fixture
async def wire(tls: Any) -> AsyncIterator[StartWire]:
    """Start scripted peers: ``await wire(script)``, or ``await wire(script, secure=True)``."""
    async with AsyncExitStack() as stack:

        async def start(script: Script, *, secure: bool = False) -> Wire:
            return await stack.enter_async_context(Wire(script, tls.server if secure else None))

        yield start


@pytest.fixture
def request_to() -> Callable[..., Request]:
    """Build requests to a peer: a PutObject of ``/bucket/key`` unless told otherwise."""

    def build(peer: Wire, **fields: Any) -> Request:
        defaults = {"operation": "PutObject", "method": "PUT", "path": "/bucket/key", "scheme": peer.scheme}
        return Request(**(defaults | {"host": peer.host} | fields))

    return build


@pytest.fixture
async def narrow_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose sockets buffer so little that bytes wait in this process."""

    def make_socket(address: Any) -> socket.socket:
        sock = socket.socket(*address[:3])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        sock.setblocking(False)
        return sock

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make_socket)) as session:
        yield session
