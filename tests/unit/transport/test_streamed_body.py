"""A body that is made while it is sent: exact on the wire, paced by the socket, and never whole by accident."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import SimpleNamespace

import aiohttp
import pytest

from aios3._transport.body import StreamedBody
from aios3._transport.stall_timeout import StallMonitor, StallTimer
from aios3.errors import TransportError, TransportTimeoutError
from tests.support.fakes import turns
from tests.support.wire import OK, Reluctant, answer

BOTH = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
LENGTHS = pytest.mark.parametrize("has_length", [False, True], ids=["chunked", "length"])
END = b"0\r\n\r\n"


class Feed:
    """Gives pieces that a test puts in, and knows which of them are in nobody's use any more."""

    def __init__(self, *pieces: bytes, length: int | None = None, ends: bool = False) -> None:
        self.length = length
        self._pieces = deque(pieces)
        self.ends = ends
        self.asked = 0
        """How often the next piece was asked for: all pieces before that are free."""
        self._changed = asyncio.Event()

    def put(self, *pieces: bytes, ends: bool = False) -> None:
        self._pieces.extend(pieces)
        self.ends = ends
        self._changed.set()

    def pieces(self) -> Feed:
        return self

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> bytes:
        self.asked += 1
        while not self._pieces:
            if self.ends:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._pieces.popleft()

    async def was_asked(self, count: int) -> None:
        while self.asked < count:
            await asyncio.sleep(0)


class Taking:
    """A peer that reads the head and everything after it, and answers when `until` has come."""

    def __init__(self, until: bytes = END, says: bytes = OK) -> None:
        self._until = until
        self._says = says
        self.at_end = asyncio.Event()

    async def __call__(self, peer):
        await peer.read_head()
        while not peer.is_at_end:
            if self._until and peer.body.endswith(self._until):
                peer.send(self._says)
                self._until = b""
            try:
                await peer.read_some(1 << 16)
            except OSError:
                break
        self.at_end.set()


def head_lines(head: bytes) -> list[bytes]:
    return head.lower().split(b"\r\n")


# on the wire


@BOTH
async def test_a_body_of_unknown_length_goes_out_in_chunks(transport, wire, request_to, secure):
    script = Taking()
    peer = await wire(script, secure=secure)
    pieces = [b"abc", b"x" * 70_000, b"\r\n0\r\n\r\n", b"z"]
    feed = Feed(*pieces, ends=True)
    response = await transport.send_stream(request_to(peer), feed)
    assert response.status == 200
    expected = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + END
    assert bytes(peer.peers[0].body) == expected
    lines = head_lines(peer.peers[0].heads[0])
    assert lines.count(b"transfer-encoding: chunked") == 1
    assert not [line for line in lines if line.startswith(b"content-length")]


@BOTH
async def test_a_body_of_known_length_goes_out_as_it_is(transport, wire, request_to, secure):
    script = Taking(until=b"ef")
    peer = await wire(script, secure=secure)
    assert (await transport.send_stream(request_to(peer), Feed(b"ab", b"cd", b"ef", length=6, ends=True))).status == 200
    assert bytes(peer.peers[0].body) == b"abcdef"
    lines = head_lines(peer.peers[0].heads[0])
    assert lines.count(b"content-length: 6") == 1
    assert not [line for line in lines if line.startswith(b"transfer-encoding")]


@BOTH
async def test_a_piece_goes_out_although_no_other_follows(transport, wire, request_to, secure):
    peer = await wire(Taking(), secure=secure)
    feed = Feed(b"a")
    sending = asyncio.create_task(transport.send_stream(request_to(peer), feed))
    for count, piece in enumerate((b"b", b"c"), 1):
        await feed.was_asked(count + 1)
        while len(peer.peers[0].body) < count * 6:
            await asyncio.sleep(0)
        feed.put(piece)
    feed.put(ends=True)
    await sending
    assert bytes(peer.peers[0].body) == b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n" + END


@BOTH
async def test_the_connection_is_used_again(transport, wire, request_to, secure):
    async def script(peer):
        for end in (END, b"ab", END):
            await peer.read_head()
            peer.body.clear()
            while not peer.body.endswith(end):
                await peer.read_some(100)
            peer.send(OK)

    peer = await wire(script, secure=secure)
    await transport.send_stream(request_to(peer), Feed(b"ab", ends=True))
    await transport.send(request_to(peer, body=(b"ab",)))
    await transport.send_stream(request_to(peer), Feed(b"ab", ends=True))
    assert len(peer.peers) == 1


# pace


@BOTH
@LENGTHS
async def test_the_next_piece_is_asked_for_when_the_last_has_left(
    make_transport, narrow_session, wire, request_to, secure, has_length
):
    script = Reluctant()
    peer = await wire(script, secure=secure)
    size = 1 << 20
    feed = Feed(*[bytes(size)] * 40, length=40 * size if has_length else None)
    sending = asyncio.create_task(make_transport(narrow_session, send=30).send_stream(request_to(peer), feed))
    await script.head_came.wait()
    await turns(200)
    asked = feed.asked
    assert asked <= 2
    await turns(50)
    assert feed.asked == asked
    script.may_read.set()
    await feed.was_asked(41)
    sending.cancel()
    await asyncio.wait({sending})


