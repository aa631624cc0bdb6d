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
from tests.support.fakes import FakeClock

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


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_is_a_refreshable_provider(refreshing):
    """The driver recognises it as one that it can tell of a refusal."""
    assert isinstance(refreshing, RefreshableCredentials)


async def test_they_are_fetched_once_and_kept(refreshing, source, clock):
    """Up to 15 minutes before they expire nothing is fetched again."""
    assert await key(refreshing) == "KEY1"
    clock.advance(45 * 60 - 1)
    assert await key(refreshing) == "KEY1"
    assert source.calls == 1


async def test_a_hundred_waiters_are_one_fetch(refreshing, source):
    """However many wait for the first credentials, they are fetched once."""
    source.close_gate()
    waiters = [asyncio.ensure_future(key(refreshing)) for _ in range(100)]
    await source.called.wait()
    source.gate.set()
    assert await asyncio.gather(*waiters) == ["KEY1"] * 100
    assert source.calls == 1


async def test_shortly_before_the_end_one_fetches_and_the_others_go_on(refreshing, source, clock):
    """From 15 minutes before: whoever comes first waits, the others get the old ones at once."""
    await key(refreshing)
    clock.advance(45 * 60)
    source.close_gate()
    first = asyncio.ensure_future(key(refreshing))
    await source.called.wait()
    assert [await key(refreshing) for _ in range(50)] == ["KEY1"] * 50
    source.gate.set()
    assert await first == "KEY2"
    assert await key(refreshing) == "KEY2"
    assert source.calls == 2


async def test_very_shortly_before_the_end_everybody_waits(refreshing, source, clock):
    """From 10 minutes before: nobody gets the old ones while fresh ones are being fetched."""
    await key(refreshing)
    clock.advance(50 * 60)
    source.close_gate()
    waiters = [asyncio.ensure_future(key(refreshing)) for _ in range(50)]
    await turns()
    assert not any(waiter.done() for waiter in waiters)
    source.gate.set()
    assert await asyncio.gather(*waiters) == ["KEY2"] * 50
    assert source.calls == 2


async def test_who_comes_late_joins_the_fetch_that_runs(refreshing, source, clock):
    """A fetch begun early serves those for whom it has become urgent meanwhile."""
    await key(refreshing)
    clock.advance(45 * 60)
    source.close_gate()
    first = asyncio.ensure_future(key(refreshing))
    await source.called.wait()
    clock.advance(10 * 60)
    second = asyncio.ensure_future(key(refreshing))
    await turns()
    assert not second.done()
    source.gate.set()
    assert (await first, await second, source.calls) == ("KEY2", "KEY2", 2)


@pytest.mark.parametrize(
    ("life", "early", "late"), [(12 * HOUR, 15 * 60, 10 * 60), (HOUR, 15 * 60, 10 * 60), (12 * 60, 3 * 60, 2 * 60)]
)
async def test_shorter_lives_have_shorter_windows(source, clock, life, early, late):
    """From then on before the end one fetches, and from then on everybody waits; longer lives have none longer."""
    source.life = life
    provider = RefreshingCredentials(source, clock=clock())
    await key(provider)
    clock.advance(life - early - 1)
    assert await key(provider) == "KEY1"
    assert source.calls == 1
    clock.advance(1)
    source.close_gate()
    first = asyncio.ensure_future(key(provider))
    await source.called.wait()
    clock.advance(early - late - 1)
    assert await asyncio.wait_for(key(provider), 1) == "KEY1"
    clock.advance(1)
    second = asyncio.ensure_future(key(provider))
    await turns()
    assert not second.done()
    source.gate.set()
    assert (await first, await second, source.calls) == ("KEY2", "KEY2", 2)


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
    """Until somebody says that they were refused."""
    source.life = None
    provider = RefreshingCredentials(source, clock=clock())
    await key(provider)
    clock.advance(1e9)
    assert await key(provider) == "KEY1"


