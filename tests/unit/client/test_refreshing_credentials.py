"""Credentials that are fetched once for all callers, kept, and renewed in time."""

from __future__ import annotations

import asyncio
import gc
import time
import traceback
from datetime import timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3.credentials import Credentials, RefreshableCredentials
from aios3.errors import ConfigurationError, CredentialsError, DriverClosedError
from tests.support.fakes import FakeClock, turns

HOUR = 3600.0


class Source:
    """Gives numbered credentials that live so long; holds its answer back while the gate is closed."""

    def __init__(self, clock: FakeClock, life: float | None = HOUR) -> None:
        self.clock = clock
        self.life = life
        self.calls = 0
        self.cancelled = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()

    async def __call__(self) -> Credentials:
        self.calls += 1
        number = self.calls
        self.called.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        expires_at = None if self.life is None else self.clock.moment + timedelta(seconds=self.life)
        return Credentials(f"KEY{number}", "hidden-secret", "hidden-token", expires_at)

    def close_gate(self) -> None:
        self.gate.clear()
        self.called.clear()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def source(clock):
    return Source(clock)


@pytest.fixture
async def refreshing(source, clock):
    return RefreshingCredentials(source, clock=clock(), name="test credentials")


async def key(provider: RefreshingCredentials) -> str:
    return (await provider.get_credentials()).access_key_id


async def waiting(provider: RefreshingCredentials, source: Source, count: int = 1) -> list[asyncio.Task[str]]:
    """Return so many callers that wait for a fetch which the closed gate of `source` holds."""
    source.close_gate()
    waiters = [asyncio.ensure_future(key(provider)) for _ in range(count)]
    await source.called.wait()
    return waiters


class SlowToEnd:
    """Fetch whose first call ends only some time after it was cancelled; later calls succeed."""

    def __init__(self) -> None:
        self.calls = 0
        self.ending, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> Credentials:
        self.calls += 1
        if self.calls == 1:
            try:
                await asyncio.Event().wait()
            finally:
                self.ending.set()
                await self.may_end.wait()
        return Credentials(f"KEY{self.calls}", "hidden-secret")


async def test_a_hundred_waiters_are_one_fetch(refreshing, source):
    waiters = await waiting(refreshing, source, 100)
    source.gate.set()
    assert await asyncio.gather(*waiters) == ["KEY1"] * 100
    assert source.calls == 1


@pytest.mark.parametrize(
    ("life", "early", "late"), [(12 * HOUR, 15 * 60, 10 * 60), (HOUR, 15 * 60, 10 * 60), (12 * 60, 3 * 60, 2 * 60)]
)
async def test_before_the_end_one_caller_fetches_and_later_all_wait_for_it(source, clock, life, early, late):
    source.life = life
    provider = RefreshingCredentials(source, clock=clock())
    await key(provider)
    clock.advance(life - early - 1)
    assert await key(provider) == "KEY1"
    assert source.calls == 1
    clock.advance(1)
    first = await waiting(provider, source)
    clock.advance(early - late - 1)
    assert [await asyncio.wait_for(key(provider), 30) for _ in range(50)] == ["KEY1"] * 50
    clock.advance(1)
    others = [asyncio.ensure_future(key(provider)) for _ in range(50)]
    await turns()
    assert not any(other.done() for other in others)
    source.gate.set()
    assert await asyncio.gather(*first, *others) == ["KEY2"] * 51
    assert source.calls == 2


@given(life=st.floats(1, 12 * HOUR), requests=st.integers(1, 60))
def test_short_lives_do_not_cause_a_fetch_per_request(life, requests):
    """Whatever the life, steady requests over one life fetch at most twice, and never get expired ones."""

    async def run() -> None:
        clock = FakeClock()
        source = Source(clock, life)
        provider = RefreshingCredentials(source, clock=clock())
        for _ in range(requests):
            credentials = await provider.get_credentials()
            assert credentials.expires_at is not None
            assert credentials.expires_at > clock.moment
            clock.advance(life / requests)
        assert source.calls <= 2

    asyncio.run(run())


async def test_credentials_without_an_end_are_kept(source, clock):
    source.life = None
    provider = RefreshingCredentials(source, clock=clock())
    await key(provider)
    clock.advance(1e9)
    assert await key(provider) == "KEY1"


async def test_invalidated_credentials_are_fetched_again_once(refreshing, source):
    refreshing.invalidate(Credentials("a", "b"))
    old = await refreshing.get_credentials()
    refreshing.invalidate(old)
    refreshing.invalidate(old)
    assert await asyncio.gather(*(key(refreshing) for _ in range(10))) == ["KEY2"] * 10
    refreshing.invalidate(old)
    assert await key(refreshing) == "KEY2"
    assert source.calls == 2


