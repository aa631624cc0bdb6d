"""Drivers: one for each event loop, closed with it or from any thread."""

from __future__ import annotations

import asyncio
import os

import pytest

from aios3 import ANONYMOUS, Credentials, RetryPolicy
from aios3.fsspec.drivers import Drivers


async def test_each_loop_has_a_driver_until_it_is_closed():
    drivers = Drivers({})
    first = drivers.current

    async def other():
        return drivers.current

    assert drivers.current is first
    assert await asyncio.to_thread(asyncio.run, other()) is not first
    await drivers.aclose()
    await drivers.aclose()
    assert drivers.current is not first


async def test_a_mapping_stands_for_a_record():
    options = {"credentials": {"access_key_id": "A", "secret_access_key": "S"}, "retry": {"max_attempts": 2}}
    driver = Drivers(options).current
    assert (driver._credentials, driver._retry) == (Credentials("A", "S"), RetryPolicy(max_attempts=2))
    assert Drivers({"credentials": "anonymous"}).current._credentials is ANONYMOUS


async def test_closing_from_a_thread_leaves_loops_that_stand_and_forks_alone(monkeypatch: pytest.MonkeyPatch):
    drivers = Drivers({})
    loop = asyncio.new_event_loop()

    async def use():
        return drivers.current

    await asyncio.to_thread(loop.run_until_complete, use())
    driver = drivers.current
    with monkeypatch.context() as context:
        context.setattr(os, "getpid", lambda: -1)
        assert drivers.close_soon() == []
    (closing,) = await asyncio.to_thread(drivers.close_soon)
    await asyncio.wrap_future(closing)
    assert driver._closed.is_set()
    loop.close()
