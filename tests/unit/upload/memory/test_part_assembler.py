"""The part under way: it holds what it was granted, and gives all of it back."""

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
from tests.support.upload_scene import spilled_files

TWO_SEGMENTS = SEGMENT_SIZE + 100


class Scene:
    def __init__(self, *, part: int = 100, limit: int = 10 * SEGMENT_SIZE, max_parts: int = 5) -> None:
        self.memory = MemoryBudget(limit)
        self.pool = SegmentPool(limit)
        self.assembler = PartAssembler(PartPlan(part, part, max_parts), self.memory, self.pool)


async def test_it_takes_nothing_before_it_grows() -> None:
    """An upload that was opened and never written to holds no memory."""
    scene = Scene()
    assert (scene.memory.used, scene.assembler.room, scene.assembler.is_empty) == (0, 0, True)
    assert (scene.assembler.is_full, scene.assembler.is_at_limit, scene.assembler.parts_taken) == (False, False, 0)


async def test_memory_is_granted_segment_by_segment() -> None:
    """A slow source holds one segment more than it gave, not a part."""
    scene = Scene(part=TWO_SEGMENTS)
    await scene.assembler.grow()
    assert (scene.memory.used, scene.assembler.room) == (SEGMENT_SIZE, SEGMENT_SIZE)
    await scene.assembler.grow()
    assert scene.memory.used == SEGMENT_SIZE
    assert scene.assembler.fill(memoryview(bytes(2 * SEGMENT_SIZE))) == SEGMENT_SIZE
    assert not scene.assembler.is_full
    await scene.assembler.grow()
    assert (scene.memory.used, scene.assembler.room) == (TWO_SEGMENTS, 100)


async def test_more_memory_is_opened_where_nobody_waits() -> None:
    """Several segments at once, no more than was asked for; what stays empty goes back."""
    scene = Scene(part=3 * SEGMENT_SIZE + 100)
    await scene.assembler.grow()
    assert [len(piece) for piece in scene.assembler.open_memory(SEGMENT_SIZE + 1)] == [SEGMENT_SIZE, 1]
    assert scene.memory.used == 2 * SEGMENT_SIZE
    assert sum(map(len, scene.assembler.open_memory(9 * SEGMENT_SIZE))) == 3 * SEGMENT_SIZE + 100
    assert scene.memory.used == 3 * SEGMENT_SIZE + 100
    scene.assembler.advance(SEGMENT_SIZE + 5)
    assert (scene.memory.used, scene.pool.idle_bytes) == (2 * SEGMENT_SIZE, 2 * SEGMENT_SIZE)
    assert scene.assembler.room == SEGMENT_SIZE - 5
    scene.assembler.close()
    assert (scene.memory.used, scene.pool.idle_bytes) == (0, 4 * SEGMENT_SIZE)


async def test_opening_memory_never_waits() -> None:
    """What is free is enough; and where somebody waits, what there is."""
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


async def test_a_full_part_is_taken_and_given_back() -> None:
    """It stays in memory until it was sent; its segments are used again."""
    scene = Scene()
    await scene.assembler.grow()
    scene.assembler.fill(memoryview(b"a" * 100))
    assert scene.assembler.is_full
    part = scene.assembler.take()
    assert (part.number, part.size, scene.memory.used) == (1, 100, 100)
    assert (scene.assembler.parts_taken, scene.assembler.is_full) == (1, False)
    part.close()
    assert (scene.memory.used, scene.pool.idle_bytes) == (0, SEGMENT_SIZE)


async def test_numbers_may_go_on_from_those_that_were_sent_before() -> None:
    """By an earlier run of the same upload: its parts count as handed over, and against the store's limit."""
    scene = Scene()
    assembler = PartAssembler(PartPlan(100, 100, 5), scene.memory, scene.pool, first_number=5)
    assert (assembler.parts_taken, assembler.is_at_limit) == (4, False)
    await assembler.grow()
    assembler.fill(memoryview(b"abc"))
    assert assembler.take().number == 5
    assert (assembler.parts_taken, assembler.is_at_limit) == (5, True)


async def test_what_the_last_part_does_not_need_comes_back_at_once() -> None:
    """Only its bytes are in flight."""
    scene = Scene()
    await scene.assembler.grow()
    scene.assembler.fill(memoryview(b"abc"))
    part = scene.assembler.take()
    assert (part.size, scene.memory.used) == (3, 3)