async def test_a_failing_early_fetch_is_no_error_until_the_old_credentials_end(refreshing, source, clock):
    """All go on with the old ones, and the next try is a minute later, until they expire."""
    await key(refreshing)
    source.failure = CredentialsError("no", operation="AssumeRole", status=400)
    clock.advance(45 * 60)
    assert await key(refreshing) == "KEY1"
    assert [await key(refreshing) for _ in range(20)] == ["KEY1"] * 20
    assert source.calls == 2
    clock.advance(60)
    assert await key(refreshing) == "KEY1"
    assert source.calls == 3
    clock.advance(14 * 60 - 1)
    assert await key(refreshing) == "KEY1"
    clock.advance(1)
    with pytest.raises(CredentialsError):
        await key(refreshing)
    source.failure = None
    assert await key(refreshing) == "KEY6"


@pytest.mark.parametrize(("life", "pause"), [(12 * HOUR, 60), (HOUR, 60), (15 * 60, 15)])
async def test_after_a_failure_the_source_has_a_rest(source, clock, life, pause):
    """A minute, and of shorter lives as much less as they are shorter."""
    source.life = life
    provider = RefreshingCredentials(source, clock=clock())
    await key(provider)
    source.failure = OSError("disk")
    clock.advance(life - pause * 15)
    calls = []
    for seconds in (0, pause - 1, 1):
        clock.advance(seconds)
        assert await key(provider) == "KEY1"
        calls.append(source.calls)
    assert calls == [2, 2, 3]


@pytest.mark.parametrize("is_during", [False, True])
async def test_a_failing_fetch_after_a_refusal_is_an_error(refreshing, source, clock, is_during):
    old = await refreshing.get_credentials()
    clock.advance(45 * 60)
    source.failure = OSError("disk")
    if not is_during:
        refreshing.invalidate(old)
    (waiter,) = await waiting(refreshing, source)
    refreshing.invalidate(old)
    source.gate.set()
    with pytest.raises(OSError, match="disk"):
        await waiter


async def test_each_waiter_gets_an_error_of_its_own(refreshing, source):
    """Notes that one upload adds are not in the error of another; everything else is the same."""
    source.failure = CredentialsError("no", operation="AssumeRole", status=400, code="X")
    source.failure.add_note("first note")
    source.failure.__cause__ = OSError("why")
    waiters = await waiting(refreshing, source, 3)
    source.gate.set()
    errors = await asyncio.gather(*waiters, return_exceptions=True)
    errors[0].add_note("mine")
    assert [str(error) for error in errors] == [str(source.failure)] * 3
    assert [error.code for error in errors] == ["X"] * 3
    assert [str(error.__cause__) for error in errors] == ["why"] * 3
    assert {traceback.extract_tb(error.__traceback__)[-1].name for error in errors} == {"__call__"}
    assert errors[1].__notes__ == ["first note"]
    assert errors[0].__notes__ == ["first note", "mine"]


async def test_a_cancelled_waiter_takes_nothing_from_the_others(refreshing, source):
    first, second = await waiting(refreshing, source, 2)
    first.cancel()
    await asyncio.wait({first})
    source.gate.set()
    assert await second == "KEY1"
    assert first.cancelled()
    assert (source.calls, source.cancelled) == (1, 0)


async def test_a_fetch_that_has_no_waiter_left_is_cancelled_and_joined(refreshing, source):
    before = asyncio.all_tasks()
    (waiter,) = await waiting(refreshing, source)
    waiter.cancel()
    await asyncio.wait({waiter})
    assert waiter.cancelled()
    assert asyncio.all_tasks() == before
    assert source.cancelled == 1
    source.gate.set()
    assert await key(refreshing) == "KEY2"


async def test_a_call_during_the_end_of_a_fetch_begins_another(clock):
    fetch = SlowToEnd()
    provider = RefreshingCredentials(fetch, clock=clock())
    waiter = asyncio.ensure_future(key(provider))
    await turns()
    waiter.cancel()
    await fetch.ending.wait()
    assert await key(provider) == "KEY2"
    waiter.cancel()
    await turns()
    assert not waiter.done()
    fetch.may_end.set()
    await asyncio.wait({waiter})
    assert waiter.cancelled()


async def test_a_cancelled_anyio_scope_leaves_no_fetch(refreshing, source):
    source.close_gate()
    before = asyncio.all_tasks()
    with anyio.move_on_after(0) as scope:
        await key(refreshing)
    assert scope.cancelled_caught
    assert asyncio.all_tasks() == before


