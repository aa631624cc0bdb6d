"""Servers that run in an event loop of their own, beside the runner, which blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

__all__ = ["enter_in", "loop_in_thread"]

_Entered = TypeVar("_Entered")


@contextmanager
def loop_in_thread() -> Generator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread for the length of the block; what still runs in it at the end is cancelled."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_the_rest(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _cancel_the_rest() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def enter_in(loop: asyncio.AbstractEventLoop, manager: AbstractAsyncContextManager[_Entered]) -> Generator[_Entered]:
    """Enter an asynchronous context manager in that loop for the length of the block."""
    entered = asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(30)
    try:
        yield entered
    finally:
        asyncio.run_coroutine_threadsafe(_leave(manager), loop).result(30)


async def _leave(manager: AbstractAsyncContextManager[_Entered]) -> None:
    await manager.__aexit__(None, None, None)
