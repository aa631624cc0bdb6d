"""An attempt that stands still is ended; one that moves is not, however slowly."""

from __future__ import annotations

import asyncio
import math
import re
import socket

import aiohttp
import pytest

from aios3._transport.stall_timeout import StallMonitor, StallTimer
from aios3.errors import TransportTimeoutError
from tests.support.fakes import turns
from tests.support.wire import OK, answer

PIECE = bytes(256 * 1024)
LARGE = [PIECE] * 64
"""More than the socket buffers of both sides hold."""


@pytest.fixture
async def timer():
    """A timer of 10 s for connecting, 20 s for sending, 30 s for the answer."""
    return StallTimer("UploadPart", StallMonitor(), connect=10, send=20, response=30)


async def stand_still(timer: StallTimer, *phases) -> None:
    with timer:
        for phase in phases:
            timer.enter(*phase)
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("phases", "limit", "words"),
    [
        ([], 10, "nothing moved for 10 s while connecting"),
        ([("sending the body", lambda: 7)], 20, "nothing moved for 20 s while sending the body"),
        ([("waiting for the response",)], 30, "nothing moved for 30 s while waiting for the response"),
        ([("sending the body", lambda: 7), ("waiting for the response",)], 30, "waiting for the response"),
    ],
)
async def test_each_phase_has_its_own_time(timer, loop_clock, phases, limit, words):
    """The error says which phase stood still, for how long, and in which operation."""
    task = asyncio.create_task(stand_still(timer, *phases))
    await turns()
    assert re.search(f"UploadPart: .*{words}", str(await stands_still(loop_clock, task, limit)))


async def test_an_answer_may_drip_for_ten_times_its_limit(timer, loop_clock):
    with timer:
        await loop_clock.advance(9)
        timer.enter("waiting for the response")
        for _ in range(15):
            await loop_clock.advance(19.9)
            timer.received()
        await loop_clock.advance(2)
        with pytest.raises(TransportTimeoutError, match="UploadPart: the response did not end within 300 s"):
            timer.received()


async def test_phases_that_may_last_for_ever(loop_clock):
    for send in (10, math.inf):
        with StallTimer("UploadPart", StallMonitor(), connect=math.inf, send=send, response=math.inf) as timer:
            await loop_clock.advance(1000)
            timer.enter("waiting for the response", lambda: 7)
            await loop_clock.advance(1000)


@pytest.mark.parametrize("error", [KeyError("k"), TimeoutError("the source's own"), asyncio.CancelledError()])
async def test_other_errors_pass(timer, error):
    with pytest.raises(type(error)) as caught, timer:
        raise error
    assert caught.value is error


async def test_a_cancellation_is_not_mistaken_for_its_timeout(timer, loop_clock):
    task = asyncio.create_task(stand_still(timer))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_cancellation_in_the_same_turn_goes_on(timer, loop_clock, is_first):
    task = asyncio.create_task(stand_still(timer))
    await turns()
    if is_first:
        task.cancel()
    timer.expire()
    if not is_first:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


def timers() -> int:
    """Return how many timers the loop has that will expire."""
    return sum(not handle.cancelled() for handle in asyncio.get_running_loop()._scheduled)


async def test_one_timer_looks_after_all_attempts(loop_clock):
    monitor, before = StallMonitor(), timers()
    tasks = []
    for limit in (30, 10, 20):
        tasks.append(
            asyncio.create_task(stand_still(StallTimer("UploadPart", monitor, connect=limit, send=40, response=40)))
        )
        await turns()
        await loop_clock.advance(3)
    assert timers() == before + 1
    for task, pause in ((tasks[1], 3.5), (tasks[2], 12), (tasks[0], 3)):  # due 4, 17 and 21 s from now
        await loop_clock.advance(pause)
        assert not task.done()
        await loop_clock.advance(1)
        with pytest.raises(TransportTimeoutError):
            await task
    assert timers() == before


async def test_a_closed_patrol_has_no_timer_once_nothing_is_on_its_way(timer, loop_clock):
    monitor, before = StallMonitor(), timers()
    task = asyncio.create_task(stand_still(StallTimer("UploadPart", monitor, connect=10, send=20, response=30)))
    await turns()
    monitor.close()
    await stands_still(loop_clock, task, 10)
    with StallTimer("UploadPart", monitor, connect=10, send=20, response=30):
        assert timers() == before + 1
    monitor.close()
    assert timers() == before


async def silent(peer):
    """Read the request and say nothing."""
    await peer.read_request()
    await peer.read_to_end()