async def test_closing_ends_the_running_fetch_and_its_waiters(refreshing, source):
    await refreshing.aclose()
    before = asyncio.all_tasks()
    waiters = await waiting(refreshing, source, 3)
    await refreshing.aclose()
    await refreshing.aclose()
    errors = await asyncio.gather(*waiters, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert {str(error) for error in errors} == {"test credentials: closed while being refreshed"}
    assert {type(error) for error in errors} == {DriverClosedError}
    source.gate.set()
    assert await key(refreshing) == "KEY2"


async def test_closing_during_an_early_fetch_leaves_the_old_credentials(refreshing, source, clock):
    await key(refreshing)
    clock.advance(45 * 60)
    (waiter,) = await waiting(refreshing, source)
    await refreshing.aclose()
    assert await waiter == "KEY1"


async def test_a_cancelled_close_waits_for_the_end_of_the_fetch(clock):
    fetch = SlowToEnd()
    provider = RefreshingCredentials(fetch, clock=clock())
    waiter = asyncio.ensure_future(key(provider))
    await turns()
    closer = asyncio.ensure_future(provider.aclose())
    await fetch.ending.wait()
    closer.cancel()
    await turns()
    assert not closer.done()
    fetch.may_end.set()
    await asyncio.wait({closer, waiter})
    assert closer.cancelled()
    assert isinstance(waiter.exception(), DriverClosedError)


async def test_a_fetch_that_does_not_end_is_given_up(clock, monkeypatch):
    """After five seconds, and not before: whoever closes the driver must not wait for ever."""
    is_over = asyncio.Event()
    fetching: list[asyncio.Task] = []

    async def stubborn() -> Credentials:
        fetching.append(asyncio.current_task())
        try:
            await is_over.wait()
        except asyncio.CancelledError:
            await is_over.wait()
        return Credentials("KEY", "hidden-secret")

    provider = RefreshingCredentials(stubborn, clock=clock())
    waiter = asyncio.ensure_future(key(provider))
    await turns()
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began)
    closer = asyncio.ensure_future(provider.aclose())
    await turns()
    monkeypatch.setattr(time, "monotonic", lambda: began + 4.9)
    await turns()
    assert not closer.done()
    monkeypatch.setattr(time, "monotonic", lambda: began + 5.1)
    await turns()
    assert closer.done()
    assert not fetching[0].done()
    is_over.set()
    assert await waiter == "KEY"


async def test_a_failure_that_nobody_sees_is_not_logged(clock, caplog):
    """The fetch fails in the very turn in which its only waiter is cancelled."""

    async def fetch() -> Credentials:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(waiters[0].cancel)
        raise OSError("disk")

    waiters = [asyncio.ensure_future(key(RefreshingCredentials(fetch, clock=clock())))]
    await asyncio.wait(waiters)
    assert waiters.pop().cancelled()
    gc.collect()
    assert caplog.text == ""


def test_a_fetch_of_a_loop_that_was_dropped_is_forgotten(clock):
    dropped = asyncio.new_event_loop()
    source = Source(clock)
    source.close_gate()
    provider = RefreshingCredentials(source, clock=clock())
    stuck = dropped.create_task(key(provider))
    for _ in range(5):
        dropped.run_until_complete(asyncio.sleep(0))
    assert source.calls == 1

    async def elsewhere() -> str:
        source.gate = asyncio.Event()
        source.gate.set()
        return await key(provider)

    assert asyncio.run(elsewhere()) == "KEY2"
    stuck.cancel()
    dropped.run_until_complete(asyncio.wait({stuck}))
    dropped.close()


async def test_expired_credentials_of_a_fetch_are_an_error_with_a_hint_at_the_clock(refreshing, source):
    source.life = -1
    with pytest.raises(ConfigurationError, match=r"test credentials: .* expired at .*clock right") as caught:
        await key(refreshing)
    assert not hasattr(caught.value, "__notes__")


async def test_a_fetch_that_gives_no_credentials_is_a_type_error_without_the_value(clock):
    async def fetch():
        return ("KEY", "hidden-secret")

    with pytest.raises(TypeError, match="the fetch gave tuple, not Credentials") as caught:
        await key(RefreshingCredentials(fetch, clock=clock()))
    assert "hidden" not in str(caught.value)


async def test_a_repr_shows_the_name_and_no_secret(refreshing, source):
    assert isinstance(refreshing, RefreshableCredentials)
    await key(refreshing)
    assert repr(refreshing) == "<RefreshingCredentials: test credentials>"
    assert "hidden" not in f"{vars(refreshing)!r}"
    source.life = 10**9
    unnamed = RefreshingCredentials(source)  # with the real clock
    assert repr(unnamed) == "<RefreshingCredentials: credentials>"
    assert await key(unnamed) == "KEY2"


async def test_a_doubt_about_older_credentials_fetches_nothing(refreshing, source):
    old = await refreshing.get_credentials()
    assert (await refreshing.renew(old)).access_key_id == "KEY2"
    assert (await refreshing.renew(old)).access_key_id == "KEY2"
    assert source.calls == 2
