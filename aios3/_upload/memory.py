"""The memory budget of a driver, and the segments that it is spent on.

Theory of operation. A part can only be sent when it is complete (S3 takes no
small parts but the last), so uploads that each hold a half-filled part could
use up the budget and then wait for each other for ever. As in the banker's
algorithm, bytes are therefore granted only if, afterwards, at least one filling
part could still be filled to its end from what is free once the parts in flight
have been acknowledged. That part is then sent, its bytes come back, and so on:
there is no deadlock at any limit that holds one part. A producer that stalls
holds only what was granted for the bytes it delivered, plus one segment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aios3._protocol.cutter import SEGMENT_SIZE

__all__ = ["Lease", "MemoryBudget", "SegmentPool"]


class SegmentPool:
    """Segments for reuse: fresh memory costs page faults, used memory does not.

    Keeps at most `keep` idle bytes.
    """

    def __init__(self, keep: int) -> None:
        self._free: list[bytearray] = []
        self._most = keep // SEGMENT_SIZE

    @property
    def idle_bytes(self) -> int:
        return len(self._free) * SEGMENT_SIZE

    def take(self) -> bytearray:
        """Return a segment with any content."""
        return self._free.pop() if self._free else bytearray(SEGMENT_SIZE)

    def give_back(self, segments: tuple[bytearray, ...]) -> None:
        """Take segments back; nobody may hold a view of them any more."""
        self._free.extend(segments[: max(0, self._most - len(self._free))])

    def clear(self) -> None:
        """Let the memory of all idle segments go."""
        self._free.clear()


@dataclass(eq=False, slots=True)
class Lease:
    """What one upload holds for the part that it is filling."""

    held: int = 0
    """Bytes granted."""
    missing: int = 0
    """Bytes that the part still needs to be complete."""


@dataclass(eq=False, slots=True)
class _Waiter:
    lease: Lease
    count: int
    granted: asyncio.Future[None]


@dataclass(eq=False)
class MemoryBudget:
    """Bounds the source bytes held by all uploads of a driver; first come, first served."""

    limit: int
    """Bytes."""
    used: int = 0
    """Bytes granted and not given back, in filling parts and in parts in flight."""
    _filling: set[Lease] = field(default_factory=set)
    _filling_held: int = 0
    _waiters: deque[_Waiter] = field(default_factory=deque)

    async def acquire(self, lease: Lease, count: int, missing: int) -> None:
        """Grant `count` more bytes to `lease`, waiting for them if needed.

        Args:
            lease: of the part being filled.
            count: bytes, at most `missing`.
            missing: bytes that the part needs to be complete, `count` included; with what `lease` holds at most
                `limit`.

        A cancellation leaves nothing granted.
        """
        lease.missing = missing
        if not self._waiters and self._is_safe(lease, count):
            self._grant(lease, count)
            return
        waiter = _Waiter(lease, count, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._serve()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    def detach(self, lease: Lease) -> int:
        """Turn what `lease` holds into bytes in flight, to be given back by `release`; return how many they are."""
        held = lease.held
        self._filling.discard(lease)
        self._filling_held -= held
        lease.held = lease.missing = 0
        self._serve()
        return held

    def release(self, count: int) -> None:
        """Give back `count` bytes that were in flight."""
        self.used -= count
        self._serve()

    def _forget(self, waiter: _Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.granted.done() and not waiter.granted.cancelled():
            self._filling_held -= waiter.count
            waiter.lease.held -= waiter.count
            waiter.lease.missing += waiter.count
            self.used -= waiter.count
        self._serve()

    def _serve(self) -> None:
        for waiter in list(self._waiters):
            if waiter.granted.done():
                continue
            if self._is_safe(waiter.lease, waiter.count):
                self._waiters.remove(waiter)
                self._grant(waiter.lease, waiter.count)
                waiter.granted.set_result(None)

    def _is_safe(self, lease: Lease, count: int) -> bool:
        if self.used + count > self.limit:
            return False
        free_in_the_end = self.limit - self._filling_held - count
        if lease.missing - count <= free_in_the_end:
            return True
        return any(other.missing <= free_in_the_end for other in self._filling if other is not lease)

    def _grant(self, lease: Lease, count: int) -> None:
        self.used += count
        self._filling_held += count
        self._filling.add(lease)
        lease.held += count
        lease.missing -= count
