"""Threads: a pool for the library's own work, and one thread for each blocking object of the caller.

Theory of operation. The caller's code may block for as long as it likes: a pipe
has no writer, a disk hangs. So it never runs where other work would wait
behind it, such as in the pool. It does not run in the event loop's default
executor either, which the caller may fill with other work. A thread that hangs
is left behind. It is a daemon, so it does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, ParamSpec, TypeVar

from aios3.errors import ConfigurationError
from aios3.options import KIB

from .caller_errors import Outcome
from .shielding import shielded_from_anyio

__all__ = ["CallerThread", "ThreadWork", "hash_body", "in_library_thread", "library_threads", "refuse_if_still_used"]


P = ParamSpec("P")
T = TypeVar("T")
Slices = Sequence[bytes | bytearray | memoryview]

_INLINE: Final = 128 * KIB
"""Bytes up to which hashing on the loop (0.2 ms at most) is cheaper than a thread."""


def _make_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="aios3")


_pool = _make_pool()


def _replace_pool() -> None:
    """Replace the pool in a forked process, where its threads do not exist."""
    global _pool  # noqa: PLW0603 - the process has one pool
    _pool = _make_pool()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_replace_pool)


def library_threads() -> Executor:
    """Return the pool for work of the library that ends by itself: hashing, look-ups, the library's own files."""
    return _pool


async def hash_body(function: Callable[[Slices], T], body: Slices) -> T:
    """Return ``function(body)``, in a thread of the pool if the body is large."""
    if sum(map(len, body)) <= _INLINE:
        return function(body)
    return await in_library_thread(function, body)


async def in_library_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread of the pool, in the caller's context, and return its result."""
    call = partial(contextvars.copy_context().run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_pool, call)


class _Calls:
    """State shared by a `CallerThread` and its thread. The thread must not keep the `CallerThread` alive."""

    def __init__(self, target: object) -> None:
        self.target = target
        self.queue: SimpleQueue[tuple[Future[Outcome[Any]], Callable[[], Outcome[Any]]] | None] = SimpleQueue()
        self.begun = 0
        """Number of submitted calls, counted by the event loop; the thread counts `ended`."""
        self.ended = 0

    @property
    def is_running(self) -> bool:
        return self.begun != self.ended

    def forget_if_ended(self) -> None:
        if not self.is_running:
            _left_running.discard(self)

    def run(self) -> None:
        while (call := self.queue.get()) is not None:
            future, function = call
            outcome = function() if future.set_running_or_notify_cancel() else None
            self.ended += 1  # before the loop can see the result
            self.forget_if_ended()
            if outcome is not None:
                future.set_result(outcome)
            del call, future, function, outcome  # an idle thread must hold no chunk


_left_running: Final[set[_Calls]] = set()
"""Calls of threads that were closed while a call was running; removed when it has ended."""


def refuse_if_still_used(target: object) -> None:
    """Refuse an object in which a call of an earlier upload still runs.

    Raises:
        ConfigurationError: such a call runs, and the bytes that it reads would be missing in a later upload.
    """
    if any(calls.target is target for calls in tuple(_left_running)):
        raise ConfigurationError(
            f"a read of this {type(target).__name__}, begun for an earlier upload, is still running in its thread; "
            "what it reads would be missing here. Wait until it has ended and seek back, or open the source again"
        )


class CallerThread(Executor):
    """One daemon thread for the blocking code of one of the caller's objects, one call after the other.

    It begins with the first call, and ends after `close`. Nothing can stop a call: if
    its waiter is cancelled, the call continues, and its result is dropped.
    """

    def __init__(self, target: object = None) -> None:
        """Prepare; the first call starts the thread.

        Args:
            target: the object that `refuse_if_still_used` refuses while a call runs after `close`.
        """
        self._calls = _Calls(target)

    @property
    def is_running(self) -> bool:
        """Whether a submitted call has not ended."""
        return self._calls.is_running

    async def call(self, function: Callable[..., T], /, *args: object) -> T:
        """Call `function` in the thread, in the context of the current task, and return its result.

        A cancellation does not wait for the thread.

        Raises:
            BaseException: the exception of `function`, the same object.
        """
        return (await self.begin(function, *args)).unwrap()

    def begin(self, function: Callable[..., T], /, *args: object) -> asyncio.Future[Outcome[T]]:
        """Begin a call, and return a future of its outcome."""
        work = partial(contextvars.copy_context().run, function, *args)
        return asyncio.get_running_loop().run_in_executor(self, partial(Outcome, work))

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin work that returns an `Outcome`. The event loop calls this."""
        future: Future[Any] = Future()
        is_first = not self._calls.begun
        self._calls.begun += 1
        self._calls.queue.put((future, partial(work, *args, **kwargs)))
        if is_first:
            Thread(target=self._calls.run, name="aios3-source", daemon=True).start()
        return future

    def close(self) -> None:
        """Let the thread end after the submitted calls. Until then `refuse_if_still_used` refuses its target."""
        _left_running.add(self._calls)
        self._calls.queue.put(None)
        self._calls.forget_if_ended()  # otherwise the thread calls this

    def __del__(self) -> None:
        self._calls.queue.put(None)  # ends the thread of a reader that was not closed


def _nothing() -> None:
    """Do nothing when the work has ended."""


class ThreadWork:
    """Work of one upload in threads.

    `run` starts no task for the thread, so a cancellation cannot end the wait early. There is no deadline either. The
    wait ends when the thread does, and a cancellation that came meanwhile is raised then.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread, and return its result when the thread has ended."""
        return await self.end_of(self.begin(work))

    def begin(self, work: Callable[[], T], ended: Callable[[], object] = _nothing) -> asyncio.Future[Outcome[T]]:
        """Begin `work` in a thread. `ended` is called in the loop when the thread has ended, or cannot begin.

        Raises:
            RuntimeError: the process is ending, and starts no further threads.
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
        """Wait until no work runs: neither work begun so far, nor work that it begins."""
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
