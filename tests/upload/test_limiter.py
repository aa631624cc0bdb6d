"""While the store throttles, less is on its way at once; and soon everything again."""

from __future__ import annotations

import asyncio
import math

import pytest

from aios3._upload.limiter import ConcurrencyLimiter, Slot
from aios3.errors import StorageError, ThrottledError, TransportError
from tests.fakes import turns


class Crowd:
    """Tasks that each hold a slot until they are told to let go."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self.limiter = limiter
        self.holding: list[Slot] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: dict[Slot, asyncio.Event] = {}

    async def add(self, count: int) -> None:
        self.tasks += [asyncio.create_task(self._hold()) for _ in range(count)]
        await turns(5)

    async def _hold(self) -> None:
        async with self.limiter.slot() as slot:
            self.holding.append(slot)
            self._ends[slot] = asyncio.Event()
            try:
                await self._ends[slot].wait()
            finally:
                self.holding.remove(slot)

    async def let_go(self, count: int = 1) -> None:
        for slot in self.holding[:count]:
            self._ends[slot].set()
        await turns(5)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


@pytest.fixture
def limiter() -> ConcurrencyLimiter:
    return ConcurrencyLimiter()


async def test_without_throttling_nobody_waits(limiter: ConcurrencyLimiter) -> None:
    """However many there are."""
    crowd = Crowd(limiter)
    await crowd.add(300)
    limiter.succeeded()
    assert (len(crowd.holding), limiter.in_flight, limiter.limit) == (300, 300, math.inf)
    await crowd.end()
    assert limiter.in_flight == 0


async def test_throttling_halves_what_is_on_its_way(limiter: ConcurrencyLimiter) -> None:
    """Those on their way go on; new ones wait until fewer than half are left."""
    crowd = Crowd(limiter)
    await crowd.add(8)
    limiter.throttled(crowd.holding[0])
    await crowd.add(2)
    assert len(crowd.holding) == 8
    await crowd.let_go(4)
    assert len(crowd.holding) == 4
    await crowd.let_go(1)
    assert len(crowd.holding) == 4
    await crowd.end()
    assert limiter.in_flight == 0


async def test_requests_that_were_throttled_together_count_once(limiter: ConcurrencyLimiter) -> None:
    """Eight refusals of one burst are one sign; that of a request begun afterwards is another."""
    crowd = Crowd(limiter)
    await crowd.add(8)
    for slot in list(crowd.holding):
        limiter.throttled(slot)
    assert limiter.limit == 4
    await crowd.let_go(8)
    await crowd.add(4)
    limiter.throttled(crowd.holding[0])
    assert limiter.limit == 2
    await crowd.end()


async def test_one_request_is_always_allowed(limiter: ConcurrencyLimiter) -> None:
    """However often the store throttles."""
    for _ in range(5):
        async with limiter.slot() as slot:
            limiter.throttled(slot)
    assert limiter.limit == 1
    async with limiter.slot():
        assert limiter.in_flight == 1


async def test_a_round_of_successes_allows_one_more(limiter: ConcurrencyLimiter) -> None:
    """And those who wait are let in at once."""
    crowd = Crowd(limiter)
    await crowd.add(8)
    limiter.throttled(crowd.holding[0])
    await crowd.add(3)
    await crowd.let_go(4)
    for _ in range(5):
        limiter.succeeded()
    await turns(5)
    assert math.floor(limiter.limit) == len(crowd.holding) == 5
    await crowd.end()


async def test_at_the_old_level_the_limit_ends(limiter: ConcurrencyLimiter) -> None:
    """What was on its way when it began has succeeded together since."""
    crowd = Crowd(limiter)
    await crowd.add(4)
    limiter.throttled(crowd.holding[0])
    rounds = 0
    while limiter.limit < math.inf:
        limiter.succeeded()
        rounds += 1
    assert 5 <= rounds <= 12
    await crowd.end()


async def test_who_waits_is_served_in_order(limiter: ConcurrencyLimiter) -> None:
    """First come, first served, also where somebody in between has given up."""
    crowd = Crowd(limiter)
    await crowd.add(2)
    limiter.throttled(crowd.holding[0])
    order: list[int] = []

    async def wait(number: int) -> None:
        async with limiter.slot():
            order.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await turns(3)
    waiting[1].cancel()
    await crowd.let_go(2)
    await asyncio.wait(waiting)
    assert order == [0, 2]
    await crowd.end()
    assert limiter.in_flight == 0


async def test_a_cancellation_in_the_turn_of_being_served_gives_the_slot_on(limiter: ConcurrencyLimiter) -> None:
    """Nothing is lost between the two."""
    crowd = Crowd(limiter)
    await crowd.add(1)
    limiter.throttled(crowd.holding[0])
    await crowd.add(2)
    first, second = crowd.tasks[1:]
    crowd._ends[crowd.holding[0]].set()
    while len(limiter._waiters) == 2:
        await asyncio.sleep(0)
    first.cancel()  # it has been served, and has not run yet
    await turns(5)
    assert first.cancelled()
    assert (len(crowd.holding), limiter.in_flight) == (1, 1)
    assert not second.done()
    await crowd.end()
    assert limiter.in_flight == 0


async def test_a_second_burst_counts_once_as_well(limiter: ConcurrencyLimiter) -> None:
    """Every cut is told apart from those before it."""
    crowd = Crowd(limiter)
    await crowd.add(16)
    limits = []
    for _ in range(3):
        for slot in list(crowd.holding):
            limiter.throttled(slot)
        limits.append(limiter.limit)
        await crowd.let_go(16)
        await crowd.add(16)
    assert limits == [8, 4, 2]
    await crowd.end()


async def test_the_limit_ends_above_the_old_level_and_not_at_it(limiter: ConcurrencyLimiter) -> None:
    """As many as before have to succeed while the limit is there."""
    crowd = Crowd(limiter)
    await crowd.add(2)
    limiter.throttled(crowd.holding[0])
    limits = []
    for _ in range(3):
        limits.append(limiter.limit)
        limiter.succeeded()
    assert [*limits, limiter.limit] == [1, 2, math.inf, math.inf]
    await crowd.end()


@pytest.mark.parametrize(
    ("failure", "limit"),
    [
        (None, 5),
        (ThrottledError("slow down", operation="UploadPart", status=503, code="SlowDown"), 2),
        (TransportError("reset"), 4),
    ],
)
async def test_what_came_of_a_request_is_noted(
    limiter: ConcurrencyLimiter, failure: StorageError | None, limit: int
) -> None:
    """A success allows more, a refusal less, and any other failure says nothing of the load."""
    crowd = Crowd(limiter)
    await crowd.add(8)
    limiter.throttled(crowd.holding[0])
    await crowd.let_go(8)
    await crowd.add(4)
    for _ in range(5):
        limiter.note(crowd.holding[0], failure)
    assert math.floor(limiter.limit) == limit
    await crowd.end()
