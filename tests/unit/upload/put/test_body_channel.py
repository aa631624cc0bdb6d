"""The hand-over of a streamed body: bounded, rewound as long as it can be, and without an end but its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._upload.put.body_channel import BodyChannel
from aios3.errors import StorageError
from tests.support.fakes import FakePart, turns


class Scene:
    def __init__(self, *, length: int | None = None, beginning: bytes = b"begin") -> None:
        self.given_back: list[int] = []
        self.channel = BodyChannel(self.part(1, beginning), length=length)

    def part(self, number: int, content: bytes) -> FakePart:
        return FakePart(number, content, self.given_back.append)

    async def past_the_beginning(self) -> AsyncIterator[bytes | bytearray | memoryview]:
        """Take the beginning and give it up; return the pieces after it."""
        pieces = self.channel.pieces()
        assert bytes(await anext(pieces)) == b"begin"
        self.asking = asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
        await self.channel.give_up_beginning()
        return pieces


async def test_a_body_is_its_beginning_its_pieces_and_its_end() -> None:
    """In order, and all memory comes back."""
    scene = Scene()
    taken: list[bytes] = []

    async def take() -> None:
        taken.extend([bytes(piece) async for piece in scene.channel.pieces()])

    taking = asyncio.create_task(take())
    await scene.channel.give_up_beginning()
    for number in range(2, 9):
        await scene.channel.put(scene.part(number, b"%d" % number))
    scene.channel.end()
    await taking
    assert b"".join(taken) == b"begin2345678"
    assert scene.given_back == list(range(1, 9))
    assert scene.channel.bytes_passed == 12


async def test_the_beginning_is_given_in_segments() -> None:
    """Each as long as is used of it."""
    content = bytes(2 * SEGMENT_SIZE) + b"rest"
    pieces = Scene(beginning=content).channel.pieces()
    assert [len(await anext(pieces)) for _ in range(3)] == [SEGMENT_SIZE, SEGMENT_SIZE, 4]


async def test_the_beginning_is_kept_until_all_of_it_has_left() -> None:
    """Asking for more says so; taking its last segment does not."""
    scene = Scene()
    pieces = scene.channel.pieces()
    await anext(pieces)
    waiting = asyncio.create_task(scene.channel.give_up_beginning())
    await turns()
    assert not waiting.done()
    asking = asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
    await waiting
    assert scene.given_back == [1]
    asking.cancel()


async def test_only_the_beginning_can_be_sent_again() -> None:
    """And after a rewind it has to leave again."""
    scene = Scene()
    first = scene.channel.pieces()
    await anext(first)
    asking = asyncio.create_task(anext(first))  # type: ignore[arg-type]
    await turns()
    assert scene.channel.rewind()
    asking.cancel()
    waiting = asyncio.create_task(scene.channel.give_up_beginning())
    await turns()
    assert not waiting.done()
    await scene.past_the_beginning()
    await waiting
    assert not scene.channel.rewind()
    scene.asking.cancel()


async def test_few_pieces_wait_for_the_socket() -> None:
    """One that goes out and one that follows it; the third waits, and comes back to its owner if it is cancelled."""
    scene = Scene()
    await scene.past_the_beginning()
    for number in (2, 3):
        await asyncio.wait_for(scene.channel.put(scene.part(number, b"x")), 1)
    third = asyncio.create_task(scene.channel.put(scene.part(4, b"x")))
    await turns()
    assert scene.asking.done()
    assert not third.done()
    third.cancel()
    await asyncio.wait({third})
    assert scene.given_back == [1]


async def test_a_piece_comes_back_when_the_next_is_asked_for() -> None:
    """Not before: until then the socket may still read it."""
    scene = Scene()
    pieces = await scene.past_the_beginning()
    await scene.channel.put(scene.part(2, b"x"))
    assert bytes(await scene.asking) == b"x"
    assert scene.given_back == [1]
    third = asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
    await turns()
    assert scene.given_back == [1, 2]
    third.cancel()


async def test_idle_is_when_nothing_waits() -> None:
    """From when the beginning was given up; a piece that goes out is not nothing."""
    scene = Scene()
    assert not scene.channel.is_idle
    pieces = await scene.past_the_beginning()
    assert scene.channel.is_idle
    await scene.channel.put(scene.part(2, b"x"))
    assert not scene.channel.is_idle
    await scene.asking
    assert not scene.channel.is_idle
    asking = asyncio.create_task(anext(pieces))  # type: ignore[arg-type]
    await turns()
    assert scene.channel.is_idle
    asking.cancel()


async def test_a_body_in_chunks_is_whole_once_its_end_was_passed_on() -> None:
    """Not when it was only said, with pieces still to go."""
    scene = Scene()
    pieces = await scene.past_the_beginning()
    await scene.channel.put(scene.part(2, b"x"))
    scene.channel.end()
    await scene.asking
    assert not scene.channel.may_be_whole
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)
    assert scene.channel.may_be_whole


async def test_a_body_with_a_length_is_whole_with_its_last_byte() -> None:
    """The store waits for no other end."""
    scene = Scene(length=7)
    pieces = await scene.past_the_beginning()
    await scene.channel.put(scene.part(2, b"x"))
    await scene.asking
    await scene.channel.put(scene.part(3, b"x"))
    assert not scene.channel.may_be_whole
    await anext(pieces)
    assert scene.channel.may_be_whole


@pytest.mark.parametrize("when", ["beginning", "piece"])
async def test_who_waits_for_a_request_that_failed_is_told(when: str) -> None:
    """And who comes later as well; all memory is given back, once."""
    scene = Scene()
    if when == "beginning":
        waiting = asyncio.create_task(scene.channel.give_up_beginning())
        expected = [1]
    else:
        await scene.past_the_beginning()
        await scene.channel.put(scene.part(2, b"x"))
        await scene.asking
        await scene.channel.put(scene.part(3, b"x"))
        waiting = asyncio.create_task(scene.channel.put(scene.part(4, b"x")))
        expected = [1, 2, 3]
    await turns()
    scene.channel.close()
    scene.channel.close()
    with pytest.raises(StorageError, match="takes no further bytes"):
        await waiting
    with pytest.raises(StorageError, match="takes no further bytes"):
        await scene.channel.put(scene.part(5, b"x"))
    assert scene.given_back == expected


async def test_a_body_that_is_closed_has_no_end() -> None:
    """Whoever still reads it waits for ever, so that nothing can take it for whole."""
    scene = Scene()
    await scene.past_the_beginning()
    scene.channel.close()
    await turns()
    asking = asyncio.create_task(scene.channel.next_piece())
    await turns()
    assert not scene.asking.done()
    assert not asking.done()
    assert not scene.channel.may_be_whole
    scene.asking.cancel()
    asking.cancel()
