"""The memory budget: bounded, in the order of the requests, and without a deadlock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aios3._upload.memory.budget import MemoryBudget, Overflow, Reservation
from aios3.errors import ConfigurationError
from tests.support.fakes import turns


async def held(memory: MemoryBudget, count: int, missing: int) -> Reservation:
    """Return the reservation of a part that lacked `missing` bytes, and got `count` of them."""
    reservation = Reservation()
    await memory.acquire(reservation, count, missing)
    return reservation


async def sent(memory: MemoryBudget, size: int) -> None:
    """Let a part be in flight."""
    memory.detach(await held(memory, size, size))


async def ask(
    memory: MemoryBudget, count: int, missing: int, part: Reservation | None = None, overflow: Overflow | None = None
) -> asyncio.Task[bool]:
    task = asyncio.create_task(memory.acquire(Reservation() if part is None else part, count, missing, overflow))
    await turns(3)
    return task


async def test_free_bytes_are_granted_without_a_turn_of_the_loop() -> None:
    memory, part = MemoryBudget(10), Reservation()
    with pytest.raises(StopIteration) as caught:
        memory.acquire(part, 4, 10).send(None)
    assert caught.value.value is True
    assert (memory.used, part.held, part.missing) == (4, 4, 6)


async def test_bytes_of_a_part_in_flight_stay_used_until_they_are_released() -> None:
    memory = MemoryBudget(10)
    part = await held(memory, 10, 10)
    assert memory.detach(part) == 10
    assert (memory.used, part.held, part.missing) == (10, 0, 0)
    memory.release(10)
    assert memory.used == 0


async def test_granted_bytes_that_are_given_back_go_to_the_first_waiter() -> None:
    """The part lacks them again."""
    memory, second = MemoryBudget(10), Reservation()
    first = await held(memory, 10, 10)
    waiting = await ask(memory, 2, 2, second)
    memory.give_back(first, 4)
    assert (first.held, first.missing, memory.used) == (6, 4, 8)
    await waiting
    assert second.held == 2
    assert memory.acquire_nowait(first, 2, 4)
    assert not memory.acquire_nowait(first, 2, 2)


async def test_more_than_the_limit_waits() -> None:
    memory, second = MemoryBudget(10), Reservation()
    first = await held(memory, 10, 10)
    waiting = await ask(memory, 1, 10, second)
    assert not waiting.done()
    memory.release(memory.detach(first))
    await waiting
    assert (memory.used, second.held) == (1, 1)


async def test_waiters_that_could_all_be_served_are_served_in_their_order() -> None:
    memory = MemoryBudget(4)
    holder = await held(memory, 4, 4)
    served: list[int] = []

    async def wait(number: int) -> None:
        part = await held(memory, 4, 4)
        served.append(number)
        memory.release(memory.detach(part))

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await turns()
    memory.release(memory.detach(holder))
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3, 4]


async def test_a_part_that_can_be_finished_passes_one_that_would_make_a_deadlock_possible() -> None:
    memory = MemoryBudget(10)
    nearly = await held(memory, 8, 10)
    waiting = await ask(memory, 2, 10)
    await memory.acquire(nearly, 2, 2)
    assert not waiting.done()
    memory.release(memory.detach(nearly))
    await waiting


async def test_no_waiter_passes_one_that_lacks_only_bytes_in_flight() -> None:
    """Although there would be enough for the next one: the first could wait without end."""
    memory = MemoryBudget(10)
    await sent(memory, 6)
    waiting = [await ask(memory, count, count) for count in (5, 2)]
    memory.reconsider()
    waiting.append(await ask(memory, 1, 1))
    assert not any(task.done() for task in waiting)
    memory.release(6)
    await asyncio.gather(*waiting)
    assert memory.used == 8


async def test_a_waiter_that_would_make_a_deadlock_possible_lets_the_next_one_have_bytes_that_come_back() -> None:
    memory = MemoryBudget(10)
    nearly = await held(memory, 6, 10)
    await sent(memory, 4)
    waiting, completing = await ask(memory, 2, 10), await ask(memory, 4, 4, nearly)
    assert not completing.done()
    memory.release(4)
    await completing
    assert not waiting.done()
    memory.release(memory.detach(nearly))
    await waiting


async def test_a_head_leaves_enough_to_fill_every_unfinished_part() -> None:
    """It waits for a part that could not be filled beside it, because it never gives its bytes back by itself."""
    memory = MemoryBudget(16)
    part = await held(memory, 8, 14)
    keeping = asyncio.create_task(memory.keep(4))
    await turns(3)
    assert not keeping.done()
    await memory.acquire(part, 6, 6)
    memory.release(memory.detach(part))
    kept = await keeping
    assert (memory.used, memory.kept) == (4, 4)
    memory.stop_keeping(kept)
    assert (memory.used, memory.kept) == (0, 0)


async def test_a_head_is_granted_at_once_beside_a_part_that_can_still_be_filled() -> None:
    memory = MemoryBudget(40)
    await held(memory, 8, 14)
    memory.stop_keeping(await memory.keep(4))
    assert memory.used == 8


async def test_no_part_counts_on_the_bytes_of_a_head() -> None:
    memory = MemoryBudget(16)
    kept = await memory.keep(4)
    first = await held(memory, 6, 10)
    waiting = await ask(memory, 3, 10)
    assert not waiting.done()
    await memory.acquire(first, 4, 4)
    memory.release(memory.detach(first))
    await waiting
    memory.stop_keeping(kept)


async def test_heads_beyond_a_quarter_are_refused_at_once() -> None:
    memory = MemoryBudget(16)
    kept = await memory.keep(3)
    with pytest.raises(ConfigurationError, match="raise memory_limit"):
        await memory.keep(2)
    await memory.keep(1)
    memory.stop_keeping(kept)
    await memory.keep(3)
    assert memory.kept == 4


async def test_a_cancelled_wait_of_a_head_leaves_nothing() -> None:
    memory = MemoryBudget(16)
    part = await held(memory, 8, 14)
    keeping = asyncio.create_task(memory.keep(4))
    await turns(3)
    keeping.cancel()
    await turns(3)
    assert (memory.used, memory.kept, part.held) == (8, 0, 8)


async def test_a_cancelled_waiter_lets_the_next_one_move_up() -> None:
    memory, second = MemoryBudget(10), Reservation()
    await sent(memory, 6)
    cancelled, behind = await ask(memory, 5, 5), await ask(memory, 4, 4, second)
    assert not behind.done()
    cancelled.cancel()
    await behind
    assert cancelled.cancelled()
    assert (memory.used, second.held) == (10, 4)


@pytest.mark.parametrize("granted_first", [True, False])
async def test_bytes_granted_in_the_turn_of_a_cancellation_go_to_the_next_waiter(granted_first: bool) -> None:
    memory, part, following = MemoryBudget(10), Reservation(), Reservation()
    holder = await held(memory, 10, 10)
    cancelled, behind = await ask(memory, 6, 10, part), await ask(memory, 10, 10, following)
    steps = [lambda: memory.release(memory.detach(holder)), cancelled.cancel]
    for step in steps if granted_first else reversed(steps):
        step()
        assert part.held == (6 if granted_first else 0)
    assert following.held == (0 if granted_first else 10)
    await asyncio.wait({cancelled})
    await behind
    assert cancelled.cancelled()
    assert (part.held, part.missing, memory.used, following.held) == (0, 10, 10, 10)


async def test_waiters_of_a_detached_part_get_an_error() -> None:
    """Except one that is being cancelled."""
    memory, part = MemoryBudget(10), Reservation()
    holder = await held(memory, 10, 10)
    waiting, cancelled = await ask(memory, 1, 10, part), await ask(memory, 1, 10, part)
    cancelled.cancel()
    assert memory.detach(part) == 0
    await asyncio.wait({waiting, cancelled})
    assert isinstance(waiting.exception(), ConfigurationError)
    assert str(waiting.exception()) == "the upload has ended; write inside its block"
    assert cancelled.cancelled()
    memory.release(memory.detach(holder))
    assert memory.used == 0


# no deadlock


@dataclass
class Filler:
    """An upload as the budget sees it: fills parts piece by piece, and sends them."""

    size: int
    piece: int
    reservation: Reservation = field(default_factory=Reservation)
    in_flight: list[int] = field(default_factory=list)
    waiting: asyncio.Task[None] | None = None

    @property
    def rest(self) -> int:
        return self.size - self.reservation.held

    def is_idle(self) -> bool:
        return self.waiting is None or self.waiting.done()


class BudgetMachine(RuleBasedStateMachine):
    """Many uploads with parts of various sizes, in any order of events, at limits down to one part."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.fillers: list[Filler] = []

    def run(self, coroutine: object) -> None:
        self.loop.run_until_complete(coroutine)  # type: ignore[arg-type]

    @initialize(
        shapes=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), min_size=1, max_size=6),
        slack=st.integers(0, 12),
    )
    def begin(self, shapes: list[tuple[int, int]], slack: int) -> None:
        self.memory = MemoryBudget(max(size for size, _ in shapes) + slack)
        self.fillers = [Filler(size, piece) for size, piece in shapes]

    def pick(self, number: int) -> Filler:
        return self.fillers[number % len(self.fillers)]

    @rule(number=st.integers(0, 5))
    def ask(self, number: int) -> None:
        """Ask for the next piece, or send the part if it is full."""
        filler = self.pick(number)
        if filler.is_idle():
            self.advance(filler)
        self.run(turns(3))

    def advance(self, filler: Filler) -> None:
        if filler.rest == 0:
            filler.in_flight.append(self.memory.detach(filler.reservation))
        else:
            count = min(filler.piece, filler.rest)
            filler.waiting = self.loop.create_task(self.memory.acquire(filler.reservation, count, filler.rest))

    @rule(number=st.integers(0, 5))
    def acknowledge(self, number: int) -> None:
        filler = self.pick(number)
        if filler.in_flight:
            self.memory.release(filler.in_flight.pop())
        self.run(turns(3))

    @rule(number=st.integers(0, 5), count=st.integers(1, 12))
    def give_back(self, number: int, count: int) -> None:
        """Give back granted bytes that are not needed yet."""
        filler = self.pick(number)
        if filler.is_idle():
            self.memory.give_back(filler.reservation, min(count, filler.reservation.held))
        self.run(turns(3))

    @rule(number=st.integers(0, 5), before=st.integers(0, 1))
    def cancel(self, number: int, before: int) -> None:
        """End an upload in the middle. The next one takes its place."""
        filler = self.pick(number)
        if filler.waiting is not None:
            self.run(turns(before))
            filler.waiting.cancel()
            self.run(asyncio.wait({filler.waiting}))
        self.memory.release(self.memory.detach(filler.reservation))
        self.run(turns(3))

    @precondition(lambda self: self.fillers)
    @invariant()
    def is_bounded(self) -> None:
        assert 0 <= self.memory.used <= self.memory.limit
        held = sum(filler.reservation.held + sum(filler.in_flight) for filler in self.fillers)
        assert held == self.memory.used

    def teardown(self) -> None:
        """Check that every upload can finish, and that all bytes come back then."""
        try:
            for _ in range(2000):
                if not self.fillers or self.is_finished():
                    break
                for filler in self.fillers:
                    while filler.in_flight:
                        self.memory.release(filler.in_flight.pop())
                    if filler.is_idle() and filler.size:
                        self.finish(filler)
                self.run(turns(3))
            else:
                raise AssertionError(f"stuck: {self.memory} {self.fillers}")
            if self.fillers:
                assert self.memory.used == 0
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.run(turns(3))
            self.loop.close()

    def finish(self, filler: Filler) -> None:
        was_full = filler.rest == 0
        self.advance(filler)
        if was_full:
            filler.size = 0

    def is_finished(self) -> bool:
        return all(filler.size == 0 and not filler.in_flight for filler in self.fillers)


