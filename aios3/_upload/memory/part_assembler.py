"""Assembly of parts from chunks, in granted memory or on the disk."""

from __future__ import annotations

from aios3._client.observing.timeline import Timeline
from aios3._client.observing.upload_trace import NO_UPLOAD
from aios3._concurrency.threads import ThreadWork
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, PartBuffer
from aios3._protocol.parts.part_plan import PartPlan
from aios3.errors import ConfigurationError

from .budget import MemoryBudget, Reservation
from .held_part import HeldPart, PartInMemory
from .segment_pool import SegmentPool
from .spill import DiskOverflow, Spill, SpilledPart

__all__ = ["PartAssembler"]


class PartAssembler:
    """Fills the parts of one upload with memory that the driver's budget has granted, or on the disk."""

    def __init__(
        self,
        plan: PartPlan,
        memory: MemoryBudget,
        pool: SegmentPool,
        *,
        first_number: int = 1,
        spill: Spill | None = None,
        timeline: Timeline = NO_UPLOAD.timeline,
    ) -> None:
        """Prepare. `grow` takes the first memory. If `spill` is ``None``, nothing goes to the disk.

        `timeline` counts the waits for memory.
        """
        self.buffer = PartBuffer(plan, first_number)
        """The unfinished part in memory. It has no ``room`` before `grow`, nor while the part is on the disk."""
        self._memory = memory
        self._pool = pool
        self._reservation = Reservation()
        self._spill = spill
        self._timeline = timeline
        self._spilled: SpilledPart | None = None
        self._disk_work = ThreadWork()
        self._is_closed = False

    @property
    def parts_taken(self) -> int:
        """Number of parts handed over so far, plus the part numbers before the first."""
        return self.buffer.number - (1 if self._spilled is None else 2)

    @property
    def is_full(self) -> bool:
        """The part is complete, and must be taken before further bytes come."""
        return self.buffer.is_full if self._spilled is None else self._spilled.is_full

    @property
    def is_empty(self) -> bool:
        """The unfinished part has no bytes."""
        return (self.buffer.filled if self._spilled is None else self._spilled.size) == 0

    @property
    def room_on_disk(self) -> int:
        """Bytes to read from the source at once while the part is on the disk, else 0."""
        return 0 if self._spilled is None else min(SEGMENT_SIZE, self._spilled.missing)

    @property
    def holds_any(self) -> bool:
        """The unfinished part has memory, or room on the disk, that other uploads may need."""
        return self._spilled is not None or self._reservation.held > 0

    @property
    def is_at_limit(self) -> bool:
        """No further part can begin."""
        return self._spilled is None and self.buffer.is_at_limit

    async def grow(self) -> None:
        """Wait until there is room for at least one byte, in the `buffer` or on the disk (`spill`).

        The part must not be full.

        Raises:
            PartLimitError: the store takes no further part.
            ConfigurationError: the upload has ended meanwhile.
            OSError: the part had to go to the disk, and could not.
        """
        self._require_open()
        buffer = self.buffer
        if self._spilled is not None or buffer.room:
            return
        if not buffer.is_open:
            buffer.begin()
        if not self.grow_at_once() and await self._acquire(buffer.wants, buffer.missing):
            buffer.add_segment(self._pool.take())

    def grow_at_once(self) -> int:
        """Return the room that a further segment gives, if it is granted without a wait; else 0.

        The `buffer` must have no room. It is 0 as well before a part begins, when it is full, and on the disk.
        """
        buffer = self.buffer
        missing = buffer.missing
        wants = SEGMENT_SIZE if missing > SEGMENT_SIZE else missing
        if not missing or not self._memory.acquire_nowait(self._reservation, wants, missing):
            return 0
        buffer.add_segment(self._pool.take())
        return wants

    def open_memory(self, most: int) -> list[memoryview]:
        """Return memory for the next bytes, at most `most` of them. The `buffer` must have room.

        The memory is the room, plus all bytes that are granted without a wait. `advance` gives unused memory back.
        """
        buffer = self.buffer
        wanted = -(-(most - buffer.writable_ahead) // SEGMENT_SIZE)
        if wanted > 0 and not self._add_ahead(wanted):
            while buffer.writable_ahead < most and self._add_ahead(1):
                pass
        return buffer.writable_views(most)

    def _add_ahead(self, segments: int) -> bool:
        """Add so many segments, or the rest of the part; return whether they were granted without a wait."""
        missing = self.buffer.missing
        count = min(segments * SEGMENT_SIZE, missing)
        if not count or not self._memory.acquire_nowait(self._reservation, count, missing):
            return False
        self.buffer.add_segments_ahead([self._pool.take() for _ in range(0, count, SEGMENT_SIZE)], count)
        return True

    def advance(self, count: int) -> None:
        """Note that `count` bytes were written to the front of the memory that `open_memory` returned."""
        missing = self.buffer.missing
        self._pool.give_back(self.buffer.advance(count))
        self._memory.give_back(self._reservation, self.buffer.missing - missing)

    async def _acquire(self, wants: int, missing: int) -> bool:
        """Wait for memory and return True, or move the part to the disk and return False."""
        with self._timeline.during("memory"):
            return await self._acquire_or_move(wants, missing)

    async def _acquire_or_move(self, wants: int, missing: int) -> bool:
        size = self.buffer.filled + missing
        overflow = None if self._spill is None else DiskOverflow(self._spill, size)
        while not await self._memory.acquire(self._reservation, wants, missing, overflow):
            self._require_open()
            if self._spill is not None and self._spill.has_room(size) and await self._move_to_disk(self._spill, size):
                return False
        self._require_open()
        return True

    async def _move_to_disk(self, spill: Spill, size: int) -> bool:
        """Move the part; return whether the disk took it."""
        spilled = spill.begin(self.buffer.number, size, self._disk_work)
        is_prepared = False
        try:
            is_prepared = await spilled.prepare() and not self._is_closed
        finally:
            if not is_prepared:
                spilled.end()
                spilled.close()
        self._require_open()
        if is_prepared:
            part, self._spilled = self._take_from_memory(), spilled
            if part.size:
                await spilled.take_over(part.body, part.size, part.close)
                self._require_open()
        return is_prepared

    async def spill(self, data: memoryview) -> int:
        """Write bytes from the front of `data` to the part on the disk until it is full; return their number.

        Raises:
            ConfigurationError: the upload has ended meanwhile.
            OSError: the bytes cannot be written.
        """
        assert self._spilled is not None
        with self._timeline.during("memory"):
            count = await self._spilled.write(data)
        self._require_open()
        return count

    def _require_open(self) -> None:
        if self._is_closed:
            raise ConfigurationError("the upload has ended; write inside its block")

    def copy(self) -> bytes:
        """Return a copy of the unfinished part, which must be in memory."""
        return self.buffer.copy()

    def take(self) -> HeldPart:
        """Return the part as far as it is filled. The caller must close it."""
        if self._spilled is None:
            return self._take_from_memory()
        part, self._spilled = self._spilled, None
        part.end()
        return part

    def _take_from_memory(self) -> PartInMemory:
        part = self.buffer.take()
        self._memory.release(self._memory.detach(self._reservation) - part.size)
        return PartInMemory(part, self._memory, self._pool)

    def abandon(self) -> None:
        """Drop the unfinished part. Its memory is never reused, because a thread may still write to it."""
        self._memory.release(self._take_from_memory().size)

    def close(self) -> None:
        """Give everything back and refuse further bytes. A task that waits for room gets a `ConfigurationError`."""
        self._is_closed = True
        self.take().close()

    async def settle(self) -> None:
        """Wait until the files of closed parts are gone. A cancellation is raised after that."""
        await self._disk_work.settle()