async def test_the_stores_limit_shows() -> None:
    """Before another part is begun."""
    scene = Scene(part=1, max_parts=1)
    await scene.assembler.grow()
    scene.assembler.fill(memoryview(b"a"))
    scene.assembler.take().close()
    assert scene.assembler.is_at_limit
    with pytest.raises(PartLimitError):
        await scene.assembler.grow()


async def waiting(scene: Scene) -> tuple[Reservation, asyncio.Task[None]]:
    """Use up all memory, and let the assembler wait for some."""
    holder = Reservation()
    await scene.memory.acquire(holder, scene.memory.limit, scene.memory.limit)
    growing = asyncio.create_task(scene.assembler.grow())
    await turns(3)
    assert not growing.done()
    return holder, growing


async def test_a_cancelled_wait_holds_nothing() -> None:
    """Before the grant."""
    scene = Scene()
    holder, growing = await waiting(scene)
    growing.cancel()
    await asyncio.wait({growing})
    scene.assembler.close()
    scene.memory.release(scene.memory.detach(holder))
    assert scene.memory.used == 0


@pytest.mark.parametrize("is_granted", [False, True])
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_closing_leaves_nothing_to_who_waits(is_granted: bool, is_cancelled: bool) -> None:
    """Not even if the grant came in the same turn, or a cancellation did."""
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


async def test_a_closed_one_does_not_grow() -> None:
    """Whoever still writes is told."""
    scene = Scene()
    await scene.assembler.grow()
    scene.assembler.close()
    assert scene.memory.used == 0
    with pytest.raises(ConfigurationError, match=r"^the upload has ended; write inside its block$"):
        await scene.assembler.grow()
    assert scene.memory.used == 0


class DiskScene(Scene):
    """The same with a disk, and all memory held by a slow source."""

    def __init__(self, directory: Path, **options: int) -> None:
        super().__init__(**options)
        part = options.get("part", 100)
        self.memory.reserve = part
        self.spill = Spill(str(directory), limit=10 * part, memory=self.memory, pool=self.pool)
        plan = PartPlan(part, part, options.get("max_parts", 5))
        self.assembler = PartAssembler(plan, self.memory, self.pool, spill=self.spill)
        self.holder = Reservation()
        assert self.memory.acquire_nowait(self.holder, self.memory.limit - part - 1, self.memory.limit - part)


async def test_a_part_on_the_disk_looks_like_one_in_memory(tmp_path: Path) -> None:
    """But that it has no room to copy into."""
    scene = DiskScene(tmp_path, max_parts=1)
    assembler = scene.assembler
    assert assembler.room_on_disk == 0
    await assembler.grow()
    assert (assembler.room, assembler.room_on_disk, assembler.is_empty, assembler.is_full) == (0, 100, True, False)
    assert (assembler.parts_taken, assembler.is_at_limit, scene.spill.used) == (0, False, 100)
    assert assembler.fill(memoryview(b"abc")) == 0
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


async def test_what_the_last_part_does_not_need_of_the_disk_comes_back_at_once(tmp_path: Path) -> None:
    """Only its bytes stay."""
    scene = DiskScene(tmp_path)
    await scene.assembler.grow()
    await scene.assembler.spill(memoryview(b"abc"))
    part = scene.assembler.take()
    assert (part.size, scene.spill.used, scene.spill.under_way) == (3, 3, 0)
    part.close()
    await scene.assembler.settle()
    assert scene.spill.used == 0


async def test_closing_gives_the_disk_back_and_tells_who_writes(tmp_path: Path) -> None:
    """What it wrote is not counted."""
    scene = DiskScene(tmp_path)
    await scene.assembler.grow()
    writing = asyncio.create_task(scene.assembler.spill(memoryview(b"abc")))
    await asyncio.sleep(0)
    scene.assembler.close()
    await scene.assembler.settle()
    await asyncio.wait({writing})
    assert isinstance(writing.exception(), ConfigurationError)
    assert (scene.spill.used, scene.spill.under_way, spilled_files(str(tmp_path))) == (0, 0, 0)


async def test_who_is_shown_out_of_an_upload_that_has_ended_is_told(tmp_path: Path) -> None:
    """It takes nothing of the disk."""
    scene = DiskScene(tmp_path)
    scene.spill.used = scene.spill.limit
    growing = asyncio.create_task(scene.assembler.grow())
    await turns(3)
    scene.spill.give_back(scene.spill.limit)
    scene.assembler.close()
    await asyncio.wait({growing})
    assert isinstance(growing.exception(), ConfigurationError)
    assert scene.spill.used == 0
