"""The memory budget: bounded, first come first served, and never stuck."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._upload.memory.budget import MemoryBudget, Reservation
from aios3._upload.memory.segment_pool import SegmentPool
from aios3.errors import ConfigurationError
from tests.support.fakes import turns


async def wait_in_line(memory: MemoryBudget, reservation: Reservation, count: int, missing: int) -> asyncio.Task[None]:
    task = asyncio.create_task(memory.acquire(reservation, count, missing))
    await turns(3)
    return task


async def test_free_bytes_are_granted_at_once() -> None:
    """Without a turn of the loop, and counted for the reservation."""
    memory, reservation = MemoryBudget(10), Reservation()
    acquiring = memory.acquire(reservation, 4, 10)
    with pytest.raises(StopIteration):
        acquiring.send(None)
    assert (memory.used, reservation.held, reservation.missing) == (4, 4, 6)


async def test_bytes_come_back_when_they_were_in_flight() -> None:
    """Detaching tells how many they are; releasing frees them."""
    memory, reservation = MemoryBudget(10), Reservation()
    await memory.acquire(reservation, 10, 10)
    assert memory.detach(reservation) == 10
    assert (memory.used, reservation.held, reservation.missing) == (10, 0, 0)
    memory.release(10)
    assert memory.used == 0


async def test_what_was_granted_and_not_used_goes_to_who_waits() -> None:
    """The part misses it again, and asks again."""
    memory, first, second = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(first, 10, 10)
    waiting = await wait_in_line(memory, second, 2, 2)
    memory.give_back(first, 4)
    assert (first.held, first.missing, memory.used) == (6, 4, 8)
    await waiting
    assert second.held == 2
    assert memory.acquire_nowait(first, 2, 4)
    assert not memory.acquire_nowait(first, 2, 2)


async def test_more_than_the_limit_waits() -> None:
    """Until somebody gives enough back."""
    memory, first, second = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(first, 10, 10)
    waiting = await wait_in_line(memory, second, 1, 10)
    assert not waiting.done()
    memory.release(memory.detach(first))
    await waiting
    assert (memory.used, second.held) == (1, 1)


async def test_a_grant_that_would_block_everybody_waits() -> None:
    """Two half-filled parts of the limit's size would wait for each other for ever."""
    memory, first, second = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(first, 5, 10)
    waiting = await wait_in_line(memory, second, 5, 10)
    assert not waiting.done()
    await memory.acquire(first, 0, 5)
    first_rest = await wait_in_line(memory, first, 5, 5)
    await first_rest
    memory.release(memory.detach(first))
    await waiting


async def test_one_part_that_can_finish_is_not_enough() -> None:
    """When a small part that let two large ones begin has ended, they can still be finished."""
    memory, small = MemoryBudget(10), Reservation()
    await memory.acquire(small, 1, 2)

    async def fill() -> None:
        reservation = Reservation()
        for missing in range(10, 0, -1):
            await memory.acquire(reservation, 1, missing)
            await asyncio.sleep(0)
        memory.release(memory.detach(reservation))

    large = [asyncio.create_task(fill()) for _ in range(2)]
    await turns(40)
    await memory.acquire(small, 1, 1)
    memory.release(memory.detach(small))
    await turns(80)
    stuck = [task for task in large if not task.done()]
    for task in stuck:
        task.cancel()
    await asyncio.gather(*large, return_exceptions=True)
    assert not stuck


async def test_the_first_in_line_is_served_first() -> None:
    """Waiters that could all be served are served in the order in which they came."""
    memory, holder = MemoryBudget(4), Reservation()
    await memory.acquire(holder, 4, 4)
    served: list[int] = []

    async def wait(number: int) -> None:
        reservation = Reservation()
        await memory.acquire(reservation, 4, 4)
        served.append(number)
        memory.release(memory.detach(reservation))

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await turns()
    memory.release(memory.detach(holder))
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3, 4]


