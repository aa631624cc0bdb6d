"""Closing of a source: its own errors, and cancellations that come meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from aios3._upload.source import closing
from aios3._upload.source.closing import close_sources
from tests.support.fakes import turns


class Source:
    """Counts the closings that began, and those that came to their end."""

    def __init__(self, close: Callable[[], Awaitable[object]]) -> None:
        self.asked = self.closed = 0
        self._close = close

    async def aclose(self) -> None:
        self.asked += 1
        await self._close()
        self.closed += 1


async def test_an_object_without_aclose_is_left_alone() -> None:
    await close_sources([object()], None, 0)
    await close_sources([object()], ValueError("first"), 0)


async def test_an_interrupted_closing_is_tried_once_more() -> None:
    """The cancellation is raised after that."""
    released = asyncio.Event()
    source = Source(released.wait)
    task = asyncio.create_task(close_sources([source], ValueError("first"), 0))
    await turns(3)
    task.cancel()
    await turns(3)
    released.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert (source.asked, source.closed) == (2, 1)


async def test_a_closing_that_is_interrupted_twice_is_given_up() -> None:
    source = Source(asyncio.Event().wait)
    task = asyncio.create_task(close_sources([source], None, 0))
    for _ in range(2):
        await turns(3)
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert (source.asked, source.closed) == (2, 0)


async def test_a_cancellation_is_raised_rather_than_an_error_of_the_second_try() -> None:
    released = asyncio.Event()

    async def close() -> None:
        await released.wait()
        raise OSError("cannot close")

    source = Source(close)
    task = asyncio.create_task(close_sources([source], None, 0))
    await turns(3)
    task.cancel()
    released.set()
    await asyncio.wait({task})
    assert (task.cancelled(), source.asked) == (True, 2)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_is_raised_at_once(interrupt: type[BaseException]) -> None:
    async def strike() -> None:
        raise interrupt

    with pytest.raises(interrupt):
        await close_sources([Source(strike)], ValueError("first"), 0)


async def test_a_cancellation_in_the_turn_in_which_the_awaited_future_ends_interrupts() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended: list[str] = []

    async def wait() -> None:
        try:
            await future
        except asyncio.CancelledError:
            ended.append("interrupted")
            raise

    task = asyncio.create_task(close_sources([Source(wait)], None, 0))
    await turns(3)
    future.set_result(None)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert ended == ["interrupted"]


async def test_a_scope_that_cancels_at_every_turn_ends_the_closing_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "_PATIENCE", 0.01)
    source = Source(asyncio.Event().wait)
    with anyio.move_on_after(5) as scope:
        scope.cancel()
        try:
            await anyio.sleep(1)
        except asyncio.CancelledError as cancellation:
            await close_sources([source], cancellation, 0)
            raise
    assert source.closed == 0
    assert source.asked == 2


async def test_a_generator_that_catches_the_cancellation_is_closed() -> None:
    ended: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"a"
        except asyncio.CancelledError:
            try:
                yield b"b"
            finally:
                ended.append("closed")

    async def read() -> None:
        source = chunks()
        await anext(source)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancellation:
            await close_sources([source], cancellation, 0)
            raise

    task = asyncio.create_task(read())
    await turns(3)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert ended == ["closed"]