async def test_invalidated_credentials_are_fetched_again(refreshing, source):
    """Once, however many were refused with the same."""
    old = await refreshing.get_credentials()
    refreshing.invalidate(old)
    refreshing.invalidate(old)
    assert await asyncio.gather(*(key(refreshing) for _ in range(10))) == ["KEY2"] * 10
    refreshing.invalidate(old)
    assert await key(refreshing) == "KEY2"
    assert source.calls == 2


async def test_invalidating_before_anything_was_fetched_is_harmless(refreshing, source):
    """There is nothing to forget."""
    refreshing.invalidate(Credentials("a", "b"))
    assert await key(refreshing) == "KEY1"


async def test_a_failing_early_fetch_is_nobodys_error(refreshing, source, clock):
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


async def test_a_failing_fetch_after_a_refusal_is_an_error(refreshing, source):
    """Refused credentials are never given out again, though they have not expired."""
    refreshing.invalidate(await refreshing.get_credentials())
    source.failure = OSError("disk")
    with pytest.raises(OSError, match="disk"):
        await key(refreshing)


async def test_a_refusal_during_a_failing_fetch_counts(refreshing, source, clock):
    """Who waited for fresh ones in vain does not get old ones that were refused meanwhile."""
    old = await refreshing.get_credentials()
    clock.advance(45 * 60)
    source.failure = OSError("disk")
    source.close_gate()
    waiter = asyncio.ensure_future(key(refreshing))
    await source.called.wait()
    refreshing.invalidate(old)
    source.gate.set()
    with pytest.raises(OSError, match="disk"):
        await waiter


async def test_each_waiter_gets_an_error_of_its_own(refreshing, source):
    """Notes that one upload adds are not in the error of another; everything else is the same."""
    source.failure = CredentialsError("no", operation="AssumeRole", status=400, code="X")
    source.failure.add_note("first note")
    source.failure.__cause__ = OSError("why")
    source.close_gate()
    waiters = [asyncio.ensure_future(key(refreshing)) for _ in range(3)]
    await source.called.wait()
    source.gate.set()
    errors = await asyncio.gather(*waiters, return_exceptions=True)
    errors[0].add_note("mine")
    assert [str(error) for error in errors] == [str(source.failure)] * 3
    assert [error.code for error in errors] == ["X"] * 3
    assert [str(error.__cause__) for error in errors] == ["why"] * 3
    assert {traceback.extract_tb(error.__traceback__)[-1].name for error in errors} == {"__call__"}
    assert errors[1].__notes__ == ["first note"]
    assert errors[0].__notes__ == ["first note", "mine"]


async def test_an_error_without_notes_stays_without(refreshing, source):
    """Copying adds none."""
    source.failure = ConfigurationError("no")
    with pytest.raises(ConfigurationError) as caught:
        await key(refreshing)
    assert not hasattr(caught.value, "__notes__")


async def test_a_cancelled_waiter_is_nobody_elses_end(refreshing, source):
    """The others get what was fetched, by the same fetch."""
    source.close_gate()
    first, second = (asyncio.ensure_future(key(refreshing)) for _ in range(2))
    await source.called.wait()
    first.cancel()
    await asyncio.wait({first})
    source.gate.set()
    assert await second == "KEY1"
    assert first.cancelled()
    assert (source.calls, source.cancelled) == (1, 0)


async def test_the_last_waiter_takes_the_fetch_along(refreshing, source):
    """When nobody waits any more the fetch is cancelled, and over before the waiter goes on; the next call fetches."""
    source.close_gate()
    before = asyncio.all_tasks()
    waiter = asyncio.ensure_future(key(refreshing))
    await source.called.wait()
    waiter.cancel()
    await asyncio.wait({waiter})
    assert waiter.cancelled()
    assert asyncio.all_tasks() == before
    assert source.cancelled == 1
    source.gate.set()
    assert await key(refreshing) == "KEY2"


