"""Rounds of uploads with faults, and moments of rest between them at which nothing may have grown."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

from aios3 import Credentials, RetryPolicy, S3StorageDriver, Timeouts, TransferConfig
from aios3.options import MIB

from .gauges import Gauges, growth, let_memory_go, print_gauges, read_gauges
from .plan import PART, draw_plan
from .upload import BUCKET, Outcome, run_and_judge

__all__ = ["Soak", "Target"]

_DRIVERS: Final = 4
_MEMORY_LIMIT: Final = 64 * MIB
_ROUND_PATIENCE: Final = 300.0
"""Seconds in which the uploads of a round must end after the last has started."""
_TIMEOUTS: Final = Timeouts(connect=4, send=4, read=5, complete=10, cleanup=25)


@dataclass(frozen=True)
class Target:
    """Store, reached with faults or without."""

    provider: str
    region: str
    credentials: Credentials
    direct_url: str
    faulty_url: str
    process_ids: tuple[int, ...] = ()

    def driver(self, *, with_faults: bool, attempts: int = 6) -> S3StorageDriver:
        """Make a driver."""
        return S3StorageDriver(
            self.provider,
            endpoint_url=self.faulty_url if with_faults else self.direct_url,
            region=self.region,
            credentials=self.credentials,
            transfer=TransferConfig(part_size=PART, concurrency=4, memory_limit=_MEMORY_LIMIT),
            retry=RetryPolicy(max_attempts=attempts, base_delay=0.05, throttle_base_delay=0.2, max_delay=2),
            timeouts=_TIMEOUTS if with_faults else Timeouts(),
        )


@dataclass
class Soak:
    """Run of the soak."""

    target: Target
    seed: int
    workers: int
    """Number of uploads at once."""
    allowed_growth: int = 2 * MIB
    """Bytes by which memory in use may grow between the first and the last moment of rest."""
    allowed_holes: int = 128 * MIB
    """Bytes by which resident memory may grow, because the allocator keeps holes."""
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    """Event that ends the run early."""
    rests: list[Gauges] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    """Number of uploads by ending."""
    facts: Counter[str] = field(default_factory=Counter)
    """Number of other events."""
    slowest_end: float = 0.0
    """The longest time in seconds that a cancelled upload took to end."""
    _begun: int = 0
    _finished: int = 0
    _unsure: set[str] = field(default_factory=set)
    """Keys of this round that may be committed after an error, or a second time."""
    _told: list[tuple[str, str]] = field(default_factory=list)
    """Keys and notes of the failed uploads of this round."""
    _drivers: list[S3StorageDriver] = field(default_factory=list)
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Event after which this round starts no upload."""

    async def run(self, seconds: float, rounds: int) -> None:
        """Run a short warm-up, then `rounds` that take `seconds` together, and check growth."""
        asyncio.get_running_loop().set_exception_handler(self._hear)
        print_gauges(None)
        async with self.target.driver(with_faults=False) as control:
            await control.create_container(BUCKET)
        each = seconds / (rounds + 0.5)
        for number in range(rounds + 1):
            if number and self.interrupted.is_set():
                break
            await self._round(number, each if number else each / 2)
        self.problems += growth(self.rests, self.allowed_growth, self.allowed_holes)

    def _hear(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Record an unhandled error of the loop as a problem."""
        self.problems.append(f"the event loop reported: {context['message']}: {context.get('exception')!r}")

    async def _round(self, number: int, seconds: float) -> None:
        random = Random(f"{self.seed}/round {number}")
        self._told.clear()
        self._unsure.clear()
        async with self.target.driver(with_faults=False) as control:
            async with AsyncExitStack() as stack:
                self._drivers = [self._make_driver(slot) for slot in range(_DRIVERS)]
                stack.push_async_callback(self._close_drivers)
                await self._let_work(number, seconds, control, random)
            left = await self._find_leftovers(control)
        self._drivers = []
        await asyncio.sleep(0.2)  # the loop releases closed connections in its next turns
        let_memory_go()
        self.rests.append(self._gauges(f"rest {number}", left))
        print_gauges(self.rests[-1])

    async def _let_work(self, number: int, seconds: float, control: S3StorageDriver, random: Random) -> None:
        self._is_over.clear()
        workers = [
            asyncio.create_task(self._work(control, worker), name="soak: worker") for worker in range(self.workers)
        ]
        closers = [
            asyncio.create_task(self._close_now_and_then(slot, Random(f"{random.random()}")), name="soak: closer")
            for slot in range(_DRIVERS)
        ]
        ticking = asyncio.create_task(self._tick(number, control), name="soak: ticking")
        with suppress(TimeoutError):
            await asyncio.wait_for(self.interrupted.wait(), seconds)
        self._is_over.set()
        _, late = await asyncio.wait([*workers, *closers], timeout=_ROUND_PATIENCE)
        if late:
            self.problems.append(f"{len(late)} tasks of round {number} did not end: {sorted(map(str, late))[:3]}")
        for task in (ticking, *late):
            task.cancel()
        for result in await asyncio.gather(*workers, *closers, ticking, return_exceptions=True):
            if isinstance(result, Exception):
                self.problems.append(f"round {number}: {result!r}")

    async def _work(self, control: S3StorageDriver, worker: int) -> None:
        while not self._is_over.is_set():
            plan = draw_plan(self.seed, self._begun)
            self._begun += 1
            driver = self._drivers[worker % _DRIVERS]
            self._note(await run_and_judge(plan, driver, control))

    def _note(self, outcome: Outcome) -> None:
        self._finished += 1
        self.words[outcome.word] += 1
        self.facts["retries of committed uploads"] += outcome.receipt.retries if outcome.receipt else 0
        self.facts["bytes committed"] += outcome.receipt.size if outcome.receipt else 0
        self.slowest_end = max(self.slowest_end, outcome.seconds_to_end)
        self.problems += outcome.problems
        # A repeated commit can be processed twice, and the late one makes the same object again.
        was_repeated = outcome.receipt is not None and outcome.receipt.retries > 0
        if was_repeated or (outcome.error is not None and outcome.may_be_committed):
            self._unsure.add(outcome.plan.key)
        if outcome.notes:
            self._told.append((outcome.plan.key, outcome.notes))

    def _make_driver(self, slot: int) -> S3StorageDriver:
        return self.target.driver(with_faults=True, attempts=3 if slot == 0 else 6)

    async def _close_now_and_then(self, slot: int, random: Random) -> None:
        while not self._is_over.is_set():
            for _ in range(random.randint(20, 80)):
                await asyncio.sleep(0.1)
                if self._is_over.is_set():
                    return
            driver, self._drivers[slot] = self._drivers[slot], self._make_driver(slot)
            engine = driver._engine
            await driver.aclose(grace=random.choice((0, 0, 1)))
            self.facts["drivers closed while they ran"] += 1
            if engine is not None and (engine.memory.used or engine.running or engine.pool.idle_bytes):
                self.problems.append(f"a closed driver still holds {engine.memory.used} bytes for {engine.running}")

    async def _close_drivers(self) -> None:
        for driver in self._drivers:
            engine = driver._engine
            if engine is not None and (engine.memory.used or engine.known_uploads):
                self.problems.append(
                    f"after all have ended {engine.memory.used} bytes are held: {engine.known_uploads}"
                )
            await driver.aclose()

    async def _tick(self, number: int, control: S3StorageDriver) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(5)
            open_uploads = [found async for found in control.iterate_multipart_uploads(BUCKET)]
            gauges = self._gauges(f"{number}: {time.monotonic() - began:.0f} s", len(open_uploads))
            self.facts["most bytes held at once"] = max(self.facts["most bytes held at once"], gauges.held)
            print_gauges(gauges)
            for driver in self._drivers:
                if driver._engine is not None and driver._engine.memory.used > _MEMORY_LIMIT:
                    self.problems.append(f"{driver._engine.memory.used} bytes are held")

    def _gauges(self, moment: str, open_uploads: int) -> Gauges:
        return read_gauges(moment, self._finished, self._drivers, self.target.process_ids, open_uploads)

    async def _find_leftovers(self, control: S3StorageDriver) -> int:
        """Return the number of open uploads that no error's note named. Abort all, and delete late objects."""
        await asyncio.sleep(1)  # requests in flight have reached the store
        untold = 0
        for found in [found async for found in control.iterate_multipart_uploads(BUCKET)]:
            notes = [notes for key, notes in self._told if key == found.key]
            if any(found.upload_id in text or "was lost" in text for text in notes):
                self.facts["uploads left open, and reported to the caller"] += 1
            else:
                untold += 1
                self.problems.append(f"{found} was left open; notes: {notes}")
        await control.cleanup_multipart_uploads(BUCKET, older_than=timedelta())
        for late in [late async for late in control.iterate_container_objects(BUCKET)]:
            self.facts["objects that came after their upload's end"] += 1  # a PutObject that was cancelled in flight
            if late.key not in self._unsure:
                self.problems.append(f"{late} came after its upload's end")
            await control.delete_object(BUCKET, late.key)
        return untold
