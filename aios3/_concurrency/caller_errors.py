"""The caller's exceptions: noted where they allow it, carried out of threads as values, never replaced.

An exception class may refuse new attributes (frozen dataclasses do), and its text
may raise, too. It is more important that the exception reaches the caller than that
it carries a note.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar, cast

__all__ = ["Outcome", "async_block", "note", "note_besides"]

P = ParamSpec("P")
T = TypeVar("T")


def note(error: BaseException, text: str) -> None:
    """Add a note to `error`, unless it takes none."""
    with contextlib.suppress(Exception):
        error.add_note(text)


def note_besides(error: BaseException, what: str, other: BaseException) -> None:
    """Add a note to `error` about the error `other`, unless `error` takes no note, or both have the same text."""
    with contextlib.suppress(Exception):
        if str(other) != str(error):
            error.add_note(f"aios3: {what}: {other!r}")


class Outcome(Generic[T]):
    """Result or exception of a function, as a value.

    A future does not carry every exception unchanged. It turns `concurrent.futures.CancelledError` into asyncio's, and
    cannot hold a StopIteration. A GeneratorExit from it ends the waiting coroutine without its clean-up.
    """

    __slots__ = ("_error", "_result")

    def __init__(self, function: Callable[[], T]) -> None:
        """Call `function`, and keep its outcome."""
        self._result: T | None = None
        self._error: BaseException | None = None
        try:
            self._result = function()
        except BaseException as error:  # noqa: BLE001 - raised by `unwrap`
            self._error = error

    def unwrap(self) -> T:
        """Return the result of the function, or raise its exception, the same object. Call this once."""
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._result)
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame


def async_block(steps: Callable[P, AsyncGenerator[T]]) -> Callable[P, _Block[T]]:
    """Make an async context manager of a generator, as `contextlib.asynccontextmanager` does.

    The exception that ends the block is the caller's: it passes through the generator unchanged. The generator must
    not swallow it.
    """

    @functools.wraps(steps)
    def make(*args: P.args, **kwargs: P.kwargs) -> _Block[T]:
        return _Block(steps(*args, **kwargs))

    return make


class _Block(contextlib.AbstractAsyncContextManager[T]):
    def __init__(self, steps: AsyncGenerator[T]) -> None:
        self._steps = steps

    async def __aenter__(self) -> T:
        return await anext(self._steps)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is None:
            await anext(self._steps, None)
            return
        try:
            await self._steps.athrow(exc)
        except BaseException as error:
            is_wrapped = isinstance(exc, StopIteration | StopAsyncIteration) and error.__cause__ is exc
            if error is not exc and not is_wrapped:  # a generator cannot raise these two
                raise
            BaseException.with_traceback(exc, traceback)  # without the frames of the generator
