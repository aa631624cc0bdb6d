"""Segments: used again, at most so many idle, and given back to the system."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._upload.memory.segment_pool import SegmentPool
from aios3.options import MIB

LINUX = Path("/proc/self/statm").exists()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_segment_is_used_again() -> None:
    """The one that was used last, whose pages are in the cache."""
    pool = SegmentPool(4 * SEGMENT_SIZE)
    first, second = pool.take(), pool.take()
    assert len(first) == len(second) == SEGMENT_SIZE
    pool.give_back((first, second))
    assert pool.take() is second
    assert pool.take() is first


def test_what_was_not_needed_between_two_looks_goes() -> None:
    """What was needed in between stays."""
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


def test_clearing_forgets_what_was_idle_before() -> None:
    """What comes back later is not taken for it."""
    pool = SegmentPool(8 * SEGMENT_SIZE)
    pool.give_back([pool.take() for _ in range(3)])
    pool.trim()
    pool.clear()
    pool.give_back([pool.take()])
    pool.trim()
    assert pool.idle_bytes == SEGMENT_SIZE


def test_a_segment_that_is_let_go_is_gone() -> None:
    """Nothing else refers to it."""
    segment = SegmentPool(0).take()
    assert isinstance(segment, memoryview)
    gone = weakref.ref(segment.obj)
    del segment
    assert gone() is None


@pytest.mark.skipif(not LINUX, reason="the kernel tells it here only")
def test_the_memory_of_a_crowd_goes_back_to_the_system() -> None:
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
