"""Pool of memory segments for parts: keeps segments in use for reuse, and gives idle memory back to the system.

Each segment is a separate memory mapping. Memory from the heap would stay with the process after many uploads, because
small objects lie between the segments.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE, Segment

__all__ = ["SegmentPool"]


def _new_segment() -> memoryview:
    """Return fresh memory. It goes back to the system as soon as nothing refers to it."""
    if sys.platform == "win32":  # pragma: no cover - decided by the platform
        return memoryview(mmap.mmap(-1, SEGMENT_SIZE))
    return memoryview(mmap.mmap(-1, SEGMENT_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class SegmentPool:
    """Segments for reuse: fresh memory costs page faults, used memory does not.

    Keeps at most `keep` idle bytes.
    """

    def __init__(self, keep: int) -> None:
        self._free: list[Segment] = []
        self._most = keep // SEGMENT_SIZE
        self._unused = 0
        """Number of segments at the front that were idle since the last `trim`."""

    @property
    def idle_bytes(self) -> int:
        return len(self._free) * SEGMENT_SIZE

    def take(self) -> Segment:
        """Return a segment with any content."""
        free = self._free
        if not free:
            return _new_segment()
        segment = free.pop()
        self._unused = min(self._unused, len(free))
        return segment

    def give_back(self, segments: Sequence[Segment]) -> None:
        """Take segments back. No view of them may be in use any longer."""
        self._free.extend(segments[: max(0, self._most - len(self._free))])

    def trim(self) -> None:
        """Release the memory that was idle since the last call."""
        del self._free[: self._unused]
        self._unused = len(self._free)

    def clear(self) -> None:
        """Release the memory of all idle segments."""
        self._free.clear()
        self._unused = 0
