"""Interface of complete parts, in memory or on disk, for the code that sends them."""

from __future__ import annotations

from typing import ClassVar, Protocol

from aios3._protocol.parts.part_buffer import Part
from aios3._protocol.wire.messages import Body

from .budget import MemoryBudget
from .segment_pool import SegmentPool

__all__ = ["HeldPart", "PartInMemory"]


class HeldPart(Protocol):
    """A part that is ready to be sent."""

    @property
    def number(self) -> int:
        """Part number, from 1."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def is_on_disk(self) -> bool:
        """The part is in a file: `open` waits for memory and reads the file."""

    @property
    def body(self) -> Body:
        """The slices to send, between `open` and `close`."""

    async def open(self) -> None:
        """Bring the bytes into memory. Does nothing for a part in memory.

        Raises:
            OSError: the file cannot be read.
        """

    def close(self) -> None:
        """Give memory and file back, once. No request may use a slice any longer."""


class PartInMemory:
    """A part in granted memory."""

    is_on_disk: ClassVar = False

    def __init__(self, part: Part, memory: MemoryBudget, pool: SegmentPool) -> None:
        """Take over a part whose bytes count as in flight in `memory`."""
        self._part = part
        self._memory = memory
        self._pool = pool
        self.number = part.number
        """Part number, from 1."""
        self.size = part.size
        """Size in bytes."""
        self.body = part.body
        """The slices to send, until `close`."""

    async def open(self) -> None:
        """Do nothing: the bytes are in memory."""

    def close(self) -> None:
        """Give the memory back, once."""
        self._pool.give_back(self._part.give_up())
        self._memory.release(self._part.size)
