"""Buffer that regroups chunks of any size into parts, by copying them into lent segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .part_plan import SEGMENT_SIZE, PartPlan

__all__ = ["SEGMENT_SIZE", "Part", "PartBuffer", "Segment"]

Segment = memoryview
"""Memory of `SEGMENT_SIZE` bytes that can be written to."""

_NO_MEMORY: Final = memoryview(bytearray())


@dataclass(eq=False, slots=True)
class Part:
    """A finished part. Its bytes stay in its segments until `give_up` returns them."""

    number: int
    size: int
    """Bytes."""
    segments: tuple[Segment, ...]
    body: list[memoryview] = field(init=False, repr=False)
    """Slices to send. They are views, so the segments must not be reused before the request has ended. Requests refer
    to this list and do not copy it, so `give_up` empties it for all of them."""

    def __post_init__(self) -> None:
        self.body = _views(self.segments, 0, self.size)

    def give_up(self) -> tuple[Segment, ...]:
        """Return the segments, and drop every reference to them, also those of requests.

        An error keeps the frames that it passed, and the frames keep requests and this part. Without `give_up` the
        memory would stay in use for as long as the caller keeps the error.
        """
        segments, self.segments = self.segments, ()
        self.body.clear()
        return segments


class PartBuffer:
    """Fills one part after the other.

    The owner begins a part when it expects bytes, and lends a segment while the buffer
    `wants` one. It takes the part when the part `is_full` or the source has ended. Bytes
    are copied on arrival, so a producer may reuse its memory at once. A producer may
    also write directly to the `writable_views`.
    """

    def __init__(self, plan: PartPlan, first_number: int = 1) -> None:
        self._plan = plan
        self.number = first_number
        """Number of the current part, or of the next one while no part is open."""
        self.is_open = False
        self._clear()

    def _clear(self) -> None:
        self._segments: list[Segment] = []
        self._tail = _NO_MEMORY
        self._size = 0
        self._filled = 0
        self.missing = 0
        """Bytes of the current part for which no segment was lent yet."""
        self.room = 0
        """Bytes that fit before another segment must be lent."""

    @property
    def is_at_limit(self) -> bool:
        """Whether no further part can begin, because the store takes only ``max_parts``."""
        return not self.is_open and self.number > self._plan.max_parts

    @property
    def is_full(self) -> bool:
        return self.is_open and self._filled == self._size

    @property
    def filled(self) -> int:
        """Bytes in the current part."""
        return self._filled

    @property
    def wants(self) -> int:
        """Bytes that the next segment will be used for; 0 while there is room or the part is full."""
        return 0 if self.room else min(SEGMENT_SIZE, self.missing)

    @property
    def writable_ahead(self) -> int:
        """Bytes of the current part that have a lent segment and are not filled yet."""
        return self._size - self.missing - self._filled

    def begin(self) -> None:
        """Begin the next part.

        Raises:
            PartLimitError: the store takes no part of that number.
        """
        self._size = self.missing = self._plan.size_of(self.number)
        self.is_open = True

    def add_segment(self, segment: Segment) -> None:
        """Take over a segment of `SEGMENT_SIZE` bytes, of which `wants` bytes will be used."""
        missing = self.missing
        self.room = room = SEGMENT_SIZE if missing > SEGMENT_SIZE else missing
        self.missing = missing - room
        self._segments.append(segment)
        self._tail = segment

    def append(self, data: bytes | memoryview) -> bool:
        """Copy `data` if all of it fits the room and it does not complete the part; return whether it was copied."""
        count = len(data)
        before = self._filled
        if count > self.room or before + count == self._size:
            return False
        offset = before % SEGMENT_SIZE
        self._tail[offset : offset + count] = data
        self._filled = before + count
        self.room -= count
        return True

    def fill(self, data: memoryview) -> int:
        """Copy the front of `data` as far as there is room, and return the number of bytes copied."""
        count = min(len(data), self.room)
        offset = self._filled % SEGMENT_SIZE
        self._tail[offset : offset + count] = data[:count]
        self._filled += count
        self.room -= count
        return count

    def add_segments_ahead(self, segments: Sequence[Segment], count: int) -> None:
        """Take over further segments, of which `count` bytes will be used, for the bytes after the current `room`.

        Only the last one may be used in part.
        """
        self.missing -= count
        self._segments += segments

    def writable_views(self, most: int) -> list[memoryview]:
        """Return views of the lent memory for the next bytes of the part, in order, `most` bytes at most.

        The writer must call `advance` before any other method.
        """
        return _views(self._segments, self._filled, self._filled + min(self.writable_ahead, most))

    def advance(self, count: int) -> tuple[Segment, ...]:
        """Record `count` bytes written to `writable_views`; return the empty segments, which are no longer lent."""
        self._filled += count
        used = -(-self._filled // SEGMENT_SIZE)
        empty = tuple(self._segments[used:])
        del self._segments[used:]
        self.missing = max(self.missing, self._size - used * SEGMENT_SIZE)
        self.room = self.writable_ahead
        self._tail = self._segments[-1] if self.room else _NO_MEMORY
        return empty

    def copy(self) -> bytes:
        """Return a copy of the current part as far as it is filled."""
        return b"".join(_views(self._segments, 0, self._filled))

    def take(self) -> Part:
        """End the current part, and return it as far as it is filled. Does not begin the next part."""
        part = Part(self.number, self._filled, tuple(self._segments))
        self.number += 1
        self.is_open = False
        self._clear()
        return part


def _views(segments: Sequence[Segment], start: int, end: int) -> list[memoryview]:
    """Return views of the bytes of `segments` from offset `start` to `end`, in order."""
    if start == end:
        return []
    first, offset = divmod(start, SEGMENT_SIZE)
    last, rest = divmod(end, SEGMENT_SIZE)
    views = list(segments[first:last])
    if rest:
        views.append(segments[last][:rest])
    views[0] = views[0][offset:]
    return views
