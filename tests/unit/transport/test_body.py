"""The bytes of a body: sent once, and not one of them after its owner took them back."""

from __future__ import annotations

import asyncio
import itertools

import aiohttp
import pytest

from aios3._protocol.wire.messages import Request
from aios3._transport.body import SlicedBody
from aios3._transport.stall_timeout import StallMonitor, StallTimer
from aios3.errors import TransportError
from tests.support.fakes import turns
from tests.support.wire import OK, Reluctant, answer

BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
SIZE = 256 * 1024


def fill(count: int = 64, size: int = SIZE) -> list[bytearray]:
    """Return segments of a part: more than the buffers of both sockets hold, unless told otherwise."""
    return [bytearray(b"A" * size) for _ in range(count)]


def take_back(segments: list[bytearray]) -> None:
    """Reuse the segments for other bytes, as the pool does."""
    for segment in segments:
        segment[:] = b"Z" * len(segment)


@BOTH
@pytest.mark.parametrize("is_small", [False, True])
async def test_no_byte_of_a_cancelled_body_leaves_afterwards(
    make_transport, narrow_session, wire, request_to, secure, is_small
):
    script = Reluctant()
    peer = await wire(script, secure=secure)
    segments = fill(1, 59_000) if is_small else fill()
    transport = make_transport(narrow_session if is_small else None)
    task = asyncio.create_task(transport.send(request_to(peer, body=[b"A" * 1000, *segments])))
    await script.head_came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    take_back(segments)
    script.may_read.set()
    await script.at_end.wait()
    assert is_small or b"A" in peer.peers[0].body
    assert b"Z" not in peer.peers[0].body


@BOTH
@pytest.mark.parametrize("status", [200, 403, 503])
async def test_no_byte_leaves_after_an_early_answer(transport, wire, request_to, secure, status):
    script = Reluctant(answer(status))
    peer = await wire(script, secure=secure)
    segments = fill()
    try:
        response = await transport.send(request_to(peer, body=segments))
    except TransportError:
        assert status == 200
    else:
        assert response.status == status != 200
    take_back(segments)
    script.may_read.set()
    await script.at_end.wait()
    assert b"Z" not in peer.peers[0].body


@BOTH
async def test_no_byte_leaves_after_a_stall(make_transport, wire, request_to, secure):
    script = Reluctant()
    peer = await wire(script, secure=secure)
    segments = fill()
    with pytest.raises(TransportError, match="nothing moved"):
        await make_transport(send=0.05).send(request_to(peer, body=segments))
    take_back(segments)
    script.may_read.set()
    await script.at_end.wait()
    assert b"Z" not in peer.peers[0].body


@BOTH
@pytest.mark.parametrize("status", [200, 503])
async def test_no_byte_leaves_after_an_early_answer_to_a_small_body(
    make_transport, narrow_session, wire, request_to, secure, status
):
    script = Reluctant(answer(status))
    peer = await wire(script, secure=secure)
    segments = fill(1, 59_000)
    try:
        await make_transport(narrow_session).send(request_to(peer, body=[b"A" * 1000, *segments]))
    except TransportError:
        assert status == 200
    take_back(segments)
    script.may_read.set()
    await peer.peers[0].received(60_000)
    assert b"Z" not in peer.peers[0].body


@BOTH
@pytest.mark.parametrize("status", [400, 403, 413, 500, 503])
async def test_an_early_refusal_is_the_answer(transport, wire, request_to, secure, status):
    script = Reluctant(answer(status, b"<Error/>"))
    peer = await wire(script, secure=secure)
    response = await transport.send(request_to(peer, body=fill()))
    assert (response.status, response.body) == (status, b"<Error/>")
    script.may_read.set()
    await peer.peers[0].closed()


@pytest.mark.parametrize("round_number", range(5))
@BOTH
async def test_an_early_refusal_is_the_answer_also_if_the_store_closes_at_once(
    transport, wire, request_to, secure, round_number
):
    async def script(peer):
        await peer.read_head()
        await peer.read_body(round_number * 100_000)
        peer.send(answer(403, b"<Error/>", "Connection: close"))
        peer.close() if secure else peer.close_unread()
        await peer.closed()

    peer = await wire(script, secure=secure)
    response = await transport.send(request_to(peer, body=fill()))
    assert (response.status, response.body) == (403, b"<Error/>")


