"""Clean-up that reaches its end although the caller is being cancelled, perhaps more than once."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar, cast

__all__ = ["Finished", "finish_despite_cancellation", "shielded_from_anyio"]

T = TypeVar("T")


class Finished(Generic[T]):
    """What became of a clean-up."""

    def __init__(self, result: T | None, error: Exception | None, cancellation: asyncio.CancelledError | None) -> None:
        self.result = result
        """What it returned, or ``None`` if it failed or its time ran out."""
        self.error = error
        """What it raised; `TimeoutError` if its time ran out."""
        self.cancellation = cancellation
        """The cancellation that came meanwhile, for the caller to raise; ``None`` if none came."""


async def finish_despite_cancellation(
    work: Callable[[], Coroutine[Any, Any, T]], *, deadline: float, name: str
) -> Finished[T]:
    """Run `work` in a task of its own and wait for its end, at most `deadline` seconds.

    Cancellations of the caller that come meanwhile are kept for it in the
    result, never passed on. If somebody cancels the task itself, as a loop that
    shuts down does with all tasks, `work` is begun once more; so it must be
    harmless to repeat. When this returns, no task is left.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    cancellation: asyncio.CancelledError | None = None
    task = asyncio.create_task(work(), name=name)
    restarts_left = 1
    with shielded_from_anyio(math.inf):
        while True:
            left = end - loop.time()
            if left <= 0:
                task.cancel()
            elif task.done() and task.cancelled() and restarts_left:
                restarts_left -= 1
                task = asyncio.create_task(work(), name=name)
            if task.done():
                break
            try:
                await asyncio.wait({task}, timeout=left if left > 0 else None)
            except asyncio.CancelledError as error:
                cancellation = error
    if task.cancelled():
        return Finished(None, TimeoutError(f"not finished after {deadline:g} s"), cancellation)
    failure = task.exception()
    if failure is None:
        return Finished(task.result(), None, cancellation)
    if isinstance(failure, Exception):
        return Finished(None, failure, cancellation)
    raise failure


def shielded_from_anyio(seconds: float) -> AbstractContextManager[object]:
    """Keep a cancelled anyio scope around the block from cancelling it, for so many seconds.

    anyio cancels again and again, at every turn of the loop, until the scope is left: nothing in the block could ever
    wait for anything. anyio is no dependency: where nobody imported it, no scope of it can exist.
    """
    anyio = sys.modules.get("anyio")
    if anyio is None:
        return nullcontext()
    return cast(
        "AbstractContextManager[object]", anyio.CancelScope(shield=True, deadline=anyio.current_time() + seconds)
    )
