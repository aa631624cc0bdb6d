"""The lease of one upload, on the store and in one process."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from aios3 import MultipartUpload
from aios3._concurrency.clock import Clock
from aios3.web._resumable.description import Description, Progress
from aios3.web._resumable.lease import Leases
from aios3.web._resumable.messages import RefusedError
from aios3.web._resumable.upload_store import OvertakenError, UploadStore

DESCRIPTION = Description(
    MultipartUpload("bucket", "key", "id", 1024, size=5000), None, datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.fixture
def small_provider(small_provider):
    return dataclasses.replace(small_provider, conditional_put=True, conditional_complete=True)


@pytest.fixture
async def store(driver):
    """Its polls take no time."""
    driver._clock = Clock(sleep=lambda seconds: asyncio.sleep(seconds / 100))
    return UploadStore(driver, "bucket", "")


async def test_a_lease_is_given_back_with_the_offset(store):
    leases = Leases(store)
    stored = await store.create("name", DESCRIPTION)
    async with leases.hold(stored, DESCRIPTION) as lease:
        held = await store.read("name")
        assert held.description.holder
        assert not leases.is_free(held, None)
        lease.offset = 7
    found = (await store.read("name")).description
    assert (found.holder, found.expected) == (None, 7)


async def test_only_one_of_two_takes_a_lease(store):
    leases = Leases(store)
    stored = await store.create("name", DESCRIPTION)
    async with leases.hold(stored, DESCRIPTION):
        with pytest.raises(RefusedError) as caught:
            async with leases.hold(stored, DESCRIPTION):
                raise AssertionError
    assert caught.value.status == 423


@pytest.mark.parametrize(("offset", "is_free"), [(7, True), (6, False)])
async def test_a_holder_that_has_reached_its_end_holds_nothing(store, offset, is_free):
    stored = await store.create("name", dataclasses.replace(DESCRIPTION, holder="me", expected=7))
    assert Leases(store).is_free(stored, Progress((), offset)) is is_free


async def test_a_change_of_the_holder_survives_the_note_of_a_waiting_request(store):
    """And it stops the holder."""
    leases = Leases(store)
    async with leases.hold(await store.create("name", DESCRIPTION), DESCRIPTION) as lease:
        found = await store.read("name")
        await store.change(found, dataclasses.replace(found.description, wanted="other"))
        await lease.change(lease.description.with_length(9))
        assert lease.stop.is_set()
        found = (await store.read("name")).description
        assert (found.wanted, found.length) == ("other", 9)


async def test_a_change_of_a_holder_that_was_overtaken_fails(store):
    leases = Leases(store)
    async with leases.hold(await store.create("name", DESCRIPTION), DESCRIPTION) as lease:
        found = await store.read("name")
        await store.change(found, found.description.held_by("other"))
        with pytest.raises(OvertakenError):
            await lease.change(lease.description.with_length(9))
        with pytest.raises(OvertakenError):
            await lease.finish(lease.description)
    assert (await store.read("name")).description.holder == "other"


async def test_a_dead_holder_is_replaced_when_its_lease_has_run_out(store, server):
    """By the store's clock; a request that finds an older one waiting does not prolong the lease."""
    await store.create("name", dataclasses.replace(DESCRIPTION, holder="dead", expected=None))
    real = server.store.clock
    waiting = asyncio.create_task(Leases(store).wait(await store.read("name")))
    while (await store.read("name")).description.wanted is None:
        await asyncio.sleep(0)
    server.store.clock = lambda: real() + timedelta(seconds=14)
    taken = await waiting
    assert taken.description.holder is None
    assert (await store.read("name")).description.holder == "dead"


@pytest.mark.parametrize("end", ["deleted", "overtaken"])
async def test_a_request_that_waits_in_vain_is_refused(store, end):
    await store.create("name", dataclasses.replace(DESCRIPTION, holder="one"))
    waiting = asyncio.create_task(Leases(store).wait(await store.read("name")))
    while (found := await store.read("name")).description.wanted is None:
        await asyncio.sleep(0)
    if end == "deleted":
        await store.forget("name")
    else:
        await store.change(found, found.description.held_by("faster"))
    with pytest.raises(OvertakenError if end == "deleted" else RefusedError):
        await waiting


async def test_a_holder_of_the_same_process_that_does_not_end_keeps_others_out(driver, loop_clock, store):
    store.has_conditions = False
    leases = Leases(store)
    stored = await store.create("name", DESCRIPTION)
    async with leases.hold(stored, DESCRIPTION.with_length(9)) as lease:
        assert not leases.is_free(stored, None)
        waiting = asyncio.create_task(leases.wait(stored))
        await asyncio.sleep(0)
        assert lease.stop.is_set()
        with pytest.raises(RefusedError):
            async with leases.hold(stored, DESCRIPTION):
                raise AssertionError
        await loop_clock.advance(13)
        with pytest.raises(RefusedError):
            await waiting
    assert leases.is_free(stored, None)
    assert (await store.read("name")).description.length == 9


async def test_a_description_that_was_read_before_another_lease_takes_none(store):
    """Although the other request has left the same description."""
    leases = Leases(store)
    async with leases.hold(await store.create("name", DESCRIPTION), DESCRIPTION):
        pass
    before = await store.read("name")
    async with leases.hold(before, before.description):
        pass
    with pytest.raises(RefusedError):
        async with leases.hold(before, before.description):
            raise AssertionError
