"""The part under way: memory granted, bytes copied in, handed over when it is full."""

from __future__ import annotations

from aios3._protocol.cutter import Part, PartCutter
from aios3._protocol.part_plan import PartPlan
from aios3.errors import ConfigurationError

from .memory import Lease, MemoryBudget, SegmentPool

__all__ = ["PartFiller"]


class PartFiller:
    """Fills the parts of one upload with memory that the driver's budget has granted."""

    def __init__(self, plan: PartPlan, memory: MemoryBudget, pool: SegmentPool, *, first_number: int = 1) -> None:
        """Prepare; nothing is taken before `grow`."""
        self._cutter = PartCutter(plan, first_number)
        self.fill = self._cutter.fill
        """Copies from the front of a view as much as there is room for; returns how many bytes that were."""
        self._memory = memory
        self._pool = pool
        self._lease = Lease()
        self._is_closed = False

    @property
    def parts_taken(self) -> int:
        """Parts handed over so far, and those before the first number."""
        return self._cutter.number - 1

    @property
    def is_full(self) -> bool:
        """The part is complete and must be taken before more comes."""
        return self._cutter.is_full

    @property
    def is_empty(self) -> bool:
        """No byte is in the part under way."""
        return self._cutter.filled == 0

    @property
    def room(self) -> int:
        """Bytes that `fill` would take now."""
        return self._cutter.room

    @property
    def is_at_limit(self) -> bool:
        """No further part can begin."""
        return self._cutter.is_at_limit

    async def grow(self) -> None:
        """Wait until there is room for at least one byte; not to be called when the part is full.

        Raises:
            PartLimitError: a part would have to begin that the store does not take.
            ConfigurationError: the upload has ended meanwhile.
        """
        self._require_open()
        if not self._cutter.is_open:
            self._cutter.begin()
        if wants := self._cutter.wants:
            missing = self._cutter.missing
            if not self._memory.acquire_at_once(self._lease, wants, missing):
                await self._memory.acquire(self._lease, wants, missing)
                self._require_open()
            self._cutter.lend(self._pool.take())

    def _require_open(self) -> None:
        if self._is_closed:
            raise ConfigurationError("the upload has ended; write inside its block")

    def take(self) -> Part:
        """Hand over the part under way as far as it is filled; its bytes come back by `give_back`."""
        part = self._cutter.take()
        self._memory.release(self._memory.detach(self._lease) - part.size)
        return part

    def close(self) -> None:
        """Give everything back and take no more; who waits for room is told."""
        self._is_closed = True
        self.give_back(self.take())

    def give_back(self, part: Part) -> None:
        """Take the memory of a part back; nobody may hold a view of it any more."""
        self._pool.give_back(part.segments)
        self._memory.release(part.size)
