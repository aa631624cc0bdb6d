"""Segments and the parts made of them: used again, bounded while idle, and given back to the system."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, Part
from aios3._upload.memory.budget import MemoryBudget, Reservation
from aios3._upload.memory.held_part import HeldPart, PartInMemory
from aios3._upload.memory.segment_pool import SegmentPool
from aios3.options import MIB


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_the_segment_used_last_is_used_again_first() -> None:
    """Its pages are in the cache."""
    pool = SegmentPool(4 * SEGMENT_SIZE)
    first, second = pool.take(), pool.take()
    assert len(first) == len(second) == SEGMENT_SIZE
    pool.give_back((first, second))
    assert pool.idle_bytes == 2 * SEGMENT_SIZE
    assert pool.take() is second
    assert pool.take() is first
    assert pool.idle_bytes == 0


@pytest.mark.parametrize(("keep", "idle"), [(0, 0), (SEGMENT_SIZE - 1, 0), (2 * SEGMENT_SIZE + 5, 2 * SEGMENT_SIZE)])
def test_idle_segments_are_bounded_and_can_be_cleared(keep: int, idle: int) -> None:
    pool = SegmentPool(keep)
    for _ in range(2):
        pool.give_back(tuple(bytearray(SEGMENT_SIZE) for _ in range(3)))
        assert pool.idle_bytes == idle
    pool.clear()
    assert pool.idle_bytes == 0


def test_segments_not_needed_between_two_trims_are_dropped() -> None:
    pool = SegmentPool(8 * SEGMENT_SIZE)
    pool.give_back([pool.take() for _ in range(6)])
    pool.trim()
    assert pool.idle_bytes == 6 * SEGMENT_SIZE
    pool.give_back([pool.take() for _ in range(2)])
    pool.trim()
    assert pool.idle_bytes == 2 * SEGMENT_SIZE
    pool.trim()
    assert pool.idle_bytes == 0
    pool.trim()


def test_segments_that_come_back_after_a_clear_are_kept_by_the_next_trim() -> None:
    pool = SegmentPool(8 * SEGMENT_SIZE)
    pool.give_back([pool.take() for _ in range(3)])
    pool.trim()
    pool.clear()
    pool.give_back([pool.take()])
    pool.trim()
    assert pool.idle_bytes == SEGMENT_SIZE


def test_nothing_else_refers_to_a_segment() -> None:
    segment = SegmentPool(0).take()
    assert isinstance(segment, memoryview)
    gone = weakref.ref(segment.obj)
    del segment
    assert gone() is None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux shows the resident memory there")
def test_the_memory_of_cleared_segments_goes_back_to_the_system() -> None:
    """Although small objects that live on were made between the segments, which holds the heap together."""
    pool, small = SegmentPool(64 * MIB), []
    before = resident_bytes()
    segments = []
    for number in range(400):
        segment = pool.take()
        segment[:] = bytes(SEGMENT_SIZE)
        segments.append(segment)
        small.append(bytes([number % 256]) * 700)
    assert resident_bytes() > before + 90 * MIB
    del segment
    pool.give_back(segments)
    segments.clear()
    pool.clear()
    gc.collect()
    assert resident_bytes() < before + 10 * MIB


async def test_a_closed_part_gives_back_its_bytes_and_its_segments() -> None:
    """No request keeps a slice."""
    memory, pool, reservation = MemoryBudget(2 * SEGMENT_SIZE), SegmentPool(2 * SEGMENT_SIZE), Reservation()
    assert memory.acquire_nowait(reservation, 5, 5)
    memory.detach(reservation)
    part: HeldPart = PartInMemory(Part(7, 5, (bytearray(SEGMENT_SIZE),)), memory, pool)
    await part.open()
    body = part.body
    assert (part.number, part.size, part.is_on_disk, [len(piece) for piece in body]) == (7, 5, False, [5])
    part.close()
    assert (memory.used, pool.idle_bytes, list(body)) == (0, SEGMENT_SIZE, [])