@BOTH
@pytest.mark.parametrize("says", [("Connection: close",), ()], ids=["announced", "unannounced"])
@pytest.mark.parametrize("segments", [0, 1, 32])
@pytest.mark.parametrize("is_narrow", [False, True])
async def test_an_answer_that_ends_the_connection_is_the_answer(
    make_transport, narrow_session, wire, request_to, secure, says, segments, is_narrow
):
    statuses = [200, 503] * 3
    numbers = itertools.count()

    async def script(peer):
        await peer.read_request()
        number = next(numbers)  # of the request: aiohttp before 3.14.4 opens connections to repeat, and is refused
        answered = answer(statuses[number], b"why", *says)
        if number < 3:
            peer.send_and_close(answered)
        else:
            peer.send(answered)
            await turns(number)
            peer.close()
        await peer.closed()

    peer = await wire(script, secure=secure)
    transport = make_transport(narrow_session if is_narrow else None, send=30)
    for status in statuses:
        request = request_to(peer, body=fill(segments, 59_000))
        try:
            response = await transport.send(request)
        except TransportError as error:
            if says or not error.on_reused_connection:  # else the news that the last one has ended was on its way
                raise
            response = await transport.send(request)
        assert (response.status, response.body) == (status, b"why")
    assert next(numbers) == len(statuses)


@BOTH
async def test_an_early_success_that_ends_the_connection_is_no_success(
    make_transport, narrow_session, wire, request_to, secure
):
    """Although the transport that could tell how much is missing is closed by then."""

    async def script(peer):
        await peer.read_head()
        peer.send_and_close(answer(200, b"", "Connection: close"))
        await peer.closed()

    peer = await wire(script, secure=secure)
    with pytest.raises(TransportError):
        await make_transport(narrow_session).send(request_to(peer, body=fill()))


@BOTH
async def test_success_before_the_whole_body_is_no_success(transport, wire, request_to, secure):
    script = Reluctant(OK)
    peer = await wire(script, secure=secure)
    with pytest.raises(TransportError, match="before the whole body was sent"):
        await transport.send(request_to(peer, body=fill()))


@BOTH
async def test_after_an_early_answer_the_next_request_has_a_connection_of_its_own(transport, wire, request_to, secure):
    scripts = [Reluctant(answer(503)), Reluctant(OK)]

    async def script(peer):
        await scripts[peer.number](peer)

    peer = await wire(script, secure=secure)
    assert (await transport.send(request_to(peer, body=fill()))).status == 503
    assert (await transport.send(request_to(peer, body=[b"x"]))).status == 200
    assert len(peer.peers) == 2
    scripts[0].may_read.set()


class Line:
    """What a body is written to: a connection that the store has closed, or closes at the first byte."""

    def __init__(self, *, is_closing: bool, unsent: int = 0) -> None:
        self._is_closing = is_closing
        self.unsent = unsent
        self.is_lossy = True
        self.written: list[bytes] = []
        self.protocol = self
        self.transport = self

    def is_closing(self) -> bool:
        return self._is_closing

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        self.limit = high

    async def drain(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def write(self, data: bytes) -> None:
        self.written.append(data)
        if self.is_lossy:
            raise aiohttp.ClientConnectionResetError("closed")


def body_of(*pieces: bytes) -> SlicedBody:
    request = Request("PutObject", "PUT", "http", "localhost", "/bucket/key", body=pieces)
    return SlicedBody(request, StallTimer("PutObject", StallMonitor(), connect=1, send=1, response=1), set())


async def test_a_connection_that_closes_meanwhile_leaves_the_word_to_the_answer():
    body, line = body_of(b"abc", b"def"), Line(is_closing=False)
    await body.write(line)  # type: ignore[arg-type]
    assert (line.written, body.is_gone) == ([b"abc"], False)


@pytest.mark.parametrize("pieces", [(), (b"abc",)])
async def test_a_connection_that_is_closed_already_is_an_error(pieces):
    """Also for a body without bytes, whose end would be written where nobody waits for it."""
    body, line = body_of(*pieces), Line(is_closing=True)
    with pytest.raises(ConnectionResetError):
        await body.write(line)  # type: ignore[arg-type]
    assert line.written == []


@pytest.mark.parametrize("unsent", [0, 1])
async def test_an_answer_can_be_quicker_than_the_news_that_the_body_has_left(unsent):
    """aiohttp then cancels the writing, and closes the connection, which can tell nothing any more."""
    body, line = body_of(b"abc"), Line(is_closing=False, unsent=1)
    line.is_lossy = False
    writing = asyncio.create_task(body.write(line))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert line.limit == 0
    assert not body.is_gone
    line.unsent = unsent
    assert body.is_gone is (unsent == 0)
    writing.cancel()
    await asyncio.wait({writing})
    assert line.limit is None
    line.get_write_buffer_size = lambda: None.gone  # type: ignore[attr-defined, method-assign]
    assert body.is_gone is (unsent == 0)


async def test_a_body_shows_neither_its_bytes_nor_itself_as_text():
    request = Request("PutObject", "PUT", "http", "localhost", "/b/k", body=[b"secret"])
    body = SlicedBody(request, StallTimer("PutObject", StallMonitor(), connect=1, send=1, response=1), set())
    assert "secret" not in repr(body)
    assert "6 bytes" in repr(body)
    with pytest.raises(TypeError, match="bytes"):
        body.decode()
