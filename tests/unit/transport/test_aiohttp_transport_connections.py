"""How long connections live, and how many there are."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from aios3._transport import aiohttp_transport
from aios3.errors import ConfigurationError, TransportError, TransportTimeoutError
from tests.support.fakes import turns
from tests.support.wire import OK, Peer, answer

BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


@BOTH
async def test_a_connection_closed_while_idle_is_not_used(transport, wire, request_to, secure):
    async def script(peer):
        await peer.read_request()
        peer.send(OK)

    peer = await wire(script, secure=secure)
    for _ in range(2):
        assert (await transport.send(request_to(peer, body=[b"x"]))).status == 200
        await peer.peers[-1].closed()
        await turns()
    assert len(peer.peers) == 2


async def test_an_idle_connection_is_dropped(make_transport, wire, request_to, monkeypatch):
    """Before the store drops it, so that the next request does not run into a closed connection."""
    monkeypatch.setattr(aiohttp_transport, "_IDLE_SECONDS", 0.02)

    async def script(peer):
        await peer.read_request()
        peer.send(OK)
        await peer.read_to_end()

    peer = await wire(script)
    await make_transport().send(request_to(peer, body=[b"x"]))
    await asyncio.wait_for(peer.peers[0].closed(), 5)


async def test_a_closed_session_is_named(make_transport, wire, request_to):
    session = aiohttp.ClientSession()
    await session.close()
    peer = await wire(Peer.read_request)
    with pytest.raises(ConfigurationError, match="session .* is closed"):
        await make_transport(session).send(request_to(peer, body=[b"x"]))


async def test_no_more_than_the_limit_of_connections(make_transport, wire, request_to, monkeypatch):
    """However many requests are made at once, 128 of them are under way."""
    assert aiohttp_transport._MAX_CONNECTIONS == 128
    everybody = asyncio.Event()
    waiting = 0

    async def script(peer):
        nonlocal waiting
        while True:
            await peer.read_request()
            waiting += 1
            if waiting == 128:
                everybody.set()
            await everybody.wait()
            peer.send(OK)

    peer = await wire(script)
    transport = make_transport()
    answers = await asyncio.gather(*(transport.send(request_to(peer, body=[b"x"])) for _ in range(300)))
    assert len(answers) == 300
    assert peer.most_connections == 128


async def test_a_cancelled_wait_for_a_connection_takes_no_place(make_transport, wire, request_to, monkeypatch):
    monkeypatch.setattr(aiohttp_transport, "_MAX_CONNECTIONS", 1)
    release = asyncio.Event()

    async def script(peer):
        while True:
            await peer.read_request()
            await release.wait()
            peer.send(OK)

    peer = await wire(script)
    transport = make_transport()
    first = asyncio.create_task(transport.send(request_to(peer, body=[b"x"])))
    second = asyncio.create_task(transport.send(request_to(peer, body=[b"x"])))
    await turns()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()
    await first
    assert (await transport.send(request_to(peer, body=[b"x"]))).status == 200
    assert len(peer.peers) == 1


async def test_waiting_for_a_connection_of_an_injected_session_is_not_connecting(
    make_transport, wire, request_to, loop_clock
):
    release = asyncio.Event()

    async def script(peer):
        while True:
            await peer.read_request()
            await release.wait()
            peer.send(OK)

    peer = await wire(script)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        transport = make_transport(session, connect=10, send=100, read=100)
        sending = [asyncio.create_task(transport.send(request_to(peer, body=[b"x"]))) for _ in range(3)]
        while not peer.peers or not peer.peers[0].body:
            await asyncio.sleep(0)
        await loop_clock.advance(50)
        release.set()
        assert [(await task).status for task in sending] == [200] * 3
    assert len(peer.peers) == 1


async def test_a_connection_that_is_not_there_in_time_sends_nothing(make_transport, monkeypatch, wire, request_to):
    async def never(*_: object, **__: object) -> object:
        await asyncio.Event().wait()

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_direct_connection", never)
    peer = await wire(Peer.read_request)
    transport = make_transport(connect=0.02)
    with pytest.raises(TransportTimeoutError, match="connecting") as caught:
        await transport.send(request_to(peer, body=[b"x"]))
    assert not caught.value.was_sent


@pytest.mark.parametrize(
    ("error", "was_sent"),
    [
        (aiohttp.ConnectionTimeoutError("connecting"), False),
        (aiohttp.SocketTimeoutError("reading"), True),
        (TimeoutError(), True),
    ],
)
async def test_the_timeouts_of_an_injected_session_are_timeouts(make_transport, wire, request_to, error, was_sent):
    async def fail(request: object, handler: object) -> aiohttp.ClientResponse:
        raise error

    peer = await wire(Peer.read_request)
    async with aiohttp.ClientSession(middlewares=(fail,)) as session:
        with pytest.raises(TransportTimeoutError) as caught:
            await make_transport(session).send(request_to(peer, method="GET"))
    assert caught.value.was_sent is was_sent


def defective_session(error: BaseException, *, is_sent: bool) -> aiohttp.ClientSession:
    """Return a session that fails before a request is sent, or when it has been answered."""

    async def fail(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        if is_sent:
            await handler(request)
        raise error

    return aiohttp.ClientSession(middlewares=(fail,))


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "HEAD"])
@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("error", [AttributeError("a"), RuntimeError("a"), AssertionError(), asyncio.CancelledError()])
async def test_a_defect_is_no_more_than_a_lost_answer(make_transport, wire, request_to, method, is_sent, error):
    peer = await wire(serve)
    async with defective_session(error, is_sent=is_sent) as session:
        with pytest.raises(TransportError) as caught:
            await make_transport(session).send(request_to(peer, method=method, body=[b"x"] if method == "PUT" else []))
    assert caught.value.__cause__ is error
    assert caught.value.was_sent is (is_sent or method in ("DELETE", "HEAD"))


@pytest.mark.parametrize(
    ("method", "is_sent", "kind"),
    [
        ("PUT", False, ConfigurationError),
        ("POST", False, ConfigurationError),
        ("GET", False, ConfigurationError),
        ("PUT", True, TransportError),
        ("POST", True, TransportError),
        ("DELETE", True, TransportError),
    ],
)
async def test_a_request_that_cannot_be_made_with_the_callers_session(
    make_transport, wire, request_to, method, is_sent, kind
):
    peer = await wire(serve)
    async with defective_session(ValueError("auth beside a header"), is_sent=is_sent) as session:
        with pytest.raises(kind) as caught:
            await make_transport(session).send(request_to(peer, method=method))
    if kind is ConfigurationError:
        assert str(caught.value) == "the request cannot be made with this aiohttp session: auth beside a header"


async def test_a_request_that_waits_when_the_session_is_closed_is_not_cancelled(make_transport, wire, request_to):
    """aiohttp cancels what waits for a connection; nobody asked the task to end."""
    peer = await wire(Peer.read_to_end)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        transport = make_transport(session)
        sending = [asyncio.create_task(transport.send(request_to(peer, body=[b"x"]))) for _ in range(2)]
        while not peer.peers:
            await asyncio.sleep(0)
        await session.close()
        ends = await asyncio.gather(*sending, return_exceptions=True)
    assert [type(end) for end in ends] == [TransportError, TransportError]


async def serve(peer: Peer) -> None:
    """Answer every request with success."""
    while True:
        await peer.read_request()
        peer.send(answer(200))
