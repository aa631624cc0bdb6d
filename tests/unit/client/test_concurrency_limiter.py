"""Parts of all adaptive uploads go through one limiter, first come, first served."""

from __future__ import annotations

import asyncio

import pytest

from aios3._client.concurrency_limiter import ConcurrencyLimiter, Permit
from aios3.errors import ThrottledError, TransportError
from tests.support.fakes import FakeClock, turns


class Scene:
    """A limiter whose search stays where it is put."""

    def __init__(self, level: int = 2) -> None:
        self.clock = FakeClock()
        self.limiter = ConcurrencyLimiter(self.clock().monotonic)
        self.limiter.search.level = level


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def four() -> Scene:
    """A limiter at level 4."""
    return Scene(level=4)


def _slow_down() -> ThrottledError:
    return ThrottledError("less, please", operation="UploadPart", status=503)


async def run_round(scene: Scene, *, seconds: float, size: int = 100) -> None:
    """Let as many parts through as the level says, with one more that has to wait for them."""
    passes = [await scene.limiter.enter() for _ in range(scene.limiter.search.level)]
    waiting = asyncio.create_task(scene.limiter.enter())
    await turns()
    scene.clock.advance(seconds)
    for held in passes:
        scene.limiter.leave(held, size)
    scene.limiter.leave(await waiting, None)


async def crowd(limiter: ConcurrencyLimiter, count: int) -> list[asyncio.Task[Permit]]:
    tasks = [asyncio.create_task(limiter.enter()) for _ in range(count)]
    await turns()
    return tasks


async def test_as_many_go_through_as_the_level_says(scene: Scene) -> None:
    """The others wait, and each that comes back lets the next one in, in their order."""
    first, second, third, fourth = await crowd(scene.limiter, 4)
    assert [task.done() for task in (first, second, third, fourth)] == [True, True, False, False]
    scene.limiter.leave(first.result(), 10)
    await turns()
    assert third.done()
    assert not fourth.done()
    scene.limiter.leave(second.result(), None)
    await turns()
    assert fourth.done()
    assert scene.limiter.in_flight == 2


async def test_a_new_part_does_not_overtake_a_waiting_one(scene: Scene) -> None:
    first, _, waiting = await crowd(scene.limiter, 3)
    scene.limiter.leave(first.result(), None)
    late = asyncio.create_task(scene.limiter.enter())
    await turns()
    assert waiting.done()
    assert not late.done()
    late.cancel()


async def test_a_higher_level_lets_several_in(scene: Scene) -> None:
    tasks = await crowd(scene.limiter, 6)
    scene.limiter.search.level = 5
    scene.limiter.leave(tasks[0].result(), None)
    await turns()
    assert [task.done() for task in tasks] == [True] * 6
    assert scene.limiter.in_flight == 5


async def test_a_lower_level_lets_no_part_in_before_enough_came_back(scene: Scene) -> None:
    tasks = await crowd(scene.limiter, 3)
    scene.limiter.search.level = 1
    scene.limiter.leave(tasks[0].result(), None)
    await turns()
    assert not tasks[2].done()
    scene.limiter.leave(tasks[1].result(), None)
    await turns()
    assert tasks[2].done()


async def test_a_cancelled_wait_holds_nothing(scene: Scene) -> None:
    """Neither before it was served nor in the same turn."""
    first, second, third, fourth = await crowd(scene.limiter, 4)
    third.cancel()
    scene.limiter.leave(first.result(), None)
    await turns()
    assert (third.cancelled(), fourth.done(), scene.limiter.in_flight) == (True, True, 2)
    fifth, sixth = await crowd(scene.limiter, 2)
    scene.limiter.leave(second.result(), None)
    fifth.cancel()  # it has its pass by now, and does not know
    await turns()
    assert (fifth.cancelled(), sixth.done(), scene.limiter.in_flight) == (True, True, 2)


async def test_a_stored_part_raises_the_level_and_throttling_ends_the_trial(four):
    await run_round(four, seconds=1.0)
    assert four.limiter.search.level == 8
    four.limiter.leave(await four.limiter.enter(), 100, [_slow_down()])
    assert four.limiter.search.level == 4


@pytest.mark.parametrize(
    ("size", "failures", "level"),
    [
        (None, [], 4),
        (100, [_slow_down()], 4),
        (100, [TransportError("reset")], 3),
        (100, [_slow_down(), TransportError("reset")], 3),
    ],
    ids=["not stored", "throttled", "trouble", "both"],
)
async def test_trouble_lowers_the_level_and_nothing_else_than_a_stored_part_is_a_sample(four, size, failures, level):
    four.limiter.leave(await four.limiter.enter(), size, failures)
    for _ in range(40 if level == 4 else 0):
        four.limiter.leave(await four.limiter.enter(), size, failures)
    assert four.limiter.search.level == level
    assert failures or four.limiter.search.epoch == 0


@pytest.mark.parametrize(("seconds", "level", "epoch"), [(0.06, 3, 1), (0.05, 4, 0)])
async def test_a_loop_that_lags_lowers_the_level(seconds, level, epoch):
    scene = Scene(level=1)
    first, waiting = await crowd(scene.limiter, 2)
    scene.limiter.search.level = 4
    scene.limiter.leave(first.result(), None)
    scene.clock.advance(seconds)
    await waiting
    assert (scene.limiter.search.level, scene.limiter.search.epoch) == (level, epoch)
    scene.limiter.leave(waiting.result(), None)


async def test_seconds_are_counted_from_the_pass(four):
    """Whenever that was: parts that take as long as before are no gain at twice the level."""
    four.clock.advance(1000.0)
    for seconds in (1.0, 2.0):
        await run_round(four, seconds=seconds)
    assert four.limiter.search.level == 4