async def test_more_than_is_free_is_not_granted() -> None:
    """Neither to the first in line nor to the next one; what comes back goes to the first."""
    memory, holder, first, later = MemoryBudget(10), Reservation(), Reservation(), Reservation()
    await memory.acquire(holder, 6, 6)
    memory.detach(holder)
    waiting = await wait_in_line(memory, first, 5, 5)
    overtaking = await wait_in_line(memory, later, 10, 10)
    assert not waiting.done()
    assert not overtaking.done()
    memory.release(6)
    await turns()
    assert waiting.done()
    assert not overtaking.done()
    overtaking.cancel()
    await asyncio.gather(overtaking, return_exceptions=True)


async def test_who_can_finish_is_served_before_who_cannot() -> None:
    """A part that can be finished with what is free goes on, although another one waits for longer."""
    memory, nearly, new = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(nearly, 8, 10)
    waiting = await wait_in_line(memory, new, 2, 10)
    await memory.acquire(nearly, 2, 2)
    assert not waiting.done()
    memory.release(memory.detach(nearly))
    await waiting


async def test_a_waiter_cancelled_before_its_grant_leaves_nothing() -> None:
    """And those behind it move up."""
    memory, holder, second = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(holder, 6, 10)
    cancelled = await wait_in_line(memory, Reservation(), 5, 5)
    behind = await wait_in_line(memory, second, 4, 4)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await behind
    assert cancelled.cancelled()
    assert (memory.used, second.held) == (10, 4)


async def test_a_waiter_cancelled_after_its_grant_leaves_nothing() -> None:
    """The grant that it never saw is taken back and given to the next one."""
    memory, holder, reservation, next_lease = MemoryBudget(10), Reservation(), Reservation(), Reservation()
    await memory.acquire(holder, 10, 10)
    cancelled = await wait_in_line(memory, reservation, 6, 10)
    behind = await wait_in_line(memory, next_lease, 10, 10)
    memory.release(memory.detach(holder))
    assert reservation.held == 6
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert cancelled.cancelled()
    assert reservation.held == 0
    assert reservation.missing == 10
    await behind
    assert (memory.used, next_lease.held) == (10, 10)


async def test_a_cancelled_waiter_that_has_not_noticed_yet_is_passed_over() -> None:
    """Bytes that come back between a cancellation and its delivery go to the next one in line."""
    memory, holder, reservation = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(holder, 10, 10)
    cancelled = await wait_in_line(memory, Reservation(), 10, 10)
    behind = await wait_in_line(memory, reservation, 10, 10)
    cancelled.cancel()
    memory.release(memory.detach(holder))
    await asyncio.gather(cancelled, return_exceptions=True)
    await behind
    assert (memory.used, reservation.held) == (10, 10)


async def test_detaching_tells_who_waits() -> None:
    """The upload has ended; one that is being cancelled needs not be told."""
    memory, holder, reservation = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(holder, 10, 10)
    told = await wait_in_line(memory, reservation, 1, 10)
    cancelled = await wait_in_line(memory, reservation, 1, 10)
    cancelled.cancel()
    assert memory.detach(reservation) == 0
    await asyncio.wait({told, cancelled})
    assert isinstance(told.exception(), ConfigurationError)
    assert str(told.exception()) == "the upload has ended; write inside its block"
    assert cancelled.cancelled()
    memory.release(memory.detach(holder))
    assert memory.used == 0


