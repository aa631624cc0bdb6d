"""Bodies of requests as sources."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from aios3.web._resumable.bodies import Body, ClientGoneError
from aios3.web._resumable.messages import Checksum, RefusedError


def receiving(*messages):
    left = list(messages)

    async def receive():
        if not left:
            await asyncio.get_running_loop().create_future()
        return left.pop(0)

    return receive


def part(data, *, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


GONE = {"type": "http.disconnect"}


async def read(body, *, most=None, stop=None):
    return [chunk async for chunk in body.read(most=most, stop=stop or asyncio.Event())]


@pytest.mark.parametrize(
    ("messages", "chunks", "is_whole"),
    [
        ((part(b"a"), part(b""), part(b"b", more=False)), [b"a", b"b"], True),
        (({"type": "http.request"},), [], True),
        ((part(b"a"), GONE), [b"a"], False),
    ],
)
async def test_a_body_ends_cleanly_also_when_its_client_vanishes(messages, chunks, is_whole):
    body = Body(receiving(*messages), None)
    assert await read(body) == chunks
    assert (body.is_whole, body.received) == (is_whole, sum(map(len, chunks)))


async def test_nothing_is_received_of_a_body_without_bytes():
    assert await read(Body(receiving(), 0)) == []


async def test_a_stop_ends_a_body_that_hangs():
    stop = asyncio.Event()
    body = Body(receiving(part(b"a")), 9)
    reading = asyncio.create_task(read(body, stop=stop))
    await asyncio.sleep(0)
    stop.set()
    assert await reading == [b"a"]
    assert not body.is_whole


async def test_a_timeout_of_the_server_is_no_stop():
    async def receive():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await read(Body(receive, 9))


async def test_too_many_bytes_are_refused_before_they_are_passed_on():
    chunks = Body(receiving(part(b"ab"), part(b"cd")), None).read(most=3, stop=asyncio.Event())
    assert await anext(chunks) == b"ab"
    with pytest.raises(RefusedError) as caught:
        await anext(chunks)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("messages", "is_stopped", "error"),
    [
        ((part(b"abc", more=False),), False, None),
        ((part(b"abd", more=False),), False, RefusedError),
        ((part(b"abc"), GONE), False, ClientGoneError),
        ((part(b"abc"),), True, RefusedError),
    ],
)
async def test_a_body_with_a_checksum_is_whole_and_right_or_an_error(messages, is_stopped, error):
    stop = asyncio.Event()
    if is_stopped:
        stop.set()
    chunks = Body(receiving(*messages), None).checked(
        Checksum("md5", hashlib.md5(b"abc").digest(), 460), most=None, stop=stop
    )
    if error is None:
        assert [chunk async for chunk in chunks] == [b"abc"]
    else:
        with pytest.raises(error):
            [chunk async for chunk in chunks]