TestAnyInterleaving = BudgetMachine.TestCase
TestAnyInterleaving.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)


def can_all_be_filled(limit: int, parts: list[tuple[int, int]]) -> bool:
    """Return whether parts, given as bytes held and size, could be filled and sent one by one, in any order."""
    used = sum(held for held, _ in parts)
    if used > limit:
        return False
    return not parts or any(
        used - held + size <= limit and can_all_be_filled(limit, parts[:index] + parts[index + 1 :])
        for index, (held, size) in enumerate(parts)
    )


@given(
    limit=st.integers(9, 24),
    asked=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.booleans()), max_size=60),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_bytes_are_granted_if_and_only_if_all_parts_can_be_filled(
    limit: int, asked: list[tuple[int, int, bool]]
) -> None:
    """Five uploads fill parts of up to nine bytes, one after the other. Parts in flight come back now and then."""

    async def run() -> None:
        budget, reservations, in_flight = MemoryBudget(limit), [Reservation() for _ in range(5)], 0
        sizes = [3, 6, 6, 9, 9]
        missing = list(sizes)
        for index, count, comes_back in asked:
            if comes_back:
                budget.release(in_flight)
                in_flight = 0
            wanted = min(count, missing[index])
            held = [size - lack for size, lack in zip(sizes, missing, strict=True)]
            after = [(held[i] + wanted * (i == index), sizes[i]) for i in range(5) if held[i] or i == index]
            is_right = in_flight + sum(held) + wanted <= limit and can_all_be_filled(limit, after)
            assert budget.acquire_nowait(reservations[index], wanted, missing[index]) is is_right
            missing[index] -= wanted * is_right
            if not missing[index]:
                in_flight += budget.detach(reservations[index])
                missing[index] = sizes[index]
        assert budget.used == in_flight + sum(size - lack for size, lack in zip(sizes, missing, strict=True))

    asyncio.run(run())