@dataclass
class Filler:
    """An upload as the budget sees it: fills parts piece by piece and sends them."""

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
        assembler = self.pick(number)
        if assembler.is_idle():
            self.advance(assembler)
        self.run(turns(3))

    def advance(self, assembler: Filler) -> None:
        if assembler.rest == 0:
            assembler.in_flight.append(self.memory.detach(assembler.reservation))
        else:
            count = min(assembler.piece, assembler.rest)
            assembler.waiting = self.loop.create_task(self.memory.acquire(assembler.reservation, count, assembler.rest))

    @rule(number=st.integers(0, 5))
    def acknowledge(self, number: int) -> None:
        assembler = self.pick(number)
        if assembler.in_flight:
            self.memory.release(assembler.in_flight.pop())
        self.run(turns(3))

    @rule(number=st.integers(0, 5), count=st.integers(1, 12))
    def give_back(self, number: int, count: int) -> None:
        """Of what was granted, some was not needed yet."""
        assembler = self.pick(number)
        if assembler.is_idle():
            self.memory.give_back(assembler.reservation, min(count, assembler.reservation.held))
        self.run(turns(3))

    @rule(number=st.integers(0, 5), before=st.integers(0, 1))
    def cancel(self, number: int, before: int) -> None:
        """End an upload in the middle; the next one takes its place."""
        assembler = self.pick(number)
        if assembler.waiting is not None:
            self.run(turns(before))
            assembler.waiting.cancel()
            self.run(asyncio.wait({assembler.waiting}))
        self.memory.release(self.memory.detach(assembler.reservation))
        self.run(turns(3))

    @precondition(lambda self: self.fillers)
    @invariant()
    def is_bounded(self) -> None:
        assert 0 <= self.memory.used <= self.memory.limit
        held = sum(assembler.reservation.held + sum(assembler.in_flight) for assembler in self.fillers)
        assert held == self.memory.used

    def teardown(self) -> None:
        """Whatever happened: everybody can finish, and then everything is back."""
        try:
            for _ in range(2000):
                if not self.fillers or self.is_finished():
                    break
                for assembler in self.fillers:
                    while assembler.in_flight:
                        self.memory.release(assembler.in_flight.pop())
                    if assembler.is_idle() and assembler.size:
                        self.finish(assembler)
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

    def finish(self, assembler: Filler) -> None:
        was_full = assembler.rest == 0
        self.advance(assembler)
        if was_full:
            assembler.size = 0

    def is_finished(self) -> bool:
        return all(assembler.size == 0 and not assembler.in_flight for assembler in self.fillers)


TestAnyInterleaving = BudgetMachine.TestCase
TestAnyInterleaving.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 30), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_many_uploads_at_the_least_limit_all_end(seed: int, sizes: list[int]) -> None:
    """With room for exactly the largest part, uploads with parts of any size end, whatever the order of events."""

    async def upload(memory: MemoryBudget, size: int, order: random.Random) -> None:
        for _ in range(3):
            reservation = Reservation()
            while reservation.held < size:
                await memory.acquire(
                    reservation, min(order.randint(1, 5), size - reservation.held), size - reservation.held
                )
                await turns(order.randint(0, 3))
            held = memory.detach(reservation)
            await turns(order.randint(0, 3))
            memory.release(held)

    async def run() -> None:
        memory, order = MemoryBudget(max(sizes)), random.Random(seed)
        tasks = {asyncio.create_task(upload(memory, size, order)) for size in sizes}
        for _ in range(5000):
            if all(task.done() for task in tasks):
                break
            await asyncio.sleep(0)
        stuck = [task for task in tasks if not task.done()]
        for task in stuck:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not stuck
        assert memory.used == 0

    asyncio.run(run())


def test_the_pool_lends_again_what_came_back() -> None:
    """Used memory first."""
    pool = SegmentPool(2 * SEGMENT_SIZE)
    segment = pool.take()
    assert len(segment) == SEGMENT_SIZE
    pool.give_back((segment,))
    assert pool.idle_bytes == SEGMENT_SIZE
    assert pool.take() is segment
    assert pool.idle_bytes == 0


@pytest.mark.parametrize(("keep", "idle"), [(0, 0), (SEGMENT_SIZE - 1, 0), (2 * SEGMENT_SIZE + 5, 2 * SEGMENT_SIZE)])
def test_the_pool_keeps_no_more_than_it_may(keep: int, idle: int) -> None:
    """What is beyond goes back to the system, and all of it when it is cleared."""
    pool = SegmentPool(keep)
    for _ in range(2):
        pool.give_back(tuple(bytearray(SEGMENT_SIZE) for _ in range(3)))
        assert pool.idle_bytes == idle
    pool.clear()
    assert pool.idle_bytes == 0


async def test_a_task_that_would_wait_for_itself_is_told() -> None:
    """One task that fills several parts in turn could never free what it waits for."""
    budget = MemoryBudget(10)
    first, second = Reservation(), Reservation()
    await budget.acquire(first, 6, 8)

    with pytest.raises(ConfigurationError, match=r"one task feeds 2 uploads in turn.* 10 bytes"):
        await budget.acquire(second, 5, 8)
    assert budget.used == 6
    assert not budget._waiters


