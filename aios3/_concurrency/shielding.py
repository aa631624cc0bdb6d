"""Clean-up that runs to its end although the caller is cancelled, perhaps more than once."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Generic, TypeVar, cast

__all__ = ["INTERRUPTS", "Finished", "finish_despite_cancellation", "shielded_from_anyio"]

T = TypeVar("T")

INTERRUPTS: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""Exceptions that end a task from outside, at any point."""

_MOST_BEGINNINGS: Final = 4
"""Starts of one clean-up. A program that is interrupted twice needs two; the others allow for impatient users."""


class Finished(Generic[T]):
    """Outcome of a clean-up."""

    def __init__(self, result: T | None, error: Exception | None, cancellation: BaseException | None) -> None:
        self.result = result
        """Result of the clean-up, or ``None`` if it failed or its time ran out."""
        self.error = error
        """Exception of the clean-up; `TimeoutError` if its time ran out; ``None`` if it succeeded."""
        self.cancellation = cancellation
        """Cancellation, or other interrupt, that came meanwhile, for the caller to raise; ``None`` if none came."""


async def finish_despite_cancellation(
    work: Callable[[], Coroutine[Any, Any, T]], *, deadline: float, name: str
) -> Finished[T]:
    """Run `work` in its own task and wait for its end, at most `deadline` seconds.

    Cancellations of the caller that come meanwhile are kept in the result, and never passed on to `work`. The same
    holds for a `KeyboardInterrupt` in the caller's code here. If the task itself is interrupted, `work` is begun
    again, three times at most, so it must be harmless to repeat. A loop that shuts down cancels all tasks, and a second
    Ctrl-C strikes any running code. An interrupt of the task is not kept: the loop has raised it already, to the code
    that runs the loop. When this returns, no task is left.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    cancellation: BaseException | None = None
    task: asyncio.Task[T] | None = None
    beginnings_left = _MOST_BEGINNINGS
    with shielded_from_anyio(math.inf):
        while True:
            try:
                left = end - loop.time()
                if task is None or _was_interrupted(task):
                    if left <= 0 or not beginnings_left:
                        break
                    beginnings_left -= 1
                    task = None  # an eager task can be interrupted before it is assigned
                    task = loop.create_task(work(), name=name)
                elif task.done():
                    break
                else:
                    if left <= 0:
                        task.cancel()
                    await asyncio.wait({task}, timeout=left if left > 0 else None)
            except INTERRUPTS as error:
                cancellation = error
    if task is None or _was_interrupted(task):
        return Finished(None, TimeoutError(f"not finished after {deadline:g} s"), cancellation)
    failure = task.exception()
    if failure is None:
        return Finished(task.result(), None, cancellation)
    if isinstance(failure, Exception):
        return Finished(None, failure, cancellation)
    raise failure


def _was_interrupted(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or isinstance(task.exception(), INTERRUPTS))


def shielded_from_anyio(seconds: float) -> AbstractContextManager[object]:
    """Keep a cancelled anyio scope around the block from cancelling the block, for `seconds` seconds.

    anyio cancels again at every turn of the loop until the scope is left, so the block could never wait for anything.
    anyio is no dependency: if it was not imported, no scope of it can exist.
    """
    anyio = sys.modules.get("anyio")
    if anyio is None:
        return nullcontext()
    return cast(
        "AbstractContextManager[object]", anyio.CancelScope(shield=True, deadline=anyio.current_time() + seconds)
    )
