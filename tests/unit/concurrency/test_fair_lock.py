"""A lock that shows whether anybody waits for it."""

from __future__ import annotations

import asyncio

from aios3._concurrency.fair_lock import FairLock
from tests.support.fakes import turns


async def test_a_turn_is_wanted_while_somebody_waits_for_it() -> None:
    """And no longer: not by its holder, nor by one that has it by now."""
    turn = FairLock()
    async with turn:
        assert not turn.has_waiters
        waiting = asyncio.create_task(turn.acquire())
        await turns()
        assert turn.has_waiters
    await waiting
    assert not turn.has_waiters
    assert turn.locked()


async def test_who_gives_up_wants_it_no_longer() -> None:
    """A cancelled wait leaves nothing behind."""
    turn = FairLock()
    async with turn:
        waiting = asyncio.create_task(turn.acquire())
        await turns()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not turn.has_waiters
    assert not turn.locked()


async def test_it_is_wanted_until_the_last_one_has_it() -> None:
    """However many wait."""
    turn = FairLock()
    await turn.acquire()
    tasks = [asyncio.create_task(turn.acquire()) for _ in range(2)]
    await turns()
    turn.release()
    await tasks[0]
    assert turn.has_waiters
    turn.release()
    await tasks[1]
    assert not turn.has_waiters
