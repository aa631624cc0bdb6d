"""Head of an object that stays in memory until the upload ends, so that a writer may come back to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from aios3._protocol.parts.part_plan import SEGMENT_SIZE

from .budget import MemoryBudget, Reservation

__all__ = ["HeadPart", "SeekableHead"]


class HeadPart:
    """A part of the head, whose memory the head gives back."""

    is_on_disk: ClassVar = False

    def __init__(self, number: int, content: memoryview) -> None:
        """Take the part's bytes, which must not change any longer."""
        self.number = number
        """Part number, from 1."""
        self.size = len(content)
        """Size in bytes."""
        self.body = [content[start : start + SEGMENT_SIZE] for start in range(0, len(content), SEGMENT_SIZE)]
        """The slices to send, until `close`."""

    async def open(self) -> None:
        """Do nothing: the bytes are in memory."""

    def close(self) -> None:
        """Drop the slices. No request may use one any longer."""
        self.body.clear()


class SeekableHead:
    """First bytes of an object, in granted memory, which may be overwritten."""

    def __init__(self, parts: int, part_size: int, memory: MemoryBudget) -> None:
        """Prepare a head of `parts` parts of `part_size` bytes; `open` takes the memory."""
        self.capacity = parts * part_size
        """Bytes of the head."""
        self.filled = 0
        """Bytes written, without a gap from the beginning."""
        self._part_size = part_size
        self._memory = memory
        self._reservation: Reservation | None = None
        self._content = bytearray()

    async def open(self) -> None:
        """Wait for the memory.

        Raises:
            ConfigurationError: the heads of other uploads leave too little.
        """
        self._reservation = await self._memory.keep(self.capacity)
        self._content = bytearray(self.capacity)

    def write(self, position: int, data: memoryview) -> None:
        """Copy `data` to `position`, which is at most `filled`. It must fit."""
        end = position + len(data)
        memoryview(self._content)[position:end] = data
        self.filled = max(self.filled, end)

    def parts(self) -> Iterator[HeadPart]:
        """Yield the parts as far as they are filled. Nothing may be written afterwards."""
        content = memoryview(self._content)[: self.filled]
        for number, start in enumerate(range(0, self.filled, self._part_size), 1):
            yield HeadPart(number, content[start : start + self._part_size])

    def close(self) -> None:
        """Give the memory back. Every part must be closed. Closing twice is harmless."""
        self._content = bytearray()
        if self._reservation is not None:
            self._memory.stop_keeping(self._reservation)
            self._reservation = None
