"""Work in threads that is seen to its end: until then nobody touches what the thread uses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from .callers_errors import Outcome
from .shielding import shielded_from_anyio
from .threads import library_threads

__all__ = ["ThreadWork"]

T = TypeVar("T")


def _nothing() -> None:
    """Nothing is to be done when the work has ended."""


class ThreadWork:
    """What one upload has done in threads.

    There is no task around a thread that somebody could cancel while the thread goes on, and no deadline: whoever
    waits for work returns when the thread does. A cancellation that comes meanwhile is raised then.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """Return ``work()``, once its thread has ended."""
        return await self.end_of(self.begin(work))

    def begin(self, work: Callable[[], T], ended: Callable[[], object] = _nothing) -> asyncio.Future[Outcome[T]]:
        """Begin `work`; `ended` is called in the loop when its thread has ended, or cannot begin.

        Raises:
            RuntimeError: the process is ending, and begins no more threads.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(library_threads(), Outcome, work)
        except BaseException:
            ended()
            raise
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        future.add_done_callback(lambda _: ended())
        return future

    async def end_of(self, future: asyncio.Future[Outcome[T]]) -> T:
        """Wait for work that has begun, and return its result."""
        await _until_none_runs(lambda: () if future.done() else (future,))
        return future.result().unwrap()

    async def settle(self) -> None:
        """Wait until nothing runs, neither what has begun so far nor what that begins."""
        await _until_none_runs(lambda: self._running)


async def _until_none_runs(running: Callable[[], Collection[asyncio.Future[Any]]]) -> None:
    cancellation: asyncio.CancelledError | None = None
    with shielded_from_anyio(math.inf):
        while futures := running():
            try:
                await asyncio.wait(futures)
            except asyncio.CancelledError as error:
                cancellation = error
    if cancellation is not None:
        raise cancellation
