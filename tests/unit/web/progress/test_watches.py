"""Watches over uploads: one poll for all listeners, and every way in which a stream ends."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest

from aios3 import StorageError
from aios3.web._progress.events import HEARTBEAT, RETRY, UploadState
from aios3.web._progress.watches import Watches


class Store:
    """Upload whose state the test sets, and which counts the polls."""

    def __init__(self):
        self.state = UploadState("active", 0, 9)
        self.polls = 0

    async def look(self):
        self.polls += 1
        await asyncio.sleep(0)
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def closed():
    return asyncio.Event()


@pytest.fixture
def watches(closed):
    return Watches(closed)


async def next_state(events):
    while (event := await anext(events)) in (RETRY, HEARTBEAT):
        pass
    return event


async def test_all_listeners_of_an_upload_share_one_poll(watches, store, loop_clock):
    async with aclosing(watches.events("a", store.look)) as one, aclosing(watches.events("a", store.look)) as two:
        assert await next_state(one) == await next_state(two) == store.state.to_event()
        assert store.polls == 1
        store.state = UploadState("active", 5, 9)
        await loop_clock.advance(3)
        assert await next_state(one) == await next_state(two) == store.state.to_event()
        async with aclosing(watches.events("a", store.look)) as late:
            assert await next_state(late) == store.state.to_event()
        assert store.polls == 2


@pytest.mark.parametrize("state", ["complete", "gone"])
async def test_a_stream_ends_after_the_last_state(watches, store, state):
    store.state = UploadState(state, 9, 9)
    events = [event async for event in watches.events("a", store.look)]
    assert events == [RETRY, store.state.to_event()]
    assert [event async for event in watches.events("a", store.look)] == events  # a new watch


async def test_a_slow_listener_gets_the_newest_state_and_the_offset_never_goes_back(watches, store, loop_clock):
    async with aclosing(watches.events("a", store.look)) as events:
        await next_state(events)
        for offset in (2, 7, 5):
            store.state = UploadState("active", offset, 9)
            await loop_clock.advance(3)
        assert await next_state(events) == UploadState("active", 7, 9).to_event()
        store.state = UploadState("active", 8, 9)
        await loop_clock.advance(3)
        assert await next_state(events) == store.state.to_event()


async def test_a_quiet_stream_gets_a_comment_every_15_seconds_and_ends_after_5_minutes(watches, store, loop_clock):
    async def listen():
        return [event async for event in watches.events("a", store.look)]

    listening = asyncio.create_task(listen())
    while not listening.done():
        await loop_clock.advance(1)
    assert listening.result() == [RETRY, store.state.to_event(), *[HEARTBEAT] * 20]
    assert 85 <= store.polls <= 101


async def test_the_last_listener_that_leaves_ends_the_polls(watches, store, loop_clock):
    async with aclosing(watches.events("a", store.look)) as events:
        await next_state(events)
    await loop_clock.advance(30)
    assert store.polls == 1


async def test_a_closed_driver_ends_all_streams_at_once(watches, store, closed):
    async with aclosing(watches.events("a", store.look)) as events:
        await next_state(events)
        closed.set()
        assert [event async for event in events] == []


async def test_a_poll_that_fails_is_left_out(watches, store, loop_clock):
    store.state = StorageError("throttled")
    async with aclosing(watches.events("a", store.look)) as events:
        assert await anext(events) == RETRY
        waiting = asyncio.create_task(anext(events))
        await loop_clock.advance(0)
        store.state = UploadState("active", 1, 9)
        await loop_clock.advance(3)
        assert await waiting == store.state.to_event()


async def test_a_defect_ends_the_streams_and_is_reported(watches, store, caplog):
    store.state = KeyError("defect")
    with caplog.at_level(logging.ERROR, "aios3"):
        assert [event async for event in watches.events("a", store.look)] == [RETRY]
    assert "KeyError" in caplog.text


async def test_listeners_above_the_limit_are_not_taken(closed, store):
    watches = Watches(closed, most_listeners=1)
    async with aclosing(watches.events("a", store.look)) as events:
        await next_state(events)
        assert watches.is_full
        assert [event async for event in watches.events("a", store.look)] == []
    assert not watches.is_full


async def test_the_polls_of_many_uploads_have_one_limit(watches, loop_clock):
    """With 60 uploads each is polled every 6 seconds."""
    stores = [Store() for _ in range(60)]
    streams = [watches.events(str(number), store.look) for number, store in enumerate(stores)]
    for events in streams:
        await next_state(events)
    await loop_clock.advance(5.5)
    before, began = sum(store.polls for store in stores), asyncio.get_running_loop().time()
    for _ in range(6):
        await loop_clock.advance(1)
    seconds = asyncio.get_running_loop().time() - began  # a busy machine adds its own to the six
    assert 55 <= sum(store.polls for store in stores) - before <= 10 * seconds + 5
    for events in streams:
        await events.aclose()
