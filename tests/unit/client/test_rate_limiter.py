"""Tests of the rate limiter that all uploads of a driver share."""

from __future__ import annotations

import asyncio

import pytest

from aios3._client.attempts import Attempt
from aios3._client.rate_limiter import RateLimiter
from aios3._protocol.policies.retry import Retry
from aios3.errors import StorageError, ThrottledError, TransportError
from tests.support.fakes import FakeClock, turns

DONE: Attempt[None] = Attempt(None, None, None)


def slow_down() -> ThrottledError:
    return ThrottledError("slow down", operation="UploadPart", status=503, code="SlowDown")


def throttling() -> Attempt[None]:
    return Attempt(None, slow_down(), None)


class Scene:
    """A limiter, and requests that each stay in flight until `respond` gives their outcome."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limiter = RateLimiter(self.clock())
        self.order: list[int] = []
        self._responses: dict[int, asyncio.Future[Attempt[None]]] = {}
        self.tasks: list[asyncio.Task[Attempt[None]]] = []

    async def send(self, count: int = 1, failures: tuple[StorageError, ...] = ()) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._request(len(self.tasks), failures)))
        await turns(5)

    async def _request(self, number: int, failures: tuple[StorageError, ...]) -> Attempt[None]:
        began = self.limiter.enter_nowait()
        if began is None:
            began = await self.limiter.enter(failures)
        try:
            self.order.append(number)
            self._responses[number] = asyncio.get_running_loop().create_future()
            return self.limiter.record(began, await self._responses[number])
        finally:
            self.limiter.leave()

    async def respond(self, number: int, outcome: Attempt[None] = DONE) -> Attempt[None]:
        self._responses[number].set_result(outcome)
        recorded = await self.tasks[number]
        await turns(5)
        return recorded

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.limiter.in_flight == 0


@pytest.fixture
async def throttle():
    """Make scenes of `count` requests, of which the store has throttled the first; they are ended after the test."""
    made: list[Scene] = []

    async def make(count: int = 8, latency: float = 0.1) -> Scene:
        made.append(Scene())
        await made[-1].send(count)
        made[-1].clock.advance(latency)
        if count:
            await made[-1].respond(0, throttling())
        return made[-1]

    yield make
    for scene in made:
        await scene.end()


async def test_requests_without_throttling_do_not_wait(throttle):
    """Other failures have no effect."""
    scene = await throttle(0)
    assert RateLimiter(scene.clock()).enter_nowait() is not None
    await scene.send(300)
    await scene.respond(0)
    await scene.respond(1, Attempt(None, TransportError("reset"), None))
    await scene.send(10)
    assert len(scene.order) == 310
    assert scene.clock.slept == []


async def test_requests_after_throttling_are_spaced_at_half_the_sent_rate(throttle):
    """Eight requests of 0.1 s each are 80 a second."""
    scene = await throttle()
    for number in range(1, 8):
        await scene.respond(number)
    await scene.send(4)
    await turns(20)
    assert scene.order[8:] == [8, 9, 10, 11]
    assert scene.clock.slept == pytest.approx([1 / 40] * 4, abs=1e-3)


async def test_request_over_the_limit_in_flight_waits_for_a_departure(throttle):
    scene = await throttle()
    await scene.respond(1, throttling())
    await scene.send()
    await turns(20)
    assert scene.order[8:] == []
    await scene.respond(2)
    await turns(20)
    assert scene.order[8:] == [8]


async def test_waiting_requests_are_served_in_order(throttle):
    """A cancelled request between them changes nothing."""
    scene = await throttle(2)
    await scene.respond(1)
    await scene.send(2)
    await scene.send(3)
    scene.tasks[4].cancel()
    for number in (2, 3, 5):
        await turns(20)
        await scene.respond(number)
    await turns(20)
    assert scene.order[2:] == [2, 3, 5, 6]


async def test_cancelled_waiting_request_leaves_nothing_held(throttle):
    scene = await throttle(3)
    await scene.send(3)  # one waits for a departure, two in the queue
    for task in scene.tasks[3:5]:
        task.cancel()
        await turns(5)
    await scene.respond(1)
    await scene.respond(2)
    await turns(20)
    assert scene.order[3:] == [5]


async def test_cancellation_of_a_request_that_was_just_woken_lets_the_next_one_go(throttle):
    scene = await throttle(3)
    await scene.send(2)
    scene._responses[1].set_result(DONE)
    while scene.limiter.in_flight == 2:
        await asyncio.sleep(0)
    scene.tasks[3].cancel()  # it has been woken, and has not run yet
    await turns(20)
    assert scene.order[3:] == [4]


async def test_waiting_requests_go_at_once_when_the_limit_has_ended(throttle):
    """Later requests do not wait at all."""
    scene = await throttle(2)
    await scene.respond(1)
    scene.clock.advance(100)
    scene.clock.slept.clear()
    await scene.send(5)
    await turns(20)
    assert scene.order[2:] == [2, 3, 4, 5, 6]
    assert scene.clock.slept == []
    assert scene.limiter.enter_nowait() is not None
    scene.limiter.leave()


async def test_new_request_does_not_overtake_waiting_ones_when_the_limit_ends(throttle):
    scene = await throttle(3)
    await scene.send(2)
    scene.clock.advance(100)
    scene._responses[1].set_result(DONE)
    while len(scene.order) == 3:
        await asyncio.sleep(0)
    assert scene.limiter.enter_nowait() is None
    await turns(5)
    assert scene.order[3:] == [3, 4]


async def test_long_delay_is_slept_in_steps_of_a_second(throttle):
    """The rate may have changed in the meantime."""
    scene = await throttle(1, latency=10.0)
    await scene.send(1, (slow_down(),) * 3)
    await turns(20)
    assert scene.order == [0, 1]
    assert scene.clock.slept == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("failures", "gap"), [((slow_down(), TransportError("reset")), 1 / 40), ((slow_down(),) * 3, 3 / 40)]
)
async def test_request_throttled_several_times_waits_for_as_many_intervals(throttle, failures, gap):
    """Other failures do not count, and one throttling response changes nothing. The next request waits as usual."""
    scene = await throttle()
    await scene.respond(1)
    await scene.send(1, failures)
    await turns(20)
    assert sum(scene.clock.slept) == pytest.approx(gap, abs=1e-3)
    scene.clock.slept.clear()
    await scene.respond(2)
    await scene.send()
    await turns(20)
    assert scene.order[8:] == [8, 9]
    assert sum(scene.clock.slept) == pytest.approx(1 / 40, abs=1e-3)
    assert scene.limiter.rate.delay(scene.clock().monotonic()) == pytest.approx(1 / 40, abs=1e-3)


async def test_outcomes_of_a_burst_after_its_first_are_marked(throttle):
    """A burst is made of the requests that began before the first of them was throttled."""
    scene = await throttle()
    assert not scene.tasks[0].result().in_same_burst
    assert (await scene.respond(1, throttling())).in_same_burst
    assert not (await scene.respond(2, Attempt(None, TransportError("reset"), None))).in_same_burst
    assert not (await scene.respond(3)).in_same_burst
    scene.clock.advance(1)
    await scene.send()
    assert not (await scene.respond(8, throttling())).in_same_burst


@pytest.mark.parametrize(("charged", "gap"), [(0, 1 / 40), (2, 3 / 40), (100, 5 / 40)])
async def test_limited_request_waits_for_up_to_four_requests_charged_since_the_last(throttle, charged, gap):
    """More could keep it waiting without end."""
    scene = await throttle()
    for number in (8, 9):
        for _ in range(charged):
            scene.limiter.charge()
        await scene.send()
        await scene.respond(number - 7)
        await turns(20)
        assert scene.order[number:] == [number]
        assert sum(scene.clock.slept) == pytest.approx(gap, abs=1e-3)
        scene.clock.slept.clear()


class SlowSleep(FakeClock):
    """A clock on which each sleep lasts until it is cancelled."""

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("retry", "slept"),
    [
        (Retry(3.0, 5), [3.0]),
        (Retry(0.5, 5, min_delay=0.5), [0.5]),
        (Retry(7.0, 5, min_delay=7.0), [7.0]),
        (Retry(9.0, 5, min_delay=7.0), [7.0, 2.0]),
        (Retry(9.0, 5, min_delay=7.0, may_retry_early=True), [7.0]),
        (Retry(3.0, 5, may_retry_early=True), [1 / 40]),
        (Retry(0.01, 5, may_retry_early=True), [0.01]),
        (Retry(0.0, 5), []),
    ],
)
async def test_backoff_without_a_success_lasts_the_delay_or_until_the_rate_allows_a_retry(throttle, retry, slept):
    """The minimum delay is waited in any case. Backoff after another failure than throttling lasts the delay."""
    scene = await throttle()
    await scene.limiter.back_off(slow_down(), retry)
    assert scene.clock.slept == pytest.approx(slept)
    scene.clock.slept.clear()
    await scene.limiter.back_off(TransportError("reset"), Retry(3.0, 5, may_retry_early=True))
    assert scene.clock.slept == [3.0]


async def test_backoff_ends_when_a_later_request_succeeds() -> None:
    """A request that was sent before the throttling response does not end it."""
    scene = Scene()
    scene.clock = SlowSleep()
    scene.limiter = RateLimiter(scene.clock())
    await scene.send(3)
    scene.clock.advance(0.1)
    await scene.respond(0, throttling())
    backing_off = [asyncio.create_task(scene.limiter.back_off(slow_down(), Retry(8.0, 5))) for _ in range(3)]
    await turns(5)
    backing_off[1].cancel()
    await turns(5)
    assert backing_off[1].cancelled()
    await scene.respond(1)
    assert not backing_off[0].done()
    scene.clock.advance(1)
    await scene.send()
    await scene.respond(3)
    assert backing_off[0].done()
    assert backing_off[2].done()
    await scene.end()
    await turns(5)
    assert len(asyncio.all_tasks()) == 1
    assert scene.limiter._in_backoff == {}


async def test_cancelled_backoff_leaves_no_task() -> None:
    """Its task has ended before the caller gets the `CancelledError`."""
    scene = Scene()
    scene.clock = SlowSleep()
    scene.limiter = RateLimiter(scene.clock())
    await scene.send()
    await scene.respond(0, throttling())
    left: list[str] = []

    async def caller() -> None:
        try:
            await scene.limiter.back_off(slow_down(), Retry(8.0, 5))
        finally:
            left.extend(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("aios3"))

    backing_off = asyncio.create_task(caller())
    await turns(5)
    backing_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await backing_off
    assert left == []
