"""Parts in memory: what closing them gives back."""

from __future__ import annotations

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, Part
from aios3._upload.memory.budget import MemoryBudget, Reservation
from aios3._upload.memory.held_part import HeldPart, PartInMemory
from aios3._upload.memory.segment_pool import SegmentPool


async def test_a_part_in_memory_is_open_and_gives_all_back_once_closed() -> None:
    """Its bytes count as in flight until then; no request keeps a slice."""
    memory, pool = MemoryBudget(2 * SEGMENT_SIZE), SegmentPool(2 * SEGMENT_SIZE)
    reservation = Reservation()
    assert memory.acquire_nowait(reservation, 5, 5)
    memory.detach(reservation)
    part: HeldPart = PartInMemory(Part(7, 5, (bytearray(SEGMENT_SIZE),)), memory, pool)
    await part.open()
    body = part.body
    assert (part.number, part.size, part.is_on_disk, [len(piece) for piece in body]) == (7, 5, False, [5])
    part.close()
    assert (memory.used, pool.idle_bytes, list(body)) == (0, SEGMENT_SIZE, [])