@given(
    limit=st.integers(4, 24),
    reserve=st.integers(0, 20),
    parts=st.lists(st.sampled_from([(1, 3), (2, 5), (3, 2), (4, 0)]), max_size=6),
    heads=st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_head_is_granted_if_and_only_if_all_parts_can_be_filled_beside_it(
    limit: int, reserve: int, parts: list[tuple[int, int]], heads: list[int]
) -> None:
    async def run() -> None:
        budget = MemoryBudget(limit, min(reserve, limit))
        filling = [
            (count, count + lacking)
            for count, lacking in parts
            if count + lacking <= limit and budget.acquire_nowait(Reservation(), count, count + lacking)
        ]
        for count in heads:
            if budget.kept + count > budget.most_kept:
                continue
            is_right = can_all_be_filled(limit - budget.reserve - budget.kept - count, filling)
            keeping = asyncio.create_task(budget.keep(count))
            await turns(3)
            assert keeping.done() is is_right
            keeping.cancel()
            await asyncio.wait({keeping})

    asyncio.run(run())


class Counting(MemoryBudget):
    """Counts the checks whether bytes may be granted without a deadlock."""

    questions = 0

    def _is_safe(self, reservation: Reservation, count: int) -> bool:
        self.questions += 1
        return super()._is_safe(reservation, count)


async def test_waiters_that_are_alike_are_checked_once() -> None:
    """So the cost of one upload does not grow with the others."""
    memory, holders = Counting(100), [Reservation() for _ in range(9)]
    for holder in holders:
        await memory.acquire(holder, 10, 15)
    tasks = [asyncio.create_task(memory.acquire(Reservation(), 1, 15)) for _ in range(500)]
    await turns(3)
    assert memory.questions <= len(holders) + 2 * len(tasks)  # at once, and in the queue
    memory.questions, before = 0, sum(task.done() for task in tasks)
    for holder in holders[:3]:
        memory.release(memory.detach(holder))
    await turns(3)
    granted = sum(task.done() for task in tasks) - before
    assert granted >= 20
    assert memory.questions <= granted + 6 * 2  # six passes over the queue, and a kind or two of waiters
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# one task that feeds several uploads


async def test_a_task_that_would_wait_for_itself_gets_an_error() -> None:
    """Also if a part of another task, which has ended, was there before."""
    memory = MemoryBudget(10)
    ended = await asyncio.create_task(held(memory, 4, 4))
    memory.release(memory.detach(ended))
    await held(memory, 6, 8)
    with pytest.raises(ConfigurationError, match=r"one task feeds 2 uploads in turn.* 10 bytes"):
        await memory.acquire(Reservation(), 5, 8)
    assert memory.used == 6
    assert not memory._waiters


async def test_the_error_of_a_task_that_would_wait_for_itself_counts_each_upload_once() -> None:
    """Although the waiting part holds bytes, too, and the part of another task has somewhere else to go."""
    memory = MemoryBudget(10)
    await held(memory, 6, 8)
    part = await held(memory, 2, 8)
    other = await ask(memory, 5, 8, overflow=Disk(will_open=True))
    with pytest.raises(ConfigurationError, match="one task feeds 2 uploads in turn"):
        await memory.acquire(part, 3, 6)
    assert not other.done()
    other.cancel()
    await asyncio.wait({other})


async def test_a_part_of_another_task_is_waited_for() -> None:
    memory = MemoryBudget(10)
    first = await asyncio.create_task(held(memory, 6, 8))
    waiting = await ask(memory, 5, 8)
    assert not waiting.done()
    memory.release(memory.detach(first))
    await waiting
    assert memory.used == 5


async def test_a_task_that_feeds_several_uploads_waits_for_parts_in_flight() -> None:
    memory = MemoryBudget(10)
    await sent(memory, 4)

    async def feed_both() -> None:
        await held(memory, 2, 4)
        await held(memory, 5, 5)

    feeding = asyncio.create_task(feed_both())
    await turns(3)
    assert not feeding.done()
    memory.release(4)
    await feeding
    assert memory.used == 7


# overflow


@dataclass
class Disk:
    """An overflow."""

    opened: bool = False
    will_open: bool = False

    def is_open(self) -> bool:
        return self.opened

    def may_open(self) -> bool:
        return self.will_open


async def stuck() -> MemoryBudget:
    """Let the source of another task hold all memory except a byte."""
    memory = MemoryBudget(10)
    await asyncio.create_task(held(memory, 9, 10))
    return memory


async def test_a_part_that_would_wait_for_a_source_overflows_as_soon_as_that_is_possible() -> None:
    memory, part, disk = await stuck(), Reservation(), Disk(opened=True)
    assert await memory.acquire(part, 5, 10, disk) is False
    disk.opened = False
    waiting = await ask(memory, 5, 10, part, disk)
    memory.reconsider()
    await turns(3)
    assert not waiting.done()
    disk.opened = True
    memory.reconsider()
    assert not await waiting
    assert (memory.used, part.held, len(memory._waiters)) == (9, 0, 0)


async def test_a_part_does_not_overflow_for_want_of_bytes_in_flight() -> None:
    memory, part = MemoryBudget(10), Reservation()
    await sent(memory, 10)
    waiting = await ask(memory, 5, 10, part, Disk(opened=True))
    assert not waiting.done()
    memory.release(10)
    assert await waiting
    assert part.held == 5


async def test_a_part_overflows_if_another_part_takes_the_bytes_in_flight() -> None:
    """From then on it would wait for the source of that part."""
    memory, other, part = MemoryBudget(10), Reservation(), Reservation()
    await sent(memory, 10)
    before = await ask(memory, 9, 10, other)
    waiting = await ask(memory, 5, 10, part, Disk(opened=True))
    memory.release(10)
    await before
    assert not await waiting
    assert (other.held, part.held) == (9, 0)


async def test_a_cancellation_after_the_overflow_leaves_what_was_held_before() -> None:
    memory, disk = MemoryBudget(20), Disk()
    part = await held(memory, 5, 10)
    await held(memory, 14, 15)
    waiting = await ask(memory, 5, 5, part, disk)
    disk.opened = True
    memory.reconsider()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert (memory.used, part.held, part.missing) == (19, 5, 5)


@pytest.mark.parametrize("will_open", [True, False])
async def test_an_overflow_that_may_open_is_waited_for(will_open: bool) -> None:
    """Even by a task that would wait for itself, which else gets an error."""
    memory, disk = MemoryBudget(10), Disk(will_open=will_open)

    async def feed_both() -> bool:
        await held(memory, 9, 10)
        return await memory.acquire(Reservation(), 5, 10, disk)

    waiting = asyncio.create_task(feed_both())
    await turns(3)
    assert waiting.done() is not will_open
    if will_open:
        disk.opened = True
        memory.reconsider()
        assert not await waiting
    else:
        assert isinstance(waiting.exception(), ConfigurationError)


async def test_a_part_whose_overflow_may_open_is_not_stuck() -> None:
    memory, disk = await stuck(), Disk(will_open=True)
    waiting = await ask(memory, 5, 10, overflow=disk)
    assert memory.stuck == 0
    disk.will_open = False
    assert memory.stuck == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    assert memory.stuck == 0


# the reserve for complete parts


async def test_unfinished_parts_leave_the_reserve_to_complete_parts() -> None:
    """So those get memory although all sources stall."""
    memory = MemoryBudget(20, 5)
    part = await held(memory, 14, 15)
    waiting = await ask(memory, 1, 15)
    assert not waiting.done()
    assert (memory.stuck, memory.used) == (1, 14)
    await memory.acquire_whole(5)
    assert memory.used == 19
    memory.release(5)
    memory.release(memory.detach(part))
    await waiting
    assert (memory.used, memory.stuck) == (1, 0)


async def test_parts_in_flight_may_use_the_reserve() -> None:
    memory = MemoryBudget(20, 5)
    await sent(memory, 15)
    await held(memory, 5, 15)
    assert memory.used == 20


async def test_a_complete_part_waits_for_parts_in_flight_and_a_cancelled_wait_leaves_nothing() -> None:
    """Also a wait that is cancelled in the turn of its grant. No other part goes first."""
    memory = MemoryBudget(20, 5)
    await sent(memory, 15)
    await memory.acquire_whole(5)
    whole = [asyncio.create_task(memory.acquire_whole(5)) for _ in range(3)]
    await turns(3)
    behind = await ask(memory, 1, 15)
    assert not any(task.done() for task in [*whole, behind])
    assert memory.stuck == 0
    whole[1].cancel()
    await turns(2)
    memory.release(10)
    whole[2].cancel()
    await asyncio.wait(whole)
    assert [task.cancelled() for task in whole] == [False, True, True]
    await behind
    assert memory.used == 5 + 5 + 5 + 1


async def test_a_part_larger_than_the_rest_of_the_limit_may_use_the_reserve() -> None:
    """A complete part then waits for its source, and counts as stuck."""
    memory = MemoryBudget(20, 5)
    giant = await held(memory, 17, 18)
    waiting = await ask(memory, 1, 10)
    whole = asyncio.create_task(memory.acquire_whole(5))
    await turns(3)
    assert not waiting.done()
    assert not whole.done()
    assert memory.stuck == 2
    memory.release(memory.detach(giant))
    await asyncio.gather(waiting, whole)
    assert memory.used == 6