async def test_another_tasks_part_is_waited_for() -> None:
    """It may be finished at any time."""
    budget = MemoryBudget(10)
    first, second = Reservation(), Reservation()
    await asyncio.create_task(budget.acquire(first, 6, 8))

    waiting = asyncio.create_task(budget.acquire(second, 5, 8))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.release(budget.detach(first))
    await waiting
    assert budget.used == 5


async def test_parts_in_flight_are_waited_for_also_by_a_task_that_feeds_several() -> None:
    """Their bytes come back by themselves."""
    budget = MemoryBudget(10)
    sent, first, second = Reservation(), Reservation(), Reservation()
    await budget.acquire(sent, 4, 4)
    in_flight = budget.detach(sent)

    async def feed_both() -> None:
        await budget.acquire(first, 2, 4)
        await budget.acquire(second, 5, 5)

    feeding = asyncio.create_task(feed_both())
    await turns(3)
    assert not feeding.done()
    budget.release(in_flight)
    await feeding
    assert budget.used == 7


async def test_a_part_of_another_task_that_has_ended_is_not_waited_for() -> None:
    """There is nobody left who could give anything back."""
    budget = MemoryBudget(10)
    ended, first, second = Reservation(), Reservation(), Reservation()
    await asyncio.create_task(budget.acquire(ended, 4, 4))
    budget.release(budget.detach(ended))
    await budget.acquire(first, 6, 8)
    with pytest.raises(ConfigurationError, match=r"one task feeds 2 uploads in turn.* 10 bytes"):
        await budget.acquire(second, 5, 8)


async def test_a_part_may_begin_that_can_be_filled_only_after_another() -> None:
    """What the small one holds comes back when it has been sent, and is enough for the large one."""
    memory, small, large = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(small, 1, 2)
    beginning = await wait_in_line(memory, large, 1, 10)
    assert beginning.done()
    going_on = await wait_in_line(memory, large, 9, 9)
    assert not going_on.done()
    await memory.acquire(small, 1, 1)
    memory.release(memory.detach(small))
    await going_on
    assert (memory.used, large.held) == (10, 10)


async def test_nobody_overtakes_who_lacks_only_what_is_in_flight() -> None:
    """Although there would be enough for the next in line: the first could wait for ever."""
    memory, holder, first, later = MemoryBudget(10), Reservation(), Reservation(), Reservation()
    await memory.acquire(holder, 6, 6)
    memory.detach(holder)
    waiting = await wait_in_line(memory, first, 5, 5)
    next_in_line = await wait_in_line(memory, later, 2, 2)
    assert not waiting.done()
    assert not next_in_line.done()
    memory.release(6)
    await asyncio.gather(waiting, next_in_line)
    assert memory.used == 7


@given(
    limit=st.integers(8, 12),
    wishes=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 8), st.integers(1, 4)), min_size=4, max_size=12),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_bytes_are_granted_at_once_if_all_parts_can_still_be_filled_and_only_then(
    limit: int, wishes: list[tuple[int, int, int]]
) -> None:
    """In whatever order they would have to be filled; every order is tried here."""

    async def run() -> None:
        memory, reservations, sizes = MemoryBudget(limit), [Reservation() for _ in range(4)], dict[int, int]()
        for number, size, piece in wishes:
            rest = sizes.setdefault(number, size) - reservations[number].held
            count = min(piece, rest)
            held = {other: reservations[other].held + count * (other == number) for other in sizes}
            asking = await wait_in_line(memory, reservations[number], count, rest)
            assert asking.done() is can_all_be_filled(limit, [(held[other], sizes[other]) for other in sizes])
            asking.cancel()
            await asyncio.wait({asking})

    asyncio.run(run())


def can_all_be_filled(limit: int, parts: list[tuple[int, int]]) -> bool:
    """Return whether parts of so many bytes, of which they hold so many, could be filled and sent one by one."""
    used = sum(held for held, _ in parts)
    if used > limit:
        return False
    return not parts or any(
        used - held + size <= limit and can_all_be_filled(limit, parts[:index] + parts[index + 1 :])
        for index, (held, size) in enumerate(parts)
    )