async def stands_still(loop_clock, task: asyncio.Task, limit: float, settling: float = 0) -> TransportTimeoutError:
    """Let time pass second by second; return the error that must come at `limit` or not long after it.

    The kernel may move bytes for `settling` seconds of that clock. Each movement restarts the limit.
    """
    passed = 0
    while not task.done():
        await loop_clock.advance(1)
        if settling:
            await asyncio.sleep(0.001)
        passed += 1
        assert passed <= settling + limit * 1.3 + 1, "it is not given up"
    assert passed >= limit - 1
    with pytest.raises(TransportTimeoutError) as caught:
        await task
    return caught.value


async def test_a_store_that_does_not_answer(make_transport, wire, request_to, loop_clock):
    peer = await wire(silent)
    transport = make_transport(connect=10, send=20, read=30)
    for given, limit in ((None, 30), (300, 300)):
        task = asyncio.create_task(transport.send(request_to(peer, body=[b"abc"]), read_timeout=given))
        while len(peer.peers) <= (given is not None) or not peer.peers[-1].body:
            await asyncio.sleep(0)
        error = await stands_still(loop_clock, task, limit)
        assert f"{limit} s while waiting for the response" in str(error)


async def test_a_store_that_stops_reading(make_transport, wire, request_to, loop_clock):
    stopped = asyncio.Event()

    async def script(peer):
        await peer.read_head()
        await peer.read_body(100_000)
        stopped.set()
        await asyncio.Event().wait()

    peer = await wire(script)
    transport = make_transport(connect=10, send=20, read=30)
    task = asyncio.create_task(transport.send(request_to(peer, body=LARGE)))
    await stopped.wait()
    error = await stands_still(loop_clock, task, 20, settling=5000)
    assert "20 s while sending the body" in str(error)


async def test_a_store_that_reads_slowly(make_transport, wire, request_to, loop_clock):
    may_read = asyncio.Semaphore(0)

    async def script(peer):
        await peer.read_head()
        for _ in range(16):
            await may_read.acquire()
            await peer.read_body(512 * 1024)
        await peer.read_body(8 * 1024 * 1024)  # the end is in the kernel, where nobody sees it move
        peer.send(OK)
        await peer.read_to_end()

    peer = await wire(script)
    transport = make_transport(connect=10, send=20, read=30)
    task = asyncio.create_task(transport.send(request_to(peer, body=LARGE)))
    while not peer.peers:
        await asyncio.sleep(0)
    for count in range(1, 17):
        may_read.release()
        while len(peer.peers[0].body) < 512 * 1024 * count and not task.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)  # the kernel takes more of the body
        await loop_clock.advance(15)
    assert (await task).status == 200


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_slow_connection_with_small_socket_buffers(make_transport, wire, request_to, secure):
    """Real time, a slow reader, little buffered by the kernel: what waits inside TLS is seen to move as well."""

    async def script(peer):
        await peer.read_head()
        while len(peer.body) < 6 * len(PIECE):
            await peer.read_some(8 * 1024)
            await asyncio.sleep(0.008)
        peer.send(OK)
        await peer.read_to_end()

    def make_socket(address):
        sock = socket.socket(*address[:3])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        sock.setblocking(False)
        return sock

    peer = await wire(script, secure=secure)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make_socket)) as session:
        transport = make_transport(session, connect=5, send=1, read=5)
        assert (await transport.send(request_to(peer, body=[PIECE] * 6))).status == 200


async def test_white_space_keeps_an_answer_alive(make_transport, wire, request_to, loop_clock):
    more = asyncio.Semaphore(0)

    async def script(peer):
        await peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            await more.acquire()
            peer.send(b"1\r\n \r\n")
        peer.send(b"4\r\n<a/>\r\n0\r\n\r\n")
        await peer.read_to_end()

    peer = await wire(script)
    transport = make_transport(connect=10, send=20, read=30)
    task = asyncio.create_task(transport.send(request_to(peer, method="POST", body=[b"<b/>"])))
    while not peer.peers or not peer.peers[0].body:
        await asyncio.sleep(0)
    for _ in range(10):
        await loop_clock.advance(25)
        assert not task.done()
        more.release()
        await asyncio.sleep(0.02)  # the bytes go through the kernel
    assert (await task).body == b" " * 10 + b"<a/>"


async def test_an_answer_that_stalls(make_transport, wire, request_to, loop_clock):
    async def script(peer):
        await peer.read_request()
        peer.send(answer(200, b"abc")[:-1])
        await peer.read_to_end()

    peer = await wire(script)
    transport = make_transport(connect=10, send=20, read=30)
    task = asyncio.create_task(transport.send(request_to(peer, body=[b"x"])))
    while not peer.peers or not peer.peers[0].body:
        await asyncio.sleep(0)
    error = await stands_still(loop_clock, task, 30, settling=5000)
    assert "waiting for the response" in str(error)
