"""Run of the simulation of one seed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from .calls import Upload
from .loop import StuckError, VirtualLoop
from .promises import broken_by_the_driver, broken_by_the_world, broken_by_upload, watch_bounds
from .schedule import Schedule, draw
from .sources import SimulatedSource
from .store import BUCKET
from .world import World, scaled

__all__ = ["Result", "simulate"]

_LONG_AFTER = 400.0
"""Seconds, longer than any delayed request needs to arrive."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one simulation."""

    schedule: Schedule
    problems: list[str]
    trace: str
    turns: int
    requests: int
    seconds: float
    """Simulated seconds."""


def simulate(seed: int) -> Result:
    """Run the schedule of a seed, and check every promise."""
    schedule = draw(seed)
    threads = Random(seed + 3)
    loop = VirtualLoop(lambda: (threads.choice((0, 1, 5)), threads.random() < 0.5), is_eager=schedule.is_eager)
    world = World(schedule, loop)
    with scaled(schedule, loop):
        try:
            loop.run(_run(world))
        except StuckError as error:
            world.blame(f"stuck: {error}")
    problems = list(world.problems)
    return Result(schedule, problems, world.tell(), loop.turns, world.transport.begun, loop.time())


async def _run(world: World) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.set_name("simulation")
    uploads = [_prepare(world, number) for number in range(len(world.schedule.calls))]
    world.watch = lambda exchange: watch_bounds(world, uploads, exchange)
    runs = [asyncio.create_task(upload.run(), name=f"simulation of {upload.call.key}") for upload in uploads]
    await asyncio.wait(runs)
    for run in runs:
        run.result()
    for upload in uploads:
        for problem in broken_by_upload(upload):
            world.blame(f"{upload.call.key}: {problem}")
    for problem in broken_by_the_driver(world):
        world.blame(problem)
    await world.driver.aclose()
    requests = world.transport.begun
    await asyncio.sleep(_LONG_AFTER)
    for problem in broken_by_the_world(world, uploads):
        world.blame(problem)
    if world.transport.begun != requests:
        world.blame("requests were sent long after the end")


def _prepare(world: World, number: int) -> Upload:
    call = world.schedule.calls[number]
    random = Random(world.schedule.seed * 10 + number)
    old = random.choice((None, b"what the key held before"))
    if old is not None:
        _put(world, call.key, old)
    return Upload(world, call, SimulatedSource(call.shape, random), old)


def _put(world: World, key: str, body: bytes) -> None:
    from aios3.testing.store.state import StoredObject

    world.store.state.objects[BUCKET, key] = StoredObject(len(body), '"old"', {}, world.store.now(), pieces=(body,))