@dataclass
class Door:
    """A way out."""

    opened: bool = False
    will_open: bool = False

    def is_open(self) -> bool:
        return self.opened

    def may_open(self) -> bool:
        return self.will_open


async def stuck(limit: int = 10) -> tuple[MemoryBudget, Reservation]:
    """Let another task's source hold everything but a byte."""
    memory, holder = MemoryBudget(limit), Reservation()
    await asyncio.create_task(memory.acquire(holder, limit - 1, limit))
    return memory, holder


async def test_who_would_wait_for_a_source_is_shown_out() -> None:
    """At once, or when the way out opens; nothing is granted then."""
    memory, _ = await stuck()
    reservation, door = Reservation(), Door(opened=True)
    assert not await memory.acquire(reservation, 5, 10, door)
    door.opened = False
    waiting = asyncio.create_task(memory.acquire(reservation, 5, 10, door))
    await turns(3)
    memory.reconsider()
    await turns(3)
    assert not waiting.done()
    door.opened = True
    memory.reconsider()
    assert not await waiting
    assert (memory.used, reservation.held, len(memory._waiters)) == (9, 0, 0)


async def test_nobody_is_shown_out_for_want_of_what_is_in_flight() -> None:
    """That comes back without anybody's help."""
    memory, first = MemoryBudget(10), Reservation()
    await memory.acquire(first, 10, 10)
    memory.detach(first)
    reservation = Reservation()
    waiting = asyncio.create_task(memory.acquire(reservation, 5, 10, Door(opened=True)))
    await turns(3)
    assert not waiting.done()
    memory.release(10)
    assert await waiting
    assert reservation.held == 5


async def test_who_waited_for_what_is_in_flight_is_shown_out_when_another_takes_it() -> None:
    """The wait has become one for that one's source."""
    memory, flying, other, reservation = MemoryBudget(10), Reservation(), Reservation(), Reservation()
    await memory.acquire(flying, 10, 10)
    memory.detach(flying)
    before = await wait_in_line(memory, other, 9, 10)
    waiting = asyncio.create_task(memory.acquire(reservation, 5, 10, Door(opened=True)))
    await turns(3)
    assert not waiting.done()
    memory.release(10)
    await before
    assert not await waiting
    assert (other.held, reservation.held) == (9, 0)


async def test_who_is_cancelled_after_being_shown_out_leaves_all_as_it_is() -> None:
    """Also what it held before."""
    memory, reservation, holder, door = MemoryBudget(20), Reservation(), Reservation(), Door()
    await memory.acquire(reservation, 5, 10)
    await memory.acquire(holder, 14, 15)
    waiting = asyncio.create_task(memory.acquire(reservation, 5, 5, door))
    await turns(3)
    door.opened = True
    memory.reconsider()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert (memory.used, reservation.held, reservation.missing) == (19, 5, 5)


@pytest.mark.parametrize("will_open", [True, False])
async def test_a_way_out_that_may_open_is_waited_for(will_open: bool) -> None:
    """Even by the task whose own uploads hold all there is; else that is told."""
    memory, first, second = MemoryBudget(10), Reservation(), Reservation()
    await memory.acquire(first, 9, 10)
    door = Door(will_open=will_open)

    async def wait() -> bool:
        first.task = asyncio.current_task()
        return await memory.acquire(second, 5, 10, door)

    waiting = asyncio.create_task(wait())
    await turns(3)
    assert waiting.done() is not will_open
    if will_open:
        door.opened = True
        memory.reconsider()
        assert not await waiting
    else:
        assert isinstance(waiting.exception(), ConfigurationError)


class Counting(MemoryBudget):
    """Counts how often it is asked whether bytes may be granted without a deadlock."""

    questions = 0

    def _is_safe(self, reservation: Reservation, count: int) -> bool:
        self.questions += 1
        return super()._is_safe(reservation, count)


