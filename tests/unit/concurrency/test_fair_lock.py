"""A lock that shows whether anybody waits for it."""

from __future__ import annotations

import asyncio

from aios3._concurrency.fair_lock import Turn
from tests.support.fakes import turns


async def test_a_turn_is_wanted_while_somebody_waits_for_it() -> None:
    """And no longer: not by its holder, nor by one that has it by now."""
    turn = Turn()
    async with turn:
        assert not turn.is_wanted
        waiting = asyncio.create_task(turn.acquire())
        await turns()
        assert turn.is_wanted
    await waiting
    assert not turn.is_wanted
    assert turn.locked()


async def test_who_gives_up_wants_it_no_longer() -> None:
    """A cancelled wait leaves nothing behind."""
    turn = Turn()
    async with turn:
        waiting = asyncio.create_task(turn.acquire())
        await turns()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not turn.is_wanted
    assert not turn.locked()


async def test_it_is_wanted_until_the_last_one_has_it() -> None:
    """However many wait."""
    turn = Turn()
    await turn.acquire()
    tasks = [asyncio.create_task(turn.acquire()) for _ in range(2)]
    await turns()
    turn.release()
    await tasks[0]
    assert turn.is_wanted
    turn.release()
    await tasks[1]
    assert not turn.is_wanted
