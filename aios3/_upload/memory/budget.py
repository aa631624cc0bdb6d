"""Memory budget of a driver: a limit of the source bytes that its uploads hold.

Theory of operation. A part can only be sent when it is complete (S3 takes no small parts but the last). Uploads that
each hold a half-filled part could therefore use up the budget, and then wait for each other without end. The budget
prevents that with the banker's rule: it grants bytes only if, afterwards, all unfinished parts could still be filled,
one after the other. Each part may count on the bytes that are free once the parts in flight and the parts before it
have been acknowledged. So there is no deadlock at any limit that holds one part. A stalled source holds only the
bytes granted for what it delivered, plus one segment, or the memory that a file is being read into.

A part that can spill (`_upload/memory/spill.py`) waits for parts in flight only. As soon as it would wait for the
sources of other uploads, `acquire` sends it to the disk instead. A part that is read back is complete. It may take the
bytes that unfinished parts leave free (`reserve`), so its wait needs no source. A part that cannot spill may wait for
the sources of other uploads; `_upload/source/silence_watch.py` bounds that wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from aios3.errors import ConfigurationError

__all__ = ["MemoryBudget", "Overflow", "Reservation"]

_NEVER: Final = 1 << 62
"""Missing bytes of a reservation that no part can wait for."""


@dataclass(eq=False, slots=True)
class Reservation:
    """Bytes that one upload holds for its unfinished part."""

    held: int = 0
    """Bytes granted."""
    task: asyncio.Task[object] | None = None
    """The task that asked last."""
    missing: int = 0
    """Bytes that the part still needs to be complete."""
    is_whole: bool = False
    """The part is complete: as soon as its bytes are granted, they count as in flight."""
    is_kept: bool = False
    """The bytes come back only when their upload ends, so no other part may count on them."""


class Overflow(Protocol):
    """Target for bytes that get no memory."""

    def is_open(self) -> bool:
        """Return whether the target takes bytes now."""

    def may_open(self) -> bool:
        """Return whether the end of parts in flight can open it; their end must call `MemoryBudget.reconsider`."""


@dataclass(eq=False, slots=True)
class _Waiter:
    reservation: Reservation
    count: int
    granted: asyncio.Future[bool]
    overflow: Overflow | None
    needs_sources: bool = False
    """At the last check it lacked bytes that unfinished parts of other uploads hold."""

    @property
    def is_stuck(self) -> bool:
        """Only the sources of other uploads can end the wait."""
        is_open = self.overflow is not None and self.overflow.may_open()
        return self.needs_sources and not self.granted.done() and not is_open

    @property
    def was_granted(self) -> bool:
        future = self.granted
        return future.done() and not future.cancelled() and future.exception() is None and future.result()


@dataclass(eq=False)
class MemoryBudget:
    """Bounds the source bytes held by all uploads of a driver.

    Requests are served in their order. A request whose bytes would make a deadlock possible waits, and lets later
    requests pass.
    """

    limit: int
    """Bytes."""
    reserve: int = 0
    """Bytes of `limit` that unfinished parts leave free, so complete parts always get memory in the end. Of unfinished
    parts, only one that is larger than the rest of the limit may use them."""
    used: int = 0
    """Bytes granted and not given back, of unfinished parts and of parts in flight."""
    kept: int = 0
    """Bytes of the seekable heads of all uploads."""
    _filling: set[Reservation] = field(default_factory=set)
    _filling_held: int = 0
    _kinds: dict[tuple[int, int], int] = field(default_factory=dict)
    """Number of unfinished parts for each pair of missing and held bytes. There are few pairs, even of many uploads."""
    _waiters: deque[_Waiter] = field(default_factory=deque)
    _is_blocked: bool = False
    """The first waiter lacks only bytes of parts in flight, so the queue keeps its order."""

    async def acquire(
        self, reservation: Reservation, count: int, missing: int, overflow: Overflow | None = None
    ) -> bool:
        """Grant `count` more bytes to `reservation`, waiting for them if needed; return whether they were granted.

        Without an `overflow` the result is always True. With an `overflow` that is open, the method does not wait for
        bytes that unfinished parts of other uploads hold: it returns False.

        Args:
            reservation: of the part being filled.
            count: bytes, at most `missing`.
            missing: bytes that the part needs to be complete, `count` included. Together with the bytes that
                `reservation` holds they are at most `limit`.
            overflow: where else the bytes can go; ``None`` if the part needs memory.

        Raises:
            ConfigurationError: the upload has ended meanwhile (`detach`); or the task would wait for bytes of
                unfinished parts that only the task itself could fill.

        A cancellation leaves nothing granted.
        """
        if self.acquire_nowait(reservation, count, missing):
            return True
        waiter = _Waiter(reservation, count, asyncio.get_running_loop().create_future(), overflow)
        self._waiters.append(waiter)
        if not self._is_blocked:  # nothing has changed for earlier waiters
            self._is_blocked = not self._consider(waiter, set())
        self._refuse_to_wait_for_oneself()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._forget(waiter)
            raise

    async def acquire_whole(self, count: int) -> None:
        """Grant `count` bytes, at most `reserve`, to a complete part. `release` gives them back.

        The wait is for parts in flight only, unless an unfinished part is larger than the limit without the reserve.

        A cancellation leaves nothing granted.
        """
        await self.acquire(Reservation(is_whole=True), count, count)

    @property
    def most_kept(self) -> int:
        """Most bytes that seekable heads may hold together. The largest part that grows still fits beside them."""
        return self.limit // 4

    async def keep(self, count: int) -> Reservation:
        """Grant `count` bytes until `stop_keeping`. The wait is for parts of other uploads.

        Raises:
            ConfigurationError: seekable heads would hold more than `most_kept` bytes.

        A cancellation leaves nothing granted.
        """
        if self.kept + count > self.most_kept:
            raise ConfigurationError(
                f"a seekable head of {count} bytes has no room: the heads of all open uploads may hold a quarter of "
                f"the driver's memory_limit, {self.most_kept} bytes, and hold {self.kept}; raise memory_limit"
            )
        self.kept += count
        reservation = Reservation(is_kept=True)
        try:
            await self.acquire(reservation, count, _NEVER)
        except BaseException:
            self.kept -= count
            raise
        return reservation

    def stop_keeping(self, reservation: Reservation) -> None:
        """Take back what `keep` has granted."""
        count = self.detach(reservation)
        self.kept -= count
        self.release(count)

    @property
    def stuck(self) -> int:
        """Number of waiters that only the sources of other uploads can help."""
        return sum(waiter.is_stuck for waiter in self._waiters)

    def acquire_nowait(self, reservation: Reservation, count: int, missing: int) -> bool:
        """Grant bytes as `acquire` does, if no wait is needed; return whether they were granted."""
        reservation.task = asyncio.current_task()
        if missing != reservation.missing:
            self._change(reservation, reservation.held, missing)
        if self._waiters or not self._is_free(count) or not self._is_safe(reservation, count):
            return False
        self._grant(reservation, count)
        return True

    def give_back(self, reservation: Reservation, count: int) -> None:
        """Take back `count` bytes that were granted to `reservation` and not used. The part lacks them again."""
        self._change(reservation, reservation.held - count, reservation.missing + count)
        self.used -= count
        self._serve()

    def detach(self, reservation: Reservation) -> int:
        """Count the bytes of `reservation` as in flight, and return their number. `release` gives them back."""
        for waiter in [waiter for waiter in self._waiters if waiter.reservation is reservation]:
            self._waiters.remove(waiter)
            if not waiter.granted.done():
                waiter.granted.set_exception(ConfigurationError("the upload has ended; write inside its block"))
        held = reservation.held
        self._change(reservation, 0, 0)
        if reservation in self._filling:
            self._filling.remove(reservation)
            del self._kinds[0, 0]  # no other unfinished part lacks nothing and holds nothing
        self._serve()
        return held

    def release(self, count: int) -> None:
        """Give back `count` bytes that were in flight."""
        self.used -= count
        self._serve()

    def reconsider(self) -> None:
        """Check the waiters again, because an overflow may have opened."""
        self._serve()

    def _forget(self, waiter: _Waiter) -> None:
        """Take back the bytes or the place in the queue of a waiter that was cancelled."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.was_granted and waiter.reservation.is_whole:
            self.used -= waiter.count
        elif waiter.was_granted and waiter.reservation in self._filling:
            self.give_back(waiter.reservation, waiter.count)
            return
        self._serve()

    def _serve(self) -> None:
        self._is_blocked = False
        if not self._waiters:
            return
        unsafe: set[tuple[int, int, int, bool]] = set()
        for waiter in list(self._waiters):
            if not self._consider(waiter, unsafe):
                self._is_blocked = True
                break
        self._refuse_to_wait_for_oneself()

    def _consider(self, waiter: _Waiter, unsafe: set[tuple[int, int, int, bool]]) -> bool:
        """Grant the bytes of `waiter`, if possible; return whether later waiters may be served now.

        `unsafe` collects the kinds of requests that would make a deadlock possible. Further grants cannot change that.
        """
        reservation, count = waiter.reservation, waiter.count
        kind = (reservation.missing, reservation.held, count, reservation.is_whole)
        if waiter.granted.done():
            return True
        waiter.needs_sources = kind in unsafe or not self._is_safe(reservation, count)
        if waiter.needs_sources:
            unsafe.add(kind)
            self._divert_to_disk(waiter)
            return True  # later grants let other parts end, which frees bytes for this waiter
        if not self._is_free(count):
            return False  # blocked only by parts in flight, so keep the queue in order
        self._waiters.remove(waiter)
        self._grant(reservation, count)
        waiter.granted.set_result(True)
        return True

    def _divert_to_disk(self, waiter: _Waiter) -> None:
        if waiter.overflow is not None and waiter.overflow.is_open():
            self._waiters.remove(waiter)
            waiter.granted.set_result(False)

    def _refuse_to_wait_for_oneself(self) -> None:
        """Raise in the waiters whose own task holds all granted bytes: no other task could finish the other parts."""
        if not self._waiters or self.used != self._filling_held:
            return
        holder = next((reservation.task for reservation in self._filling), None)
        if holder is None or any(reservation.task is not holder for reservation in self._filling):
            return
        for waiter in list(self._waiters):
            others = len(self._filling) - (waiter.reservation in self._filling)
            if waiter.overflow is not None and waiter.overflow.may_open():
                continue
            if others and waiter.reservation.task is holder and not waiter.granted.done():
                self._waiters.remove(waiter)
                waiter.granted.set_exception(
                    ConfigurationError(
                        f"one task feeds {others + 1} uploads in turn, whose unfinished parts do not fit into the "
                        f"driver's memory_limit of {self.limit} bytes; raise it, or use smaller parts"
                    )
                )

    def _is_free(self, count: int) -> bool:
        return self.used + count <= self.limit

    def _is_safe(self, reservation: Reservation, count: int) -> bool:
        """Return whether all unfinished parts could still be filled one after the other, once nothing is in flight.

        They could before this request, so it is enough to find a turn for this part. After its turn as many bytes are
        free as without the request.
        """
        if reservation.missing <= self.limit - self.reserve - self._filling_held:
            return True  # the common case: this part could be filled first, whatever `count` is
        if reservation.is_kept:
            return self._leaves_all_parts_enough(count)
        free = self._limit_of(reservation) - self._filling_held - count
        missing = reservation.missing - count
        for (lacking, held), parts in sorted(self._kinds.items()):
            if lacking > free:
                break
            free += held * parts
        return missing <= free

    def _leaves_all_parts_enough(self, count: int) -> bool:
        """Return whether all unfinished parts could still be filled if `count` bytes never came back."""
        free = self.limit - self.reserve - self._filling_held - count
        for (lacking, held), parts in sorted(self._kinds.items()):
            if lacking > _NEVER // 2:  # another head
                break
            if lacking > free:
                return False
            free += held * parts
        return free >= 0

    def _limit_of(self, reservation: Reservation) -> int:
        """Return how many bytes all unfinished parts may hold while this part is filled, its own included."""
        without_reserve = self.limit - self.reserve
        return (
            self.limit
            if reservation.is_whole or reservation.held + reservation.missing > without_reserve
            else without_reserve
        )

    def _grant(self, reservation: Reservation, count: int) -> None:
        if reservation.is_whole:
            self.used += count
            return
        if reservation not in self._filling:
            self._filling.add(reservation)
            kind = reservation.missing, reservation.held
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
        self._change(reservation, reservation.held + count, reservation.missing - count)
        self.used += count

    def _change(self, reservation: Reservation, held: int, missing: int) -> None:
        """Note the bytes that a part holds and lacks now. Every segment passes here."""
        if reservation in self._filling:
            kinds = self._kinds
            if left := kinds.pop(kind := (reservation.missing, reservation.held)) - 1:
                kinds[kind] = left
            kind = missing, held
            kinds[kind] = kinds.get(kind, 0) + 1
            self._filling_held += held - reservation.held
        reservation.held, reservation.missing = held, missing
