"""Event loop with virtual time, which jumps to the next timer when nothing is ready, and detects deadlocks."""

from __future__ import annotations

import asyncio
import heapq
from asyncio import base_events
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")
MOST_TURNS = 100_000


class StuckError(Exception):
    """The loop is in a deadlock, or runs without end."""


class _Task(asyncio.Task[Any]):
    """Task whose place in a set is the same in every run."""

    def __init__(self, number: int, *args: Any, **options: Any) -> None:
        self._number = number
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


class _Jumps:
    """Selector on which no file is ever ready, so a wait moves the time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> tuple[()]:
        self._loop.next_turn(timeout)
        return ()


class VirtualLoop(base_events.BaseEventLoop):
    """Loop of one simulation. Its arguments decide everything in it, and threads run inline.

    Args:
        thread_turns: function that draws the turns of a thread, and whether it starts at once.
        is_eager: whether a task runs at its creation until it first waits; needs Python 3.12.
    """

    def __init__(
        self, thread_turns: Callable[[], tuple[int, bool]] = lambda: (1, True), *, is_eager: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._selector = _Jumps(self)
        self._clock_resolution = 1e-6  # a float of a year's seconds has no more digits than that
        self._moment = 0.0
        self._numbers = count(1)
        self._due: list[tuple[int, int, Callable[[], object]]] = []
        self._thread_turns = thread_turns
        self._most_turns = MOST_TURNS
        self.turns = 0
        eager: dict[str, Any] = {"eager_start": True} if is_eager else {}
        self.set_task_factory(
            lambda loop, work, **options: _Task(next(self._numbers), work, loop=loop, **{**eager, **options})
        )
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        """Return the seconds since the simulation began."""
        return self._moment

    def at_turn(self, turn: int, call: Callable[[], object]) -> None:
        """Run a call between two turns, after `turn` turns."""
        heapq.heappush(self._due, (turn, next(self._numbers), call))

    def next_turn(self, timeout: float | None) -> None:
        """Move the time, and run the calls that are due.

        Raises:
            StuckError: a deadlock, or too many turns.
        """
        self.turns += 1
        if self.turns > self._most_turns:
            raise StuckError(f"still running after {self.turns} turns")
        while self._due and self._due[0][0] <= self.turns:
            heapq.heappop(self._due)[2]()
            timeout = 0
        if timeout is None:
            raise StuckError("a deadlock: nothing is ready, and no timer runs")
        if timeout:
            self._moment = self._scheduled[0]._when  # type: ignore[attr-defined]

    def run_in_executor(self, executor: object, function: Callable[..., T], *args: object) -> asyncio.Future[T]:  # type: ignore[override]
        """Run a function inline, now or some turns later. A cancellation does not stop a function that has started."""
        future: asyncio.Future[T] = self.create_future()
        turns, begins_at_once = self._thread_turns()
        outcome = _call(function, args) if begins_at_once else None

        def end() -> None:
            if not future.cancelled():
                _settle(future, *(outcome or _call(function, args)))

        self._after_turns(turns, end)
        return future

    def _after_turns(self, turns: int, call: Callable[[], object]) -> None:
        if turns > 0:
            self.call_soon(self._after_turns, turns - 1, call)
        else:
            call()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and close the loop.

        Raises:
            StuckError: it would never end.
        """
        try:
            return self.run_until_complete(main)
        finally:
            self._end_all()
            self.close()

    def _end_all(self) -> None:
        """Cancel the tasks that a failed simulation left, for a limited number of turns."""
        self._most_turns = self.turns + 2000
        self._due.clear()
        for _ in range(5):
            left = asyncio.all_tasks(self)
            for task in left:
                task.cancel()
            if left:
                try:
                    self.run_until_complete(asyncio.wait(left, timeout=1e6))
                except StuckError:
                    continue
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _call(function: Callable[..., T], args: tuple[object, ...]) -> tuple[T | None, BaseException | None]:
    try:
        return function(*args), None
    except BaseException as error:
        return None, error


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
