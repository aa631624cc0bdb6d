"""Closing of a source, in the task that has read it.

The source may hold a scope over its yields: a cancel scope or a task group of anyio, `asyncio.timeout`, an
`asyncio.TaskGroup`. Closing the source ends its scopes. Scopes end in the reverse order of their beginnings, so the
library may hold no scope around the closing. This module needs none. It throws a cancellation into an async generator
at its current yield, where each scope of the generator can recognize its own cancellation. A cancelled scope of anyio
repeats its cancellation at every turn of the loop. This module does not pass these repetitions on.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import types
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import nullcontext
from typing import Any, Final

from aios3._concurrency.caller_errors import note_besides
from aios3._concurrency.shielding import shielded_from_anyio
from aios3.errors import StorageError

__all__ = ["cancellations_until_now", "close_sources"]

_QUIET: Final = 0.05
"""Seconds for which the repetitions of a cancelled scope are ignored."""

_PATIENCE: Final = 30.0
"""Seconds for which a closing is protected from the repetitions of a cancellation."""


async def close_sources(sources: Sequence[object], ended_by: BaseException | None, cancellations: int) -> None:
    """Close all sources that have an ``aclose``, in their order, in the task that has read them.

    A failure of one source does not keep the others open. A cancellation that interrupts a closing is raised after a
    second try, which a further cancellation may interrupt. Any other error becomes a note of `ended_by`.

    Args:
        sources: the objects that were read, the inner one first.
        ended_by: the exception that ended the reading; ``None`` for a clean end.
        cancellations: number of cancellations of the task when the reading began.

    Raises:
        StorageError: `ended_by` is a cancellation that a source has taken back. It came from a scope that the source
            holds, at a time when the source did not run.
        BaseException: the error of a source, after a clean end or instead of a cancellation that it takes back.
    """
    was_cancelled = cancellations_until_now() > cancellations and isinstance(ended_by, asyncio.CancelledError)
    troubles: list[BaseException] = []
    interrupt: asyncio.CancelledError | None = None
    for source in sources:
        closing = _Closing(source, ended_by)
        if was_cancelled:
            troubles += await closing.throw(ended_by)
        try:
            troubles += await closing.close()
        except asyncio.CancelledError as cancellation:
            interrupt = cancellation
    if interrupt is not None:
        raise interrupt
    is_taken_back = was_cancelled and cancellations_until_now() <= cancellations
    if troubles and (ended_by is None or is_taken_back):
        raise troubles[0]
    if is_taken_back:
        why = "a scope that the source holds was cancelled between two chunks, so bytes are lost"
        raise StorageError(why) from ended_by
    if ended_by is not None:
        for trouble in troubles:
            note_besides(ended_by, "closing the source failed as well", trouble)


def cancellations_until_now() -> int:
    """Return how many cancellations of the current task were not taken back; 0 outside a task."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class _Closing:
    """Calls the source's methods in the current task, and returns their errors."""

    def __init__(self, source: Any, ended_by: BaseException | None) -> None:
        self._source = source
        self._passed_on = {_message_of_scope(ended_by)}
        self._end = asyncio.get_running_loop().time() + _PATIENCE

    async def throw(self, cancellation: BaseException | None) -> list[BaseException]:
        """Throw the cancellation into an async generator. Does nothing for other sources."""
        if not inspect.isasyncgen(self._source):
            return []
        return await self._call(lambda: self._source.athrow(cancellation), expected=cancellation)

    async def close(self) -> list[BaseException]:
        """Close the source, and try again if a cancellation interrupts that. The cancellation is raised afterwards."""
        aclose = getattr(self._source, "aclose", None)
        return [] if aclose is None else await self._call(aclose, is_repeated=True)

    async def _call(
        self, method: Callable[[], object], *, expected: BaseException | None = None, is_repeated: bool = False
    ) -> list[BaseException]:
        """Call `method`, and return its error, if it is worth a report: a list of one error or none."""
        before = cancellations_until_now()
        try:
            outcome = method()
            if inspect.isawaitable(outcome):
                await _pass_on(outcome, self._is_news)
        except (KeyboardInterrupt, SystemExit):
            raise
        except StopAsyncIteration:  # the thrown exception has ended the generator
            return []
        except BaseException as trouble:
            is_interrupted = isinstance(trouble, asyncio.CancelledError) and cancellations_until_now() > before
            if is_interrupted and is_repeated:
                await self._call(method)
                raise
            return [] if trouble is expected or _is_only_the_end(trouble) else [trouble]
        return []

    def _is_news(self, cancellation: asyncio.CancelledError) -> bool:
        """Return whether to pass the cancellation on: it is no repetition by anyio, or `_PATIENCE` has passed."""
        message = _message_of_scope(cancellation)
        is_known = message is not None and message in self._passed_on
        self._passed_on.add(message)
        return not is_known or asyncio.get_running_loop().time() > self._end


def _message_of_scope(error: BaseException | None) -> str | None:
    """Return the message that anyio gives to a cancellation and its repetitions; ``None`` for all other errors."""
    message = error.args[0] if isinstance(error, asyncio.CancelledError) and error.args else None
    return message if isinstance(message, str) and " cancel scope " in message else None


def _is_only_the_end(trouble: BaseException) -> bool:
    """Return whether the error is a group of `GeneratorExit`: task groups raise it when their generator is closed."""
    return isinstance(trouble, BaseExceptionGroup) and trouble.split(GeneratorExit)[1] is None


@types.coroutine
def _pass_on(
    awaited: Awaitable[object], is_news: Callable[[asyncio.CancelledError], bool]
) -> Generator[Any, None, None]:
    """Await in the current task, and pass on only new cancellations of the task, no repetitions.

    A repetition must not reach the awaited object, and must not cancel the future that the object waits for. So the
    task waits for that future through a second future. During that wait no code of the source runs in the task. A
    shielding scope of ours may therefore stop the repetitions of anyio. The scope is short, because it also holds back
    new cancellations from other scopes.
    """
    steps = _wait_for(awaited)
    error: BaseException | None = None
    while True:
        try:
            future = steps.send(None) if error is None else steps.throw(error)
        except StopIteration:
            return
        error = yield from (_give_turn(is_news) if future is None else _until(future, is_news))


def _give_turn(is_news: Callable[[asyncio.CancelledError], bool]) -> Generator[None, None, BaseException | None]:
    try:
        yield
    except asyncio.CancelledError as cancellation:
        return cancellation if is_news(cancellation) else None
    return None


def _until(
    future: asyncio.Future[Any], is_news: Callable[[asyncio.CancelledError], bool]
) -> Generator[Any, None, BaseException | None]:
    """Wait for the future of the source; return the exception to throw into the source, or ``None``."""
    future._asyncio_future_blocking = False  # as a task does when it has begun to wait for a future
    is_quiet = False
    while not future.done():
        try:
            with shielded_from_anyio(math.inf) if is_quiet else nullcontext():
                yield from asyncio.wait({future}, timeout=_QUIET if is_quiet else None).__await__()
            is_quiet = False
        except asyncio.CancelledError as cancellation:
            is_quiet = not is_news(cancellation)
            if not is_quiet and not future.cancel(*cancellation.args[:1]):
                return cancellation
    return None


async def _wait_for(awaited: Awaitable[object]) -> None:
    await awaited
