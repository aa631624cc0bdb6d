"""The part under way: memory granted, or room on the disk, bytes copied in, handed over when it is full."""

from __future__ import annotations

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
    ) -> None:
        """Prepare; nothing is taken before `grow`, and nothing goes to the disk if `spill` is ``None``."""
        self._buffer = PartBuffer(plan, first_number)
        self.fill = self._buffer.fill
        """Copies from the front of a view as much as there is room for; returns how many bytes that were."""
        self._memory = memory
        self._pool = pool
        self._reservation = Reservation()
        self._spill = spill
        self._spilled: SpilledPart | None = None
        self._disk_work = ThreadWork()
        self._is_closed = False

    @property
    def parts_taken(self) -> int:
        """Parts handed over so far, and those before the first number."""
        return self._buffer.number - (1 if self._spilled is None else 2)

    @property
    def is_full(self) -> bool:
        """The part is complete and must be taken before more comes."""
        return self._buffer.is_full if self._spilled is None else self._spilled.is_full

    @property
    def is_empty(self) -> bool:
        """No byte is in the part under way."""
        return (self._buffer.filled if self._spilled is None else self._spilled.size) == 0

    @property
    def room(self) -> int:
        """Bytes that `fill` would take now; 0 while the part is on the disk."""
        return self._buffer.room

    @property
    def room_on_disk(self) -> int:
        """Bytes that may be asked for at once while the part is on the disk, else 0."""
        return 0 if self._spilled is None else min(SEGMENT_SIZE, self._spilled.missing)

    @property
    def holds_any(self) -> bool:
        """The part under way has memory, or room on the disk, that others may need."""
        return self._spilled is not None or self._reservation.held > 0

    @property
    def is_at_limit(self) -> bool:
        """No further part can begin."""
        return self._spilled is None and self._buffer.is_at_limit

    async def grow(self) -> None:
        """Wait until there is room for at least one byte, in memory (`fill`) or on the disk (`spill`).

        Not to be called when the part is full.

        Raises:
            PartLimitError: a part would have to begin that the store does not take.
            ConfigurationError: the upload has ended meanwhile.
            OSError: the part had to go to the disk, and could not.
        """
        self._require_open()
        if self._spilled is not None:
            return
        if not self._buffer.is_open:
            self._buffer.begin()
        if wants := self._buffer.wants:
            missing = self._buffer.missing
            if self._memory.acquire_nowait(self._reservation, wants, missing) or await self._acquire(wants, missing):
                self._buffer.add_segment(self._pool.take())

    def open_memory(self, most: int) -> list[memoryview]:
        """Return memory to write the next bytes to, where there is `room`; at most so many bytes.

        That is the room, and beyond it whatever is granted without a wait. `advance` gives back what stays empty.
        """
        while most > self._buffer.writable_ahead and (missing := self._buffer.missing):
            if not self._memory.acquire_nowait(self._reservation, min(SEGMENT_SIZE, missing), missing):
                break
            self._buffer.add_segment_ahead(self._pool.take())
        return self._buffer.writable_views(most)

    def advance(self, count: int) -> None:
        """Note that so many bytes were written to the memory that was opened, from its front."""
        missing = self._buffer.missing
        self._pool.give_back(self._buffer.advance(count))
        self._memory.give_back(self._reservation, self._buffer.missing - missing)

    async def _acquire(self, wants: int, missing: int) -> bool:
        """Wait for memory and return True; or move the part to the disk."""
        size = self._buffer.filled + missing
        overflow = None if self._spill is None else DiskOverflow(self._spill, size)
        while not await self._memory.acquire(self._reservation, wants, missing, overflow):
            self._require_open()
            if self._spill is not None and self._spill.has_room(size) and await self._move_to_disk(self._spill, size):
                return False
        self._require_open()
        return True

    async def _move_to_disk(self, spill: Spill, size: int) -> bool:
        """Move the part; return whether the disk took it."""
        spilled = spill.begin(self._buffer.number, size, self._disk_work)
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
        """Take from the front of `data` what the part on the disk misses; return how many bytes that were.

        Raises:
            ConfigurationError: the upload has ended meanwhile.
            OSError: they cannot be written.
        """
        assert self._spilled is not None
        count = await self._spilled.write(data)
        self._require_open()
        return count

    def _require_open(self) -> None:
        if self._is_closed:
            raise ConfigurationError("the upload has ended; write inside its block")

    def take(self) -> HeldPart:
        """Return the part under way as far as it is filled; its taker closes it."""
        if self._spilled is None:
            return self._take_from_memory()
        part, self._spilled = self._spilled, None
        part.end()
        return part

    def _take_from_memory(self) -> PartInMemory:
        part = self._buffer.take()
        self._memory.release(self._memory.detach(self._reservation) - part.size)
        return PartInMemory(part, self._memory, self._pool)

    def abandon(self) -> None:
        """Drop the part under way. Its memory is never used again, because a thread may still write to it."""
        self._memory.release(self._take_from_memory().size)

    def close(self) -> None:
        """Give everything back and refuse further bytes. A task that waits for room gets a `ConfigurationError`."""
        self._is_closed = True
        self.take().close()

    async def settle(self) -> None:
        """Wait until the files of closed parts are gone; a cancellation is raised after that."""
        await self._disk_work.settle()