async def test_a_crowd_in_line_is_asked_about_once_for_each_kind() -> None:
    """However many wait alike: what one upload costs does not grow with the others."""
    memory, holders = Counting(100), [Reservation() for _ in range(9)]
    for holder in holders:
        await memory.acquire(holder, 10, 15)
    tasks = [asyncio.create_task(memory.acquire(Reservation(), 1, 15)) for _ in range(500)]
    await turns(3)
    assert memory.questions <= len(holders) + 2 * len(tasks)  # at once, and in line
    memory.questions, before = 0, sum(task.done() for task in tasks)
    for holder in holders[:3]:
        memory.release(memory.detach(holder))
    await turns(3)
    granted = sum(task.done() for task in tasks) - before
    assert granted >= 20
    assert memory.questions <= granted + 6 * 2  # six looks at the line, and a kind or two of those who wait
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@given(
    limit=st.integers(9, 24),
    asked=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.booleans()), max_size=60),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_parts_that_are_alike_are_all_counted(limit: int, asked: list[tuple[int, int, bool]]) -> None:
    """Five uploads fill parts of up to nine bytes, one after the other; full ones come back now and then."""

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


# what unfinished parts leave free


async def test_unfinished_parts_leave_a_reserve_to_whole_ones() -> None:
    """So those get memory although the sources of all others stall."""
    memory, reservation, other = MemoryBudget(20, 5), Reservation(), Reservation()
    await memory.acquire(reservation, 14, 15)
    waiting = await wait_in_line(memory, other, 1, 15)
    assert not waiting.done()
    assert (memory.stuck, memory.used) == (1, 14)
    await memory.acquire_whole(5)
    assert memory.used == 19
    memory.release(5)
    memory.release(memory.detach(reservation))
    await waiting
    assert (memory.used, memory.stuck) == (1, 0)


async def test_parts_in_flight_may_use_the_reserve() -> None:
    """They end by themselves."""
    memory, first, second = MemoryBudget(20, 5), Reservation(), Reservation()
    await memory.acquire(first, 15, 15)
    memory.detach(first)
    await memory.acquire(second, 5, 15)
    assert memory.used == 20


async def test_a_whole_part_waits_for_what_is_in_flight() -> None:
    """No other goes first, and a cancellation leaves nothing granted, also if it comes with the grant."""
    memory, flying, late = MemoryBudget(20, 5), Reservation(), Reservation()
    await memory.acquire(flying, 15, 15)
    memory.detach(flying)
    await memory.acquire_whole(5)
    whole = [asyncio.create_task(memory.acquire_whole(5)) for _ in range(3)]
    await turns(3)
    behind = await wait_in_line(memory, late, 1, 15)
    assert not any(task.done() for task in [*whole, behind])
    assert memory.stuck == 0
    whole[1].cancel()
    await turns(2)
    memory.release(10)
    whole[2].cancel()  # it has its grant, and does not know
    await asyncio.wait(whole)
    assert not whole[0].cancelled()
    assert whole[1].cancelled()
    assert whole[2].cancelled()
    await behind
    assert memory.used == 5 + 5 + 5 + 1


async def test_a_part_that_is_larger_than_the_rest_may_use_the_reserve() -> None:
    """Then what is read back waits for its source, which is told as being stuck."""
    memory, giant, small = MemoryBudget(20, 5), Reservation(), Reservation()
    await memory.acquire(giant, 17, 18)
    waiting = await wait_in_line(memory, small, 1, 10)
    whole = asyncio.create_task(memory.acquire_whole(5))
    await turns(3)
    assert not waiting.done()
    assert not whole.done()
    assert memory.stuck == 2
    memory.release(memory.detach(giant))
    await asyncio.gather(waiting, whole)
    assert memory.used == 6


async def test_who_has_a_way_out_that_may_open_is_not_stuck() -> None:
    """Parts in flight there end by themselves."""
    memory, _ = await stuck()
    door = Door(will_open=True)
    waiting = asyncio.create_task(memory.acquire(Reservation(), 5, 10, door))
    await turns(3)
    assert memory.stuck == 0
    door.will_open = False
    assert memory.stuck == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    assert memory.stuck == 0
