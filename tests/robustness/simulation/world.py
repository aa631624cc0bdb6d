"""World of one simulation: a driver on a simulated network, and the trace of its uploads."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from types import SimpleNamespace
from typing import Final
from unittest import mock

from aios3 import RetryPolicy, S3StorageDriver, Timeouts, TransferConfig
from aios3._client.client import OperationClient
from aios3._concurrency import threads
from aios3._concurrency.clock import Clock
from aios3._protocol.parts import part_buffer as cutter
from aios3._protocol.parts import part_plan as stream_plan
from aios3._protocol.wire.messages import Body
from aios3._protocol.wire.uri import Endpoint
from aios3._upload import bytes_upload as whole_upload
from aios3._upload.memory import part_assembler as filler
from aios3._upload.memory import segment_pool as segments
from aios3._upload.memory import spill
from aios3._upload.memory.spill import SpillFile
from aios3._upload.shared.engine import Engine, RunningUpload
from aios3._upload.source import readers as sources
from aios3.providers import Provider

from .faults import Faults
from .loop import VirtualLoop
from .schedule import Schedule, Trigger
from .store import BEGIN, Exchange, SimulatedStore
from .transport import SimulatedTransport

__all__ = ["World", "scaled"]

PROVIDER: Final = Provider(
    "simulated",
    min_part_size=1,
    checksums=frozenset({"crc32", "sha256"}),
    full_object_checksums=frozenset({"crc32"}),
    composite_checksums=frozenset({"crc32", "sha256"}),
)


class SimulatedFile(SpillFile):
    """Spill file on a disk of limited size. A disk of zero bytes refuses every file."""

    def __init__(self, size: int) -> None:
        super().__init__(None)
        self._size = size
        self._bytes = bytearray()

    def prepare(self, size: int) -> None:
        if not self._size:
            raise OSError(errno.EROFS, "Read-only file system")

    def write(self, pieces: Body, offset: int) -> None:
        joined = b"".join(pieces)
        self._bytes[offset : offset + len(joined)] = joined

    def read(self, pieces: Iterable[memoryview]) -> None:
        start = 0
        for piece in pieces:
            piece[:] = self._bytes[start : start + len(piece)]
            start += len(piece)


class _InOrder(dict[RunningUpload, None]):
    """Set that is iterated in the same order in every run."""

    add = dict.setdefault

    def discard(self, upload: RunningUpload) -> None:
        self.pop(upload, None)


class _Driver(S3StorageDriver):
    """Real driver, with a simulated transport."""

    def __init__(self, world: World, transfer: TransferConfig) -> None:
        super().__init__(world.provider, transfer=transfer)
        self._world = world

    async def _make_engine(self) -> Engine:
        world = self._world
        self._resources.push_async_callback(world.transport.aclose)
        client = OperationClient(
            transport=world.transport,
            endpoint=Endpoint.parse("http://store.test", "path"),
            region="us-east-1",
            credentials=None,
            policy=RetryPolicy(max_attempts=world.schedule.max_attempts, budget=world.schedule.budget),
            payload_signing="unsigned",
            clock=world.clock,
        )
        engine = Engine(client, world.provider, self._transfer, world.timeouts)
        if engine.spill is not None:
            engine.spill.make_file = lambda directory: SimulatedFile(world.schedule.disk or 0)
        engine.running = _InOrder()  # type: ignore[assignment]
        world.engines.append(engine)
        return engine


class World:
    """Environment of the uploads of one schedule."""

    def __init__(self, schedule: Schedule, loop: VirtualLoop) -> None:
        self.schedule = schedule
        self.loop = loop
        self.random = Random(schedule.seed + 1)
        self.timeouts = Timeouts(source=schedule.source_timeout)
        self.provider = dataclasses.replace(PROVIDER, complete_etag_is_final=schedule.final_etag)
        conditions = schedule.conditions
        self.store = SimulatedStore(
            loop, self.provider, skew=schedule.skew, resurrects=conditions.resurrects, forgets=schedule.forgets
        )
        faults = Faults(Random(schedule.seed + 2), Random(schedule.seed + 7), conditions)
        self.transport = SimulatedTransport(loop, self.store, faults, self.timeouts, self._step)
        self.clock = Clock(
            now=lambda: BEGIN + timedelta(seconds=loop.time()), monotonic=loop.time, random=Random(schedule.seed).random
        )
        self.engines: list[Engine] = []
        self.trace: list[tuple[float, int, str]] = []
        self.problems: list[str] = []
        self._on_step: dict[int, list[Callable[[], object]]] = {}
        self._steps = 0
        self.watch: Callable[[Exchange], None] = lambda exchange: None
        transfer = TransferConfig(
            part_size=schedule.part_size,
            memory_limit=schedule.memory_limit,
            spill_directory=None if schedule.disk is None else "auto",
            spill_limit=schedule.disk or 1 << 30,
            checksum=None,
            part_growth="fixed",
        )
        self.driver = _Driver(self, transfer)

    def note(self, text: object) -> None:
        """Write a line into the trace."""
        self.trace.append((self.loop.time(), self.loop.turns, str(text)))

    def blame(self, problem: str) -> None:
        """Record a broken promise."""
        self.problems.append(problem)
        self.note(f"BROKEN: {problem}")

    def at(self, trigger: Trigger, call: Callable[[], object]) -> None:
        """Run a call at a moment counted from now."""
        if trigger.unit == "turn":
            self.loop.at_turn(self.loop.turns + int(trigger.count), call)
        elif trigger.unit == "second":
            self.loop.call_later(trigger.count, call)
        else:
            self._on_step.setdefault(self._steps + int(trigger.count), []).append(call)

    def _step(self, what: str, exchange: Exchange) -> None:
        self.trace.append((self.loop.time(), self.loop.turns, f"{exchange} {what}"))
        for call in self._on_step.pop(self._steps, ()):
            self.loop.call_soon(call)
        self._steps += 1
        if what == "begins":
            self.watch(exchange)

    def tell(self) -> str:
        """Return the trace as text."""
        return "\n".join(f"{moment:12.6f} s  turn {turn:5}  {text}" for moment, turn, text in self.trace)


@contextmanager
def scaled(schedule: Schedule, loop: VirtualLoop) -> Iterator[None]:
    """Scale segments down to the parts, and let blocking iterators see the simulated time."""
    with (
        mock.patch.object(cutter, "SEGMENT_SIZE", schedule.segment_size),
        mock.patch.object(filler, "SEGMENT_SIZE", schedule.segment_size),
        mock.patch.object(segments, "SEGMENT_SIZE", schedule.segment_size),
        mock.patch.object(spill, "SEGMENT_SIZE", schedule.segment_size),
        mock.patch.object(stream_plan, "SEGMENT_SIZE", schedule.segment_size),
        mock.patch.object(whole_upload, "SEGMENT_SIZE", schedule.segment_size),
        mock.patch.object(threads, "_INLINE", schedule.inline_hashing),
        mock.patch.object(sources, "time", SimpleNamespace(monotonic=loop.time)),
    ):
        yield
