"""The unfinished part: it holds the bytes that it was granted, and gives all of them back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload.memory.budget import MemoryBudget, Reservation
from aios3._upload.memory.part_assembler import PartAssembler
from aios3._upload.memory.segment_pool import SegmentPool
from aios3._upload.memory.spill import Spill
from aios3.errors import ConfigurationError, PartLimitError
from tests.support.fakes import turns

TWO_SEGMENTS = SEGMENT_SIZE + 100


class Scene:
    def __init__(self, *, part: int = 100, limit: int = 10 * SEGMENT_SIZE, max_parts: int = 5) -> None:
        self.memory = MemoryBudget(limit)
        self.pool = SegmentPool(limit)
        self.assembler = PartAssembler(PartPlan(part, part, max_parts), self.memory, self.pool)


async def test_an_assembler_holds_no_memory_before_it_grows() -> None:
    scene = Scene()
    assert (scene.memory.used, scene.assembler.buffer.room, scene.assembler.is_empty) == (0, 0, True)
    assert (scene.assembler.is_full, scene.assembler.is_at_limit, scene.assembler.parts_taken) == (False, False, 0)


async def test_memory_is_granted_segment_by_segment() -> None:
    scene = Scene(part=TWO_SEGMENTS)
    await scene.assembler.grow()
    assert (scene.memory.used, scene.assembler.buffer.room) == (SEGMENT_SIZE, SEGMENT_SIZE)
    await scene.assembler.grow()
    assert scene.memory.used == SEGMENT_SIZE
    assert scene.assembler.buffer.fill(memoryview(bytes(2 * SEGMENT_SIZE))) == SEGMENT_SIZE
    assert not scene.assembler.is_full
    await scene.assembler.grow()
    assert (scene.memory.used, scene.assembler.buffer.room) == (TWO_SEGMENTS, 100)


async def test_growing_at_once_gives_room_until_the_part_is_full_and_none_before_it_begins() -> None:
    assembler = Scene(part=TWO_SEGMENTS).assembler
    assert assembler.grow_at_once() == 0
    await assembler.grow()
    assembler.buffer.fill(memoryview(bytes(SEGMENT_SIZE)))
    assert (assembler.grow_at_once(), assembler.buffer.room) == (100, 100)
    assembler.buffer.fill(memoryview(bytes(100)))
    assert (assembler.grow_at_once(), assembler.is_full) == (0, True)
    assembler.close()
    assert assembler.grow_at_once() == 0


async def test_growing_at_once_takes_nothing_that_needs_a_wait() -> None:
    scene = Scene(part=TWO_SEGMENTS, limit=TWO_SEGMENTS)
    await scene.assembler.grow()
    scene.assembler.buffer.fill(memoryview(bytes(SEGMENT_SIZE)))
    scene.memory.used += 1  # a part in flight
    assert (scene.assembler.grow_at_once(), scene.assembler.buffer.room) == (0, 0)
    assert scene.memory.used == SEGMENT_SIZE + 1


async def test_memory_for_a_read_is_granted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(part=8 * SEGMENT_SIZE)
    await scene.assembler.grow()
    granted: list[int] = []
    grant = scene.memory.acquire_nowait

    def acquire_nowait(reservation: Reservation, count: int, missing: int) -> bool:
        granted.append(count)
        return grant(reservation, count, missing)

    monkeypatch.setattr(scene.memory, "acquire_nowait", acquire_nowait)
    assert sum(map(len, scene.assembler.open_memory(5 * SEGMENT_SIZE + 1))) == 5 * SEGMENT_SIZE + 1
    assert granted == [5 * SEGMENT_SIZE]


async def test_free_memory_is_opened_in_several_segments_and_unused_bytes_are_given_back() -> None:
    scene = Scene(part=3 * SEGMENT_SIZE + 100)
    await scene.assembler.grow()
    assert [len(piece) for piece in scene.assembler.open_memory(SEGMENT_SIZE + 1)] == [SEGMENT_SIZE, 1]
    assert scene.memory.used == 2 * SEGMENT_SIZE
    assert sum(map(len, scene.assembler.open_memory(9 * SEGMENT_SIZE))) == 3 * SEGMENT_SIZE + 100
    assert scene.memory.used == 3 * SEGMENT_SIZE + 100
    scene.assembler.advance(SEGMENT_SIZE + 5)
    assert (scene.memory.used, scene.pool.idle_bytes) == (2 * SEGMENT_SIZE, 2 * SEGMENT_SIZE)
    assert scene.assembler.buffer.room == SEGMENT_SIZE - 5
    scene.assembler.close()
    assert (scene.memory.used, scene.pool.idle_bytes) == (0, 4 * SEGMENT_SIZE)


async def test_opening_memory_takes_only_what_is_granted_without_a_wait() -> None:
    scene = Scene(part=4 * SEGMENT_SIZE, limit=4 * SEGMENT_SIZE)
    other = Reservation()
    assert scene.memory.acquire_nowait(other, SEGMENT_SIZE, SEGMENT_SIZE)
    in_flight = scene.memory.detach(other)
    await scene.assembler.grow()
    assert [len(piece) for piece in scene.assembler.open_memory(9 * SEGMENT_SIZE)] == [SEGMENT_SIZE] * 3
    scene.assembler.advance(SEGMENT_SIZE)
    await scene.assembler.grow()
    waiting = asyncio.create_task(scene.memory.acquire(other, 3 * SEGMENT_SIZE, 3 * SEGMENT_SIZE))
    await turns(3)
    assert [len(piece) for piece in scene.assembler.open_memory(9 * SEGMENT_SIZE)] == [SEGMENT_SIZE]
    scene.assembler.close()
    scene.memory.release(in_flight)
    await waiting


@pytest.mark.parametrize("size", [100, 3])
async def test_a_taken_part_holds_its_bytes_until_it_is_closed(size: int) -> None:
    """And no others: what the last part does not need comes back at once."""
    scene = Scene()
    await scene.assembler.grow()
    scene.assembler.buffer.fill(memoryview(bytes(size)))
    assert scene.assembler.is_full is (size == 100)
    part = scene.assembler.take()
    assert (part.number, part.size, scene.memory.used) == (1, size, size)
    assert (scene.assembler.parts_taken, scene.assembler.is_full) == (1, False)
    part.close()
    assert (scene.memory.used, scene.pool.idle_bytes) == (0, SEGMENT_SIZE)


async def test_parts_of_an_earlier_run_count_against_the_limit_of_parts() -> None:
    """A further part is refused before it begins."""
    scene = Scene()
    assembler = PartAssembler(PartPlan(100, 100, 5), scene.memory, scene.pool, first_number=5)
    assert (assembler.parts_taken, assembler.is_at_limit) == (4, False)
    await assembler.grow()
    assembler.buffer.fill(memoryview(b"abc"))
    assert assembler.take().number == 5
    assert (assembler.parts_taken, assembler.is_at_limit) == (5, True)
    with pytest.raises(PartLimitError):
        await assembler.grow()


async def waiting(scene: Scene) -> tuple[Reservation, asyncio.Task[None]]:
    """Return the holder of all memory, and an assembler that waits for some."""
    holder = Reservation()
    await scene.memory.acquire(holder, scene.memory.limit, scene.memory.limit)
    growing = asyncio.create_task(scene.assembler.grow())
    await turns(3)
    assert not growing.done()
    return holder, growing


@pytest.mark.parametrize("is_granted", [False, True])
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_wait_for_memory_ends_when_the_assembler_is_closed(is_granted: bool, is_cancelled: bool) -> None:
    """Also if the grant or a cancellation comes in the same turn."""
    scene = Scene()
    holder, growing = await waiting(scene)
    if is_granted:
        scene.memory.release(scene.memory.detach(holder))
    scene.assembler.close()
    if is_cancelled:
        growing.cancel()
    await asyncio.wait({growing})
    if not is_granted:
        scene.memory.release(scene.memory.detach(holder))
    if not is_cancelled:
        assert isinstance(growing.exception(), ConfigurationError)
    assert scene.memory.used == 0
    assert not scene.memory._filling


async def test_a_closed_assembler_does_not_grow() -> None:
    scene = Scene()
    await scene.assembler.grow()
    scene.assembler.close()
    assert scene.memory.used == 0
    with pytest.raises(ConfigurationError, match=r"^the upload has ended; write inside its block$"):
        await scene.assembler.grow()
    assert scene.memory.used == 0


class DiskScene(Scene):
    """Scene with a disk, in which a slow source holds all memory."""

    def __init__(self, directory: Path, **options: int) -> None:
        super().__init__(**options)
        part = options.get("part", 100)
        self.memory.reserve = part
        self.spill = Spill(str(directory), limit=10 * part, memory=self.memory, pool=self.pool)
        plan = PartPlan(part, part, options.get("max_parts", 5))
        self.assembler = PartAssembler(plan, self.memory, self.pool, spill=self.spill)
        self.holder = Reservation()
        assert self.memory.acquire_nowait(self.holder, self.memory.limit - part - 1, self.memory.limit - part)


async def test_a_part_on_the_disk_has_the_state_of_one_in_memory_but_no_room(tmp_path: Path) -> None:
    scene = DiskScene(tmp_path, max_parts=1)
    assembler = scene.assembler
    assert assembler.room_on_disk == 0
    await assembler.grow()
    assert (assembler.buffer.room, assembler.room_on_disk, assembler.is_empty, assembler.is_full) == (
        0,
        100,
        True,
        False,
    )
    assert (assembler.parts_taken, assembler.is_at_limit, scene.spill.used) == (0, False, 100)
    assert assembler.buffer.fill(memoryview(b"abc")) == 0
    assert await assembler.spill(memoryview(b"abc")) == 3
    await assembler.grow()
    assert (assembler.room_on_disk, assembler.is_empty, assembler.is_full) == (97, False, False)
    assert await assembler.spill(memoryview(bytes(200))) == 97
    assert (assembler.is_full, assembler.is_at_limit) == (True, False)
    part = assembler.take()
    assert (part.number, part.size, assembler.parts_taken, assembler.is_at_limit) == (1, 100, 1, True)
    part.close()
    await assembler.settle()
    assert scene.spill.used == 0


async def test_room_on_the_disk_that_the_last_part_does_not_need_is_given_back_at_once(tmp_path: Path) -> None:
    scene = DiskScene(tmp_path)
    await scene.assembler.grow()
    await scene.assembler.spill(memoryview(b"abc"))
    part = scene.assembler.take()
    assert (part.size, scene.spill.used, scene.spill.under_way) == (3, 3, 0)
    part.close()
    await scene.assembler.settle()
    assert scene.spill.used == 0


async def test_an_overflow_after_close_raises_and_takes_nothing_of_the_disk(tmp_path: Path) -> None:
    scene = DiskScene(tmp_path)
    scene.spill.used = scene.spill.limit
    growing = asyncio.create_task(scene.assembler.grow())
    await turns(3)
    scene.spill.give_back(scene.spill.limit)
    scene.assembler.close()
    await asyncio.wait({growing})
    assert isinstance(growing.exception(), ConfigurationError)
    assert scene.spill.used == 0
