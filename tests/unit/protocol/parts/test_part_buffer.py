"""Any chunks in, the same bytes out, cut into the planned parts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, Part, PartBuffer
from aios3._protocol.parts.part_plan import PartPlan
from aios3.errors import PartLimitError


def cut(chunks: list[bytes], plan: PartPlan) -> list[Part]:
    """Drive a buffer as an upload does."""
    buffer, parts = PartBuffer(plan), []
    for chunk in chunks:
        data = memoryview(chunk)
        while data:
            if buffer.is_full:
                parts.append(buffer.take())
            if not buffer.is_open:
                buffer.begin()
            if buffer.wants:
                buffer.add_segment(memoryview(bytearray(b"\xff" * SEGMENT_SIZE)))
            data = data[buffer.fill(data) :]
    if buffer.filled:
        parts.append(buffer.take())
    return parts


def body(part: Part) -> bytes:
    return b"".join(part.body)


@given(chunks=st.lists(st.binary(max_size=300), max_size=30), size=st.integers(1, 400))
def test_any_chunks_give_equal_parts_but_the_last(chunks: list[bytes], size: int) -> None:
    whole = b"".join(chunks)
    parts = cut(chunks, PartPlan(size, size, 10_000))
    assert b"".join(map(body, parts)) == whole
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.size == size for part in parts[:-1])
    assert all(part.size == len(body(part)) for part in parts)
    assert len(parts) == -(-len(whole) // size)


@given(
    lengths=st.lists(st.integers(0, 3 * SEGMENT_SIZE), max_size=6),
    size=st.sampled_from([SEGMENT_SIZE - 1, SEGMENT_SIZE, SEGMENT_SIZE + 1, 2 * SEGMENT_SIZE, 2 * SEGMENT_SIZE + 9]),
)
@settings(max_examples=40, deadline=None)
def test_parts_of_several_segments_keep_their_bytes(lengths: list[int], size: int) -> None:
    chunks = [bytes([index % 251]) * length for index, length in enumerate(lengths)]
    parts = cut(chunks, PartPlan(size, size, 10_000))
    assert b"".join(map(body, parts)) == b"".join(chunks)
    assert all(len(part.segments) == -(-part.size // SEGMENT_SIZE) for part in parts)
    assert all(len(piece) <= SEGMENT_SIZE for part in parts for piece in part.body)


def test_a_part_wants_one_segment_at_a_time() -> None:
    """And tells how much it will use of it, so that no more is granted than is used."""
    buffer = PartBuffer(PartPlan(SEGMENT_SIZE + 10, SEGMENT_SIZE + 10, 2))
    buffer.begin()
    assert (buffer.wants, buffer.missing, buffer.room) == (SEGMENT_SIZE, SEGMENT_SIZE + 10, 0)
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    assert (buffer.wants, buffer.missing, buffer.room) == (0, 10, SEGMENT_SIZE)
    assert buffer.fill(memoryview(bytes(SEGMENT_SIZE + 5))) == SEGMENT_SIZE
    assert (buffer.wants, buffer.missing, buffer.room, buffer.filled) == (10, 10, 0, SEGMENT_SIZE)
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    assert buffer.fill(memoryview(b"12345")) == 5
    assert not buffer.is_full
    assert buffer.fill(memoryview(b"1234567")) == 5
    assert (buffer.is_full, buffer.wants, buffer.missing) == (True, 0, 0)


@pytest.mark.parametrize(
    ("count", "is_copied"),
    [(SEGMENT_SIZE - 3, True), (SEGMENT_SIZE - 2, False), (0, True)],
    ids=["fits", "long", "empty"],
)
def test_data_is_appended_whole_or_not_at_all(count: int, is_copied: bool) -> None:
    buffer = PartBuffer(PartPlan(2 * SEGMENT_SIZE, 2 * SEGMENT_SIZE, 2))
    buffer.begin()
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    buffer.fill(memoryview(b"abc"))
    assert buffer.append(b"z" * count) is is_copied
    size = 3 + count if is_copied else 3
    assert (buffer.filled, buffer.room) == (size, SEGMENT_SIZE - size)
    assert body(buffer.take()) == b"abc" + b"z" * (size - 3)


def test_data_that_completes_a_part_or_has_no_room_is_not_appended() -> None:
    buffer = PartBuffer(PartPlan(10, 10, 2))
    assert not buffer.append(b"a")
    buffer.begin()
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    assert (buffer.append(b"123456789"), buffer.append(b"0"), buffer.filled) == (True, False, 9)


def test_a_part_beyond_the_stores_number_cannot_begin() -> None:
    buffer = PartBuffer(PartPlan(1, 1, 1))
    assert not buffer.is_at_limit
    buffer.begin()
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    buffer.fill(memoryview(b"a"))
    assert not buffer.is_at_limit
    buffer.take()
    assert buffer.is_at_limit
    with pytest.raises(PartLimitError):
        buffer.begin()


def filled_in_place(buffer: PartBuffer, data: bytes, most: int) -> tuple[int, tuple[memoryview, ...]]:
    """Write `data` to what is free, as a thread does that reads a file; return how much fitted, and what came back."""
    count = 0
    for piece in buffer.writable_views(most):
        bytes_ = data[count : count + len(piece)]
        piece[: len(bytes_)] = bytes_
        count += len(bytes_)
    return count, buffer.advance(count)


def test_free_memory_is_in_order_and_no_more_than_asked_for() -> None:
    buffer = PartBuffer(PartPlan(2 * SEGMENT_SIZE + 10, 2 * SEGMENT_SIZE + 10, 2))
    assert buffer.writable_views(100) == []
    buffer.begin()
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    buffer.fill(memoryview(b"abc"))
    buffer.add_segments_ahead([memoryview(bytearray(SEGMENT_SIZE))], min(SEGMENT_SIZE, buffer.missing))
    assert (buffer.writable_ahead, buffer.missing, buffer.room) == (2 * SEGMENT_SIZE - 3, 10, SEGMENT_SIZE - 3)
    assert [len(piece) for piece in buffer.writable_views(SEGMENT_SIZE)] == [SEGMENT_SIZE - 3, 3]
    assert [len(piece) for piece in buffer.writable_views(5)] == [5]
    buffer.add_segments_ahead([memoryview(bytearray(SEGMENT_SIZE))], min(SEGMENT_SIZE, buffer.missing))
    assert [len(piece) for piece in buffer.writable_views(9 * SEGMENT_SIZE)] == [SEGMENT_SIZE - 3, SEGMENT_SIZE, 10]
    assert filled_in_place(buffer, bytes(2 * SEGMENT_SIZE + 7), 9 * SEGMENT_SIZE) == (2 * SEGMENT_SIZE + 7, ())
    assert (buffer.is_full, buffer.room, buffer.wants, buffer.writable_views(1)) == (True, 0, 0, [])


@pytest.mark.parametrize(
    ("before", "count", "kept", "room"),
    [
        (0, 0, 0, 0),
        (3, 0, 1, SEGMENT_SIZE - 3),
        (3, 1, 1, SEGMENT_SIZE - 4),
        (3, SEGMENT_SIZE - 3, 1, 0),
        (3, SEGMENT_SIZE - 2, 2, SEGMENT_SIZE - 1),
        (0, 2 * SEGMENT_SIZE + 1, 3, 9),
    ],
)
def test_segments_that_stay_empty_are_lent_no_more(before: int, count: int, kept: int, room: int) -> None:
    size = 2 * SEGMENT_SIZE + 10
    buffer = PartBuffer(PartPlan(size, size, 2))
    buffer.begin()
    segments = [memoryview(bytearray(SEGMENT_SIZE)) for _ in range(3)]
    buffer.add_segment(segments[0])
    buffer.fill(memoryview(b"x" * before))
    for segment in segments[1:]:
        buffer.add_segments_ahead([segment], min(SEGMENT_SIZE, buffer.missing))
    written, empty = filled_in_place(buffer, b"y" * count, size)
    assert (written, [id(segment) for segment in empty]) == (count, [id(segment) for segment in segments[kept:]])
    assert (buffer.filled, buffer.room, buffer.writable_ahead) == (before + count, room, room)
    assert buffer.missing == size - min(size, kept * SEGMENT_SIZE)
    assert buffer.fill(memoryview(b"z" * size)) == room
    assert body(buffer.take()) == b"x" * before + b"y" * count + b"z" * room


def test_a_new_cutter_is_empty() -> None:
    buffer = PartBuffer(PartPlan(10, 10, 2))
    state = (buffer.is_open, buffer.is_full, buffer.is_at_limit, buffer.filled, buffer.room, buffer.missing)
    assert state == (False, False, False, 0, 0, 0)
    assert buffer.wants == 0
    assert buffer.number == 1


def test_nothing_is_copied_without_a_segment() -> None:
    buffer = PartBuffer(PartPlan(10, 10, 2))
    buffer.begin()
    assert buffer.fill(memoryview(b"abc")) == 0
    assert buffer.filled == 0


def test_a_part_may_be_taken_early() -> None:
    buffer = PartBuffer(PartPlan(10, 10, 2))
    buffer.begin()
    buffer.add_segment(memoryview(bytearray(SEGMENT_SIZE)))
    buffer.fill(memoryview(b"abc"))
    part = buffer.take()
    assert (part.number, part.size, body(part), len(part.segments)) == (1, 3, b"abc", 1)
    assert (buffer.is_open, buffer.number, buffer.filled, buffer.room) == (False, 2, 0, 0)


def test_an_empty_part_has_no_body() -> None:
    part = PartBuffer(PartPlan(10, 10, 2)).take()
    assert (part.size, part.segments, list(part.body)) == (0, (), [])