@BOTH
@pytest.mark.parametrize("size", [1000, 50_000, 1 << 20])
async def test_nothing_waits_in_this_process_when_the_next_piece_is_asked_for(
    make_transport, narrow_session, wire, request_to, secure, size
):
    async def script(peer):
        await peer.read_head()
        while not peer.body.endswith(END):
            await peer.read_some(3000)
            await asyncio.sleep(0)
        peer.send(OK)

    waiting: list[int] = []

    class Watching(Feed):
        async def __anext__(self) -> bytes:
            (connection,) = narrow_session.connector._acquired
            waiting.append(connection.transport.get_write_buffer_size())
            return await super().__anext__()

    peer = await wire(script, secure=secure)
    feed = Watching(*[bytes(size)] * min(100, (1 << 21) // size), ends=True)
    await make_transport(narrow_session, send=30).send_stream(request_to(peer), feed)
    assert len(waiting) > 2
    assert max(waiting) <= 100  # TLS may have a record of its own to send


async def test_the_time_of_a_piece_counts_from_its_arrival(request_to):
    timer = SimpleNamespace(moves=0, enter=lambda *_: None)
    timer.moved = lambda: setattr(timer, "moves", timer.moves + 1)
    feed = Feed()
    body = StreamedBody(request_to(SimpleNamespace(scheme="http", host="h")), feed, timer, set())  # type: ignore[arg-type]
    writing = asyncio.create_task(body.write(Protocol(Transport())))  # type: ignore[arg-type]
    await turns()
    assert timer.moves == 0
    feed.put(b"a")
    await turns()
    assert timer.moves == 1
    writing.cancel()
    await asyncio.wait({writing})


async def test_a_slow_source_is_no_stall(make_transport, wire, request_to, loop_clock):
    peer = await wire(Taking())
    feed = Feed()
    sending = asyncio.create_task(make_transport(ssl_context=None, send=5, read=5).send_stream(request_to(peer), feed))
    for count in range(1, 4):
        await feed.was_asked(count)
        for _ in range(30):
            await loop_clock.advance(4)
        assert not sending.done()
        feed.put(b"a")
    feed.put(ends=True)
    assert (await sending).status == 200


async def test_a_socket_that_takes_nothing_is_a_stall(make_transport, wire, request_to, loop_clock):
    script = Reluctant()
    peer = await wire(script)
    feed = Feed()
    sending = asyncio.create_task(make_transport(ssl_context=None, send=5, read=5).send_stream(request_to(peer), feed))
    await feed.was_asked(1)
    for _ in range(10):
        await loop_clock.advance(4)
    feed.put(*[bytes(1 << 20)] * 64)
    await script.head_came.wait()
    while feed.asked < 2 or await _moves(feed):
        await asyncio.sleep(0)
    await loop_clock.advance(3)
    assert not sending.done()
    for _ in range(4):
        await loop_clock.advance(1.5)
    with pytest.raises(TransportTimeoutError, match="while sending the body"):
        await sending


async def _moves(feed: Feed) -> bool:
    before = feed.asked
    await turns(100)
    return feed.asked != before


async def test_the_answer_has_its_own_time(make_transport, wire, request_to, loop_clock):
    peer = await wire(Taking(says=b""))
    feed = Feed(b"a", ends=True)
    transport = make_transport(ssl_context=None, send=5, read=5)
    sending = asyncio.create_task(transport.send_stream(request_to(peer), feed, read_timeout=100))
    await feed.was_asked(2)
    while not peer.peers or not peer.peers[0].body.endswith(END):
        await asyncio.sleep(0)
    for _ in range(9):
        await loop_clock.advance(10)
    assert not sending.done()
    for _ in range(9):
        await loop_clock.advance(15)
    with pytest.raises(TransportTimeoutError, match="100 s while waiting for the response"):
        await sending


# cut off


@BOTH
@LENGTHS
@pytest.mark.parametrize("is_waiting", [True, False], ids=["waits for the source", "waits for the socket"])
async def test_a_cancelled_body_has_no_end(transport, wire, request_to, secure, has_length, is_waiting):
    script = Taking(until=b"") if is_waiting else Reluctant()
    peer = await wire(script, secure=secure)
    segments = [bytearray(b"A" * (1 << 18)) for _ in range(1 if is_waiting else 64)]
    feed = Feed(*segments, length=1 << 30 if has_length else None)
    sending = asyncio.create_task(transport.send_stream(request_to(peer), feed))
    await feed.was_asked(2)
    if not is_waiting:
        while await _moves(feed):
            pass
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    for segment in segments:
        segment[:] = b"Z" * len(segment)
    feed.put(ends=True)
    if not is_waiting:
        script.may_read.set()
    await script.at_end.wait()
    body = bytes(peer.peers[0].body)
    assert b"A" in body
    assert b"Z" not in body
    assert not body.endswith(END)


@BOTH
@LENGTHS
@pytest.mark.parametrize("status", [200, 403, 503])
async def test_an_early_answer_ends_the_body(transport, wire, request_to, secure, has_length, status):
    peer = await wire(Taking(until=b"ab\r\n" if not has_length else b"ab", says=answer(status)), secure=secure)
    feed = Feed(b"ab", length=100 if has_length else None)
    sending = transport.send_stream(request_to(peer), feed)
    if status == 200:
        with pytest.raises(TransportError, match="before the whole body was sent"):
            await sending
    else:
        assert (await sending).status == status
    feed.put(b"cd", ends=True)
    await turns()
    assert END not in bytes(peer.peers[0].body)


@BOTH
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_a_connection_that_is_lost_is_told_at_once(transport, wire, request_to, secure, way):
    async def script(peer):
        await peer.read_head()
        await peer.read_some(100)
        getattr(peer, way)()

    peer = await wire(script, secure=secure)
    feed = Feed(b"ab")
    with pytest.raises(TransportError):
        await transport.send_stream(request_to(peer), feed)
    feed.put(b"cd", ends=True)
    await turns()
    assert len(peer.peers) == 1


async def test_a_piece_that_was_lost_with_its_connection_has_not_left(make_transport, narrow_session, wire, request_to):
    async def script(peer):
        await peer.read_head()
        peer.close_unread()

    peer = await wire(script)
    feed = Feed(bytes(1 << 24), b"next")
    with pytest.raises(TransportError):
        await make_transport(narrow_session, send=5).send_stream(request_to(peer), feed)
    await turns()
    assert feed.asked == 1


@pytest.mark.parametrize("is_streamed", [True, False], ids=["streamed", "in slices"])
async def test_a_body_is_not_written_twice(make_transport, wire, request_to, is_streamed):
    """As aiohttp did before 3.14.4, and as a middleware of a caller's session may: a feed would lack its beginning."""

    async def repeat(request, handler):
        with contextlib.suppress(aiohttp.ClientError):
            return await handler(request)
        return await handler(request)

    async def script(peer):
        await peer.read_head()
        await peer.read_some(100)
        peer.close() if peer.number == 0 else peer.send(OK)

    peer = await wire(script)
    feed = Feed(b"ab")
    async with aiohttp.ClientSession(middlewares=(repeat,)) as session:
        transport = make_transport(session, send=5)
        request = request_to(peer, body=[] if is_streamed else [b"ab"])
        with pytest.raises(TransportError, match="Can not write request body") as raised:
            await (transport.send_stream(request, feed) if is_streamed else transport.send(request))
    assert raised.value.was_sent
    assert [one.number for one in peer.peers if one.heads] == [0]


async def test_nothing_has_left_on_a_connection_that_was_aborted(make_transport, narrow_session, wire, request_to):
    """As a session that is closed does; aiohttp then says that everything was written."""
    peer = await wire(Reluctant())
    feed = Feed(bytes(1 << 24), b"next", ends=True)
    sending = asyncio.create_task(make_transport(narrow_session, send=5).send_stream(request_to(peer), feed))
    while not (
        acquired := [found for found in narrow_session.connector._acquired if getattr(found, "writing_paused", False)]
    ):
        await asyncio.sleep(0)
    acquired[0].transport.abort()
    with pytest.raises(TransportError):
        await sending
    await turns()
    assert feed.asked == 1


class Protocol:
    """aiohttp's side of a connection that is lost at the first drain, or was before."""

    def __init__(self, transport: object) -> None:
        self.transport = transport

    async def write(self, piece: bytes) -> None:
        pass

    async def drain(self) -> None:
        self.transport = None

    @property
    def protocol(self) -> Protocol:
        return self


class Transport:
    get_extra_info = get_write_buffer_size = set_write_buffer_limits = lambda *_, **__: None


@pytest.mark.parametrize(("transport", "asked"), [(None, 0), (Transport(), 1)], ids=["before", "meanwhile"])
async def test_a_body_whose_connection_is_gone_does_not_end(request_to, transport, asked):
    """No more is asked of the feed, and `write` does not return, or aiohttp would write the end."""
    feed = Feed(b"a", ends=True)
    request = request_to(SimpleNamespace(scheme="http", host="h"))
    with StallTimer("op", StallMonitor(), connect=5, send=5, response=5) as timer:
        body = StreamedBody(request, feed, timer, set())
        body._moved = lambda: 0  # type: ignore[method-assign]
        writing = asyncio.create_task(body.write(Protocol(transport)))  # type: ignore[arg-type]
        await turns()
        assert not writing.done()
        assert (feed.asked, body.is_gone) == (asked, False)
        writing.cancel()
        await asyncio.wait({writing})


@pytest.mark.parametrize(("length", "words"), [(None, "unknown length"), (7, "7 bytes")])
async def test_a_body_shows_its_length_and_nothing_else(request_to, length, words):
    request = request_to(SimpleNamespace(scheme="http", host="h"))
    timer = StallTimer("op", StallMonitor(), connect=5, send=5, response=5)
    body = StreamedBody(request, Feed(b"secret", length=length), timer, set())
    assert repr(body) == f"<StreamedBody of {words}>"
    assert body.size == length
