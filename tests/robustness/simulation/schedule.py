"""Schedule of one simulation as a value: everything that the seed decides beforehand."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from .faults import BEFORE, IN_200, LOST, REFUSED, Conditions
from .sources import ENDLESS, SHAPES, Kind, Shape

__all__ = ["PATIENCE", "Call", "Ending", "Schedule", "Trigger", "draw"]

Way = Literal["none", "cancel", "timeout", "anyio", "sibling", "close", "shutdown"]
WAYS: Final[tuple[Way, ...]] = (
    "none", "none", "none", "none", "cancel", "cancel", "cancel", "timeout", "anyio", "sibling", "close", "shutdown",
)  # fmt: skip
OPERATIONS: Final = (
    "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "CompleteMultipartUpload", "PutObject",
    "AbortMultipartUpload", "HeadObject",
)  # fmt: skip


PATIENCE: Final = 20_000.0
"""Seconds after which stalled sources are given up. By then every other upload has ended, at the slowest store."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Moment after the start, in turns of the loop, seconds, or steps of requests."""

    unit: Literal["turn", "second", "step"]
    count: float


@dataclass(frozen=True, slots=True)
class Ending:
    """Way and moments in which a call is ended; ``"none"`` lets it end by itself."""

    way: Way
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """Parameters of one upload."""

    key: str
    mode: Literal["stream", "writer", "tasks"]
    shape: Shape
    begins: float
    """Seconds after the start of the first upload."""
    concurrency: int
    size_error: int | None
    """Declared size minus real size; ``None`` declares none."""
    max_size: int | None
    checksum: Literal["crc32", "sha256"] | None
    mechanism: Literal["multipart", "stream"]
    ending: Ending
    progress: Literal["none", "sync", "async", "failing"]
    nonce: bool
    is_adaptive: bool
    """Whether the driver chooses the number of parts in flight, instead of `concurrency`."""

    @property
    def most_in_flight(self) -> int:
        return 32 if self.is_adaptive else self.concurrency

    @property
    def declared(self) -> int | None:
        return None if self.size_error is None else max(0, self.shape.size + self.size_error)

    @property
    def must_fail(self) -> bool:
        """Whether the source or its declared size makes the upload fail."""
        limit = self.shape.size if self.max_size is None else self.max_size
        fails = self.shape.fails_at is not None and (self.shape.can_fail or self.mode == "tasks")
        fails = fails or self.shape.stalls_at is not None
        return bool(fails or self.shape.size > limit or self.declared not in (None, self.shape.size))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Parameters of a driver, its uploads, and the world around them."""

    seed: int
    part_size: int
    segment_size: int
    inline_hashing: int
    memory_limit: int
    conditions: Conditions
    calls: tuple[Call, ...]
    skew: float
    forgets: bool
    final_etag: bool
    max_attempts: int
    budget: int
    is_eager: bool
    """Whether tasks are eager, which needs Python 3.12."""
    disk: int | None = 1 << 30
    """Bytes of parts that the disk takes; 0 refuses every file, and ``None`` switches spilling off."""
    source_timeout: float | None = None
    """`Timeouts.source` in seconds."""

    @property
    def has_disk(self) -> bool:
        """Whether every part can spill."""
        return (self.disk or 0) >= 1 << 30 and self.memory_limit >= 4 * self.part_size


def draw(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    random = Random(seed)
    part_size = random.choice((8, 16, 20, 33))
    calls = random.choice((1, 1, 1, 1, 2, 3))
    keys = [f"key-{number}" for number in range(calls)]
    limit = part_size * random.choice((1, 1, 2, 3, 8, 50))
    marks, trials, wholes = Random(seed + 4), Random(seed + 5), Random(seed + 6)
    conditions = _conditions(random)
    schedule = Schedule(
        seed=seed,
        part_size=part_size,
        segment_size=random.choice((4, 7, 16, 64)),
        inline_hashing=random.choice((0, 1000)),
        memory_limit=limit,
        conditions=conditions,
        calls=tuple(
            _perhaps_whole(
                _call(random, key, part_size, nonce=marks.random() < 0.1, is_adaptive=trials.random() < 0.2),
                wholes,
                part_size,
            )
            for key in keys
        ),
        skew=random.choice((0.0, 0.0, 0.7, -3.0, 7200.0)),
        forgets=random.random() < 0.3,
        final_etag=random.random() < 0.5,
        max_attempts=6 if conditions.is_kind else random.choice((1, 2, 4)),
        budget=500 if conditions.is_kind else random.choice((0, 20, 500)),
        is_eager=sys.version_info >= (3, 12) and Random(seed + 7).random() < 0.25,
    )
    crowds = Random(seed + 8)
    return _among_stalled_ones(schedule, crowds) if crowds.random() < 0.12 else schedule


def _among_stalled_ones(schedule: Schedule, random: Random) -> Schedule:
    """Return the schedule with a crowd of stalled sources, at a store where every upload can succeed."""
    part_size = schedule.part_size
    conditions = Conditions(random.choice((0.0, 0.1)), 2, random.choice((0.0, 0.01, 0.5)), cleanup_is_reachable=True)
    limit = part_size * random.choice((1, 2, 4, 8, 13))
    moving = tuple(
        replace(call, ending=Ending("none"), begins=call.begins + random.choice((0.0, 1.0, 100.0)))
        for call in schedule.calls
    )
    stalled = tuple(
        _stalled_call(random, f"stalled-{number}", part_size) for number in range(random.choice((1, 4, 14)))
    )
    return replace(
        schedule,
        conditions=conditions,
        memory_limit=limit,
        calls=(*stalled, *moving),
        max_attempts=6,
        budget=500,
        disk=random.choice((None, 0, 3 * part_size, 1 << 30)),
        source_timeout=random.choice((None, None, 60.0)),
    )


def _stalled_call(random: Random, key: str, part_size: int) -> Call:
    kinds: tuple[Kind, ...] = ("iterator", "generator", "reader")
    stalls_at = max(0, random.choice((0, 1, 1, 1, 2)) * part_size + random.choice((-1, 0, 0, 1)))
    shape = Shape(random.choice(kinds), 5 * part_size, (part_size, 3), (-1.0,), None, 0.0, stalls_at)
    call = _call(random, key, part_size, nonce=False, is_adaptive=False)
    return replace(
        call,
        shape=shape,
        begins=random.random(),
        size_error=random.choice((None, 0)),
        max_size=None,
        ending=Ending("cancel", (Trigger("second", PATIENCE),)),
        progress="none",
    )


def _conditions(random: Random) -> Conditions:
    slowest = random.choice((0.0, 0.01, 0.5, 8.0, 25.0))
    resurrects = random.random() < 0.7
    nature = random.random()
    if nature < 0.2:
        return Conditions(0.0, 0, slowest, cleanup_is_reachable=True, resurrects=resurrects)
    if nature < 0.65:
        rate = random.choice((0.05, 0.2, 0.5))
        return Conditions(rate, 2, slowest, cleanup_is_reachable=True, resurrects=resurrects)
    if nature < 0.85:
        rate = random.choice((0.1, 0.3, 0.6))
        final = random.choice((0.0, 0.05))
        return Conditions(rate, 20, slowest, cleanup_is_reachable=True, final_rate=final, resurrects=resurrects)
    operation = random.choice(OPERATIONS)
    kind = random.choice((*BEFORE, *LOST, *REFUSED, *IN_200.get(operation, ("denied",))))
    reachable = operation != "AbortMultipartUpload" and random.random() < 0.7
    rate = random.choice((0.0, 0.2))
    return Conditions(rate, 20, slowest, reachable, target=(operation, kind), resurrects=resurrects)


def _call(random: Random, key: str, part_size: int, *, nonce: bool, is_adaptive: bool) -> Call:
    way = random.choice(WAYS)
    shape = _shape(random, part_size, may_be_endless=way not in ("none",))
    declares = random.random()
    cap = random.random()
    mechanism: Literal["multipart", "stream"] = "stream" if random.random() < 0.1 else "multipart"
    return Call(
        key=key,
        mode=random.choice(("stream", "stream", "writer", "tasks")),
        shape=shape,
        begins=random.choice((0.0, 0.0, random.random(), random.random() * 30)),
        concurrency=random.choice((1, 1, 2, 3, 5)),
        size_error=None if declares < 0.6 else 0 if declares < 0.9 else random.choice((-3, -1, 1, 9)),
        max_size=None if cap < 0.85 else max(0, shape.size + random.choice((-1, 0, 5, -part_size))),
        checksum=random.choice((None, None, "crc32", "sha256")) if mechanism == "multipart" else None,
        mechanism=mechanism,
        ending=Ending(way, () if way == "none" else _triggers(random, way)),
        progress=random.choice(("none", "sync", "sync", "async", "async", "async", "async", "failing")),
        nonce=nonce,
        is_adaptive=is_adaptive,
    )


def _perhaps_whole(call: Call, random: Random, part_size: int) -> Call:
    """Return the call, or sometimes a call with bytes of one part and without progress."""
    if random.random() >= 0.15:
        return call
    size = random.choice((0, 1, part_size // 2, part_size - 1, part_size, part_size + 1))
    shape = replace(call.shape, kind="bytes", size=size)
    ending = Ending("close", _triggers(random, "close")) if random.random() < 0.2 else call.ending
    return replace(call, mode="stream", shape=shape, progress="none", ending=ending)


def _shape(random: Random, part_size: int, *, may_be_endless: bool) -> Shape:
    kind = random.choice(SHAPES)
    parts = random.choice((0, 1, 2, 2, 3, 3, 5, 5, 9, 14))
    size = max(0, parts * part_size + random.choice((0, 0, 1, -1, part_size // 2)))
    if may_be_endless and random.random() < 0.15 and kind not in ("list", "bytes"):
        size = ENDLESS
    chunks = tuple(
        random.choice((1, 3, part_size - 1, part_size, part_size, part_size + 1, 2 * part_size, 5 * part_size))
        for _ in range(random.choice((1, 1, 4)))
    )
    if random.random() < 0.2:
        chunks += (0,)
    pauses = random.choice(((-1.0,), (-1.0,), (0.0,), (0.0, -1.0), (0.01,), (0.0, 0.5, 3.0), (0.0, 0.0, 20.0)))
    fails_at = random.randrange(size + 1) if random.random() < 0.15 else None
    return Shape(kind, size, chunks, pauses, fails_at, random.choice((0.0, 0.0, 0.5)))


def _triggers(random: Random, way: Way) -> tuple[Trigger, ...]:
    times = random.choice((1, 1, 2, 3)) if way == "cancel" else 1
    return tuple(_trigger(random) for _ in range(times))


def _trigger(random: Random) -> Trigger:
    kind = random.random()
    if kind < 0.3:
        return Trigger("turn", random.randrange(random.choice((10, 60, 300))))
    if kind < 0.6:
        return Trigger("second", random.random() ** 3 * random.choice((0.1, 5.0, 150.0)))
    return Trigger("step", random.randrange(random.choice((6, 20, 60))))
