"""A lock that shows whether anybody waits for it."""

from __future__ import annotations

import asyncio

from aios3._concurrency.fair_lock import FairLock
from tests.support.fakes import turns


async def test_a_cancelled_task_is_no_waiter() -> None:
    lock = FairLock()
    async with lock:
        waiting = asyncio.create_task(lock.acquire())
        await turns()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not lock.waiting
    assert not lock.locked()


async def test_a_lock_has_waiters_until_the_last_of_them_has_it() -> None:
    lock = FairLock()
    await lock.acquire()
    assert not lock.waiting
    tasks = [asyncio.create_task(lock.acquire()) for _ in range(2)]
    await turns()
    lock.release()
    await tasks[0]
    assert lock.waiting
    lock.release()
    await tasks[1]
    assert not lock.waiting
    assert lock.locked()