async def test_who_comes_while_a_fetch_is_being_ended_begins_another(clock):
    """A fetch that takes its time to end is not joined."""
    calls = 0
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> Credentials:
        nonlocal calls
        calls += 1
        if calls == 1:
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await may_end.wait()
        return Credentials(f"KEY{calls}", "hidden-secret")

    provider = RefreshingCredentials(slow_to_end, clock=clock())
    waiter = asyncio.ensure_future(key(provider))
    await turns()
    waiter.cancel()
    await ending.wait()
    assert await key(provider) == "KEY2"
    waiter.cancel()
    await turns()
    assert not waiter.done()
    may_end.set()
    await asyncio.wait({waiter})
    assert waiter.cancelled()


async def test_an_anyio_scope_ends_it_too(refreshing, source):
    """Cancelled again at each turn of the loop, the waiter still leaves no task behind."""
    source.close_gate()
    before = asyncio.all_tasks()
    with anyio.move_on_after(0) as scope:
        await key(refreshing)
    assert scope.cancelled_caught
    assert asyncio.all_tasks() == before


async def test_closing_ends_the_fetch_that_runs(refreshing, source):
    """No task is left when it returns; who waited gets an error that says why."""
    source.close_gate()
    before = asyncio.all_tasks()
    waiters = [asyncio.ensure_future(key(refreshing)) for _ in range(3)]
    await source.called.wait()
    await refreshing.aclose()
    await refreshing.aclose()
    errors = await asyncio.gather(*waiters, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert {str(error) for error in errors} == {"test credentials: closed while being refreshed"}
    assert {type(error) for error in errors} == {DriverClosedError}


async def test_closing_early_leaves_the_old_ones(refreshing, source, clock):
    """Who waited for fresh ones ahead of time goes on with what there is."""
    await key(refreshing)
    clock.advance(45 * 60)
    source.close_gate()
    waiter = asyncio.ensure_future(key(refreshing))
    await source.called.wait()
    await refreshing.aclose()
    assert await waiter == "KEY1"


async def test_closing_at_rest_is_harmless(refreshing):
    """With or without credentials; they can be used again."""
    await refreshing.aclose()
    assert await key(refreshing) == "KEY1"
    await refreshing.aclose()
    assert await key(refreshing) == "KEY1"


async def test_a_cancellation_while_closing_is_passed_on(clock):
    """After the fetch has ended."""
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> Credentials:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()
        raise AssertionError

    provider = RefreshingCredentials(slow_to_end, clock=clock())
    waiter = asyncio.ensure_future(key(provider))
    await turns()
    closer = asyncio.ensure_future(provider.aclose())
    await ending.wait()
    closer.cancel()
    await turns()
    assert not closer.done()
    may_end.set()
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
    """Another loop fetches anew instead of waiting for ever."""
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


async def test_what_comes_expired_is_an_error(refreshing, source):
    """With a hint at the likeliest cause."""
    source.life = -1
    with pytest.raises(ConfigurationError, match=r"test credentials: .* expired at .*clock right"):
        await key(refreshing)


async def test_what_is_no_credentials_is_a_type_error(clock):
    """A fetch of one's own can be wrong; the value is not shown."""

    async def fetch():
        return ("KEY", "hidden-secret")

    with pytest.raises(TypeError, match="the fetch gave tuple, not Credentials") as caught:
        await key(RefreshingCredentials(fetch, clock=clock()))
    assert "hidden" not in str(caught.value)


async def test_nothing_shows_in_repr(refreshing):
    """Neither in its own nor in those of its attributes."""
    await key(refreshing)
    assert repr(refreshing) == "<RefreshingCredentials: test credentials>"
    assert "hidden" not in f"{vars(refreshing)!r}"


async def test_credentials_without_a_name_are_called_so(source):
    """In errors, and in its repr."""
    assert repr(RefreshingCredentials(source)) == "<RefreshingCredentials: credentials>"


async def test_the_real_clock_is_the_default():
    """Nothing but a fetch is needed."""

    async def fetch():
        return Credentials("KEY", "hidden-secret")

    assert await key(RefreshingCredentials(fetch)) == "KEY"
