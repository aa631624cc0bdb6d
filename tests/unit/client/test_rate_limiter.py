"""While the store throttles, all go at one pace; and soon as fast as before."""

from __future__ import annotations

import asyncio

import pytest

from aios3._client.attempt import Attempt
from aios3._client.rate_limiter import RateLimiter
from aios3._protocol.policies.retry import Retry
from aios3.errors import StorageError, ThrottledError, TransportError
from tests.support.fakes import FakeClock, turns

DONE: Attempt[None] = Attempt(None, None, None)


def slow_down() -> ThrottledError:
    return ThrottledError("slow down", operation="UploadPart", status=503, code="SlowDown")


def refused() -> Attempt[None]:
    return Attempt(None, slow_down(), None)


class Scene:
    """A limiter, and requests that each are on their way until they are told what came of them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limiter = RateLimiter(self.clock())
        self.order: list[int] = []
        self._answers: dict[int, asyncio.Future[Attempt[None]]] = {}
        self.tasks: list[asyncio.Task[Attempt[None]]] = []

    async def send(self, count: int = 1, failures: tuple[StorageError, ...] = ()) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._request(len(self.tasks), failures)))
        await turns(5)

    async def _request(self, number: int, failures: tuple[StorageError, ...]) -> Attempt[None]:
        began = self.limiter.enter()
        if began is None:
            began = await self.limiter.wait(failures)
        try:
            self.order.append(number)
            self._answers[number] = asyncio.get_running_loop().create_future()
            return self.limiter.record(began, await self._answers[number])
        finally:
            self.limiter.leave()

    async def answer(self, number: int, outcome: Attempt[None] = DONE) -> Attempt[None]:
        self._answers[number].set_result(outcome)
        answered = await self.tasks[number]
        await turns(5)
        return answered

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.limiter.in_flight == 0


async def throttled(count: int = 8, latency: float = 0.1) -> Scene:
    """Return a scene in which as many were sent, and the first of them was refused."""
    scene = Scene()
    await scene.send(count)
    scene.clock.advance(latency)
    await scene.answer(0, refused())
    return scene


async def test_without_throttling_nobody_waits() -> None:
    """However many there are, whatever else comes of them."""
    scene = Scene()
    await scene.send(300)
    await scene.answer(0)
    await scene.answer(1, Attempt(None, TransportError("reset"), None))
    await scene.send(10)
    assert len(scene.order) == 310
    assert scene.clock.slept == []
    await scene.end()


async def test_after_a_refusal_requests_follow_one_another_at_a_pace() -> None:
    """Eight that took a tenth of a second were 80 a second: now it is half of that."""
    scene = await throttled()
    for number in range(1, 8):
        await scene.answer(number)
    await scene.send(4)
    await turns(20)
    assert scene.order[8:] == [8, 9, 10, 11]
    assert scene.clock.slept == pytest.approx([1 / 40] * 4, abs=1e-3)
    await scene.end()


async def test_too_many_on_their_way_are_waited_for_first() -> None:
    """The one refused was one too many, and so was the next."""
    scene = await throttled()
    await scene.answer(1, refused())
    await scene.send()
    await turns(20)
    assert scene.order[8:] == []
    await scene.answer(2)
    await turns(20)
    assert scene.order[8:] == [8]
    await scene.end()


async def test_who_waits_is_served_in_order() -> None:
    """First come, first served, also where somebody in between has given up."""
    scene = await throttled(2)
    await scene.answer(1)
    await scene.send(2)
    await scene.send(3)
    scene.tasks[4].cancel()
    for number in (2, 3, 5):
        await turns(20)
        await scene.answer(number)
    await turns(20)
    assert scene.order[2:] == [2, 3, 5, 6]
    await scene.end()


async def test_a_cancelled_waiter_leaves_nothing_held() -> None:
    """Wherever it waits: in the queue, for somebody to leave, or for its time."""
    scene = await throttled(3)
    await scene.send(3)  # one waits for somebody to leave, two for their turn
    for task in scene.tasks[3:5]:
        task.cancel()
        await turns(5)
    await scene.answer(1)
    await scene.answer(2)
    await turns(20)
    assert scene.order[3:] == [5]
    await scene.end()


async def test_a_cancellation_in_the_turn_of_being_let_go_gives_the_turn_on() -> None:
    """Nothing is lost between the two."""
    scene = await throttled(3)
    await scene.send(2)
    scene._answers[1].set_result(DONE)
    while scene.limiter.in_flight == 2:
        await asyncio.sleep(0)
    scene.tasks[3].cancel()  # it has been woken, and has not run yet
    await turns(20)
    assert scene.order[3:] == [4]
    await scene.end()


async def test_when_the_limit_ends_those_who_wait_go_first_and_then_nobody_waits() -> None:
    """It is found out by whoever asks next."""
    scene = await throttled(2)
    await scene.answer(1)
    scene.clock.advance(100)
    scene.clock.slept.clear()
    await scene.send(5)
    await turns(20)
    assert scene.order[2:] == [2, 3, 4, 5, 6]
    assert scene.clock.slept == []
    assert scene.limiter.enter() is not None
    scene.limiter.leave()
    await scene.end()


async def test_nobody_overtakes_those_who_wait_when_the_limit_ends() -> None:
    """Not even in the very turn in which the first of them goes."""
    scene = await throttled(3)
    await scene.send(2)
    scene.clock.advance(100)
    scene._answers[1].set_result(DONE)
    while len(scene.order) == 3:
        await asyncio.sleep(0)
    assert scene.limiter.enter() is None
    await turns(5)
    assert scene.order[3:] == [3, 4]
    await scene.end()


async def test_a_long_gap_is_looked_at_again() -> None:
    """The pace may have changed: nobody sleeps for more than a second at once."""
    scene = await throttled(1, latency=10.0)
    await scene.send(1, (slow_down(),) * 3)
    await turns(20)
    assert scene.order == [0, 1]
    assert scene.clock.slept == pytest.approx([1.0, 1.0, 1.0])
    await scene.end()


async def test_a_request_that_was_refused_more_often_is_left_a_longer_gap() -> None:
    """Other failures do not count; nor does the first refusal."""
    for failures, gap in (((slow_down(), TransportError("reset")), 1 / 40), ((slow_down(),) * 3, 3 / 40)):
        scene = await throttled()
        await scene.send(1, failures)
        await scene.answer(1)
        await turns(20)
        assert sum(scene.clock.slept) == pytest.approx(gap, abs=1e-3)
        await scene.end()


async def test_only_the_first_of_a_crowd_is_news() -> None:
    """Those begun before it was refused are marked, so that they cost the driver nothing."""
    scene = await throttled()
    assert not scene.tasks[0].result().in_same_burst
    assert (await scene.answer(1, refused())).in_same_burst
    assert not (await scene.answer(2, Attempt(None, TransportError("reset"), None))).in_same_burst
    assert not (await scene.answer(3)).in_same_burst
    scene.clock.advance(1)
    await scene.send()
    assert not (await scene.answer(8, refused())).in_same_burst
    await scene.end()


async def test_the_others_leave_time_for_those_that_overtake() -> None:
    """But not for so many that they could never go."""
    for overtaking, gap in ((0, 1 / 40), (2, 3 / 40), (100, 5 / 40)):
        scene = await throttled()
        for _ in range(overtaking):
            scene.limiter.charge()
        await scene.send()
        await scene.answer(1)
        await turns(20)
        assert scene.order[8:] == [8]
        assert sum(scene.clock.slept) == pytest.approx(gap, abs=1e-3)
        await scene.end()


class SlowSleep(FakeClock):
    """Whose sleepers sleep until they are cancelled."""

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


async def test_another_failure_is_slept_off() -> None:
    """As long as the retry says."""
    scene = Scene()
    await scene.limiter.back_off(TransportError("reset"), Retry(3.0, 5, may_retry_early=True))
    assert scene.clock.slept == [3.0]


@pytest.mark.parametrize(
    ("retry", "slept"),
    [
        (Retry(3.0, 5), [3.0]),
        (Retry(7.0, 5, min_delay=7.0), [7.0]),
        (Retry(9.0, 5, min_delay=7.0), [7.0, 2.0]),
        (Retry(9.0, 5, min_delay=7.0, may_retry_early=True), [7.0]),
        (Retry(3.0, 5, may_retry_early=True), [1 / 40]),
        (Retry(0.01, 5, may_retry_early=True), [0.01]),
        (Retry(0.0, 5), []),
    ],
)
async def test_a_rest_without_news(retry: Retry, slept: list[float]) -> None:
    """It lasts to its end, or, as long as there is hope, until the pace allows a request; at least as long as asked."""
    scene = await throttled()
    await scene.limiter.back_off(slow_down(), retry)
    assert scene.clock.slept == pytest.approx(slept)
    await scene.end()


async def test_a_rest_ends_when_something_comes_through() -> None:
    """Not when that was sent before the refusal."""
    scene = Scene()
    scene.clock = SlowSleep()
    scene.limiter = RateLimiter(scene.clock())
    await scene.send(3)
    scene.clock.advance(0.1)
    await scene.answer(0, refused())
    resting = [asyncio.create_task(scene.limiter.back_off(slow_down(), Retry(8.0, 5))) for _ in range(3)]
    await turns(5)
    resting[1].cancel()
    await turns(5)
    assert resting[1].cancelled()
    await scene.answer(1)
    assert not resting[0].done()
    scene.clock.advance(1)
    await scene.send()
    await scene.answer(3)
    assert resting[0].done()
    assert resting[2].done()
    await scene.end()
    await turns(5)
    assert len(asyncio.all_tasks()) == 1
    assert scene.limiter._in_backoff == {}


async def test_a_rest_that_is_cancelled_leaves_no_task_behind() -> None:
    """Not even for one turn: whoever was cancelled has ended by then."""
    scene = Scene()
    scene.clock = SlowSleep()
    scene.limiter = RateLimiter(scene.clock())
    await scene.send()
    await scene.answer(0, refused())
    left: list[str] = []

    async def caller() -> None:
        try:
            await scene.limiter.back_off(slow_down(), Retry(8.0, 5))
        finally:
            left.extend(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("aios3"))

    resting = asyncio.create_task(caller())
    await turns(5)
    resting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await resting
    assert left == []


def test_the_first_request_begins_at_once() -> None:
    """It need not even ask for its turn."""
    assert RateLimiter(FakeClock()()).enter() is not None


async def test_a_longer_gap_is_left_behind_a_request_that_was_refused_often_too() -> None:
    """What it took is missing to the next one."""
    scene = await throttled()
    await scene.answer(1)
    await scene.send(1, (slow_down(),) * 3)
    await turns(20)
    scene.clock.slept.clear()
    await scene.answer(2)
    await scene.send()
    await turns(20)
    assert scene.order[8:] == [8, 9]
    assert sum(scene.clock.slept) == pytest.approx(1 / 40, abs=1e-3)
    assert scene.limiter.pace.delay(scene.clock().monotonic()) == pytest.approx(1 / 40, abs=1e-3)
    await scene.end()


async def test_who_waited_has_been_left_time_for_by_those_that_overtook() -> None:
    """Those that overtake from then on are counted anew."""
    scene = await throttled()
    for _ in range(100):
        scene.limiter.charge()
    await scene.send()
    await scene.answer(1)
    await turns(20)
    assert scene.order[8:] == [8]
    scene.clock.slept.clear()
    for _ in range(100):
        scene.limiter.charge()
    await scene.send()
    await scene.answer(2)
    await turns(20)
    assert scene.order[9:] == [9]
    assert sum(scene.clock.slept) == pytest.approx(5 / 40, abs=1e-3)
    await scene.end()


async def test_half_a_second_that_the_store_asked_for_is_waited() -> None:
    """However short, and whatever comes through meanwhile."""
    scene = await throttled()
    await scene.limiter.back_off(slow_down(), Retry(0.5, 5, min_delay=0.5))
    assert scene.clock.slept == [0.5]
    await scene.end()
