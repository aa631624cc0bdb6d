"""The channel of a streamed body: bounded, rewound while it can be, and never with a false end."""

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


async def test_a_body_is_its_beginning_in_segments_then_the_pieces_in_order() -> None:
    """A piece is given back when the next one is asked for: until then the socket may read it."""
    scene = Scene(beginning=bytes(2 * SEGMENT_SIZE) + b"rest")
    taken: list[bytes] = []
    given_back: list[int] = []

    async def take() -> None:
        async for piece in scene.channel.pieces():
            taken.append(bytes(piece))
            given_back.append(len(scene.given_back))

    taking = asyncio.create_task(take())
    await scene.channel.give_up_beginning()
    for number in range(2, 9):
        await scene.channel.put(scene.part(number, b"%d" % number))
    scene.channel.end()
    await taking
    assert [len(piece) for piece in taken[:2]] == [SEGMENT_SIZE] * 2
    assert taken[2:] == [b"rest", *(b"%d" % number for number in range(2, 9))]
    assert given_back == [0, 0, 0, *range(1, 8)]
    assert scene.given_back == list(range(1, 9))
    assert scene.channel.bytes_passed == 2 * SEGMENT_SIZE + 11


async def test_the_beginning_is_kept_until_the_piece_after_it_is_asked_for() -> None:
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


async def test_a_body_can_be_rewound_only_while_its_beginning_is_kept() -> None:
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


async def test_a_third_piece_waits_and_stays_with_its_owner_if_it_is_cancelled() -> None:
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


async def test_a_channel_is_idle_if_no_piece_waits_or_goes_out() -> None:
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


async def test_a_body_in_chunks_is_whole_when_its_end_was_passed_on() -> None:
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
    scene = Scene(length=7)
    pieces = await scene.past_the_beginning()
    await scene.channel.put(scene.part(2, b"x"))
    await scene.asking
    await scene.channel.put(scene.part(3, b"x"))
    assert not scene.channel.may_be_whole
    await anext(pieces)
    assert scene.channel.may_be_whole


@pytest.mark.parametrize("when", ["beginning", "piece"])
async def test_a_writer_to_a_closed_channel_gets_an_error_and_all_memory_is_given_back_once(when: str) -> None:
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


async def test_a_closed_body_has_no_end() -> None:
    """A reader of it waits, so that nothing takes it for whole."""
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
