"""Reader with one interface for every kind of source."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import nullcontext
from enum import Enum
from types import TracebackType
from typing import Any, Final, Literal, Protocol

from aios3._concurrency.caller_errors import Outcome, note_besides
from aios3._concurrency.threads import CallerThread, refuse_if_still_used
from aios3.options import KIB

from .closing import cancellations_until_now, close_sources
from .closing_deadline import ClosingDeadline, SourceOverdueError
from .kinds import Buffer, Source, as_view, inner_source, is_buffer, readable_of

__all__ = ["END", "Pull", "SourceReader"]


_GATHERING_SECONDS: Final = 0.005
"""Seconds for which small chunks of a blocking iterator are joined before they are passed on."""

_CLOSING_IN_THREAD_SECONDS: Final = 20.0
"""Seconds that an iterator may take to close in its thread."""


class _End(Enum):
    END = "end"


END: Final = _End.END
"""Result of a pull after the end of the source; ``None`` would hide a source that gives ``None`` as a chunk."""

End = Literal[_End.END]


class Pull(Protocol):
    """Function that asks the source for its next bytes."""

    def __call__(self, hint: int) -> Awaitable[Buffer | End]:
        """Return the next chunk, possibly empty, or `END`. Only sources with a ``read`` limit it to `hint` bytes."""


class SourceReader:
    """Reads one source to its end, and closes it.

    It closes the source, if that has an ``aclose`` or is a generator, and the iterator that it made to read the source.
    Files and objects with a ``read`` stay open: the caller closes them. The first pull makes the first call to the
    source. Blocking calls run in a separate thread for the source. Closing the reader does not wait for a call that
    still runs there.
    """

    def __init__(
        self, source: Source, thread: CallerThread | None = None, deadline: ClosingDeadline | None = None
    ) -> None:
        """Choose the way to read `source`.

        Args:
            source: is read once.
            thread: runs the blocking calls, and stays open; ``None`` makes a thread, which the reader closes.
            deadline: bounds the end of the source; ``None`` waits without a limit.

        Raises:
            TypeError: `source` cannot be read.
            ConfigurationError: a read of an earlier upload still runs in `source`.
        """
        self._source = inner_source(source)
        refuse_if_still_used(self._source)
        self._thread = CallerThread(self._source) if thread is None else thread
        self._owns_thread = thread is None
        self._way = _way_to_read(self._source, self._thread)
        self.pull: Pull = self._way.pull
        self._is_closed = False
        self._cancellations = 0
        """Number of cancellations of the reading task when the block began."""
        self.deadline = deadline

    async def aclose(self) -> None:
        """Close the source after a clean end, in the caller's task. Closing twice is harmless.

        A cancellation that interrupts the closing is raised after a second try. A further cancellation may interrupt
        that try.

        Raises:
            TimeoutError: the source did not end before its deadline.
            Exception: the error of the source.
        """
        await self._close(None)

    async def _close(self, ended_by: BaseException | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with nullcontext() if self.deadline is None else self.deadline.closing():
                await close_sources([self._way.opened(), self._source], ended_by, self._cancellations)
        except SourceOverdueError as trouble:
            if ended_by is None:
                raise
            note_besides(ended_by, "closing the source failed as well", trouble)
        finally:
            if self._owns_thread:
                self._thread.close()

    async def __aenter__(self) -> SourceReader:
        self._cancellations = cancellations_until_now()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._close(exc)
        finally:
            if self.deadline is not None:
                self.deadline.end(exc)


def _nothing() -> None:
    """Do nothing, in place of a missing ``close``."""


class _Way(Protocol):
    """A way to read a source."""

    def pull(self, hint: int) -> Awaitable[Buffer | End]:
        """Return the next chunk or `END`, as `Pull` does."""

    def opened(self) -> object:
        """Return the object that `pull` has opened, which ``aclose`` closes; ``None`` if there is none."""


def _way_to_read(source: object, thread: CallerThread) -> _Way:
    if isinstance(source, list | tuple):
        return _FromMemory(source)
    if is_buffer(source):
        return _FromMemory((source,))
    readable: Any = readable_of(source)
    if callable(getattr(readable, "read", None)):
        return _FromReader(readable, thread)
    if hasattr(readable, "__aiter__"):
        return _FromAsyncIterable(readable, is_ours=readable is not source)
    return _FromBlockingIterable(readable, thread)


class _FromMemory:
    """Gives chunks that are in memory already."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = iter(chunks)

    async def pull(self, hint: int) -> Buffer | End:
        return next(self._chunks, END)

    def opened(self) -> None:
        self._chunks = iter(())


class _FromAsyncIterable:
    def __init__(self, source: AsyncIterable[Buffer], *, is_ours: bool) -> None:
        self._source = source
        self._is_ours = is_ours
        self._iterator: AsyncIterator[Buffer] | None = None

    def pull(self, hint: int) -> Awaitable[Buffer | End]:
        # No coroutine of ours, because every chunk passes here.
        iterator = self._iterator
        if iterator is None:
            iterator = self._iterator = aiter(self._source)
        return anext(iterator, END)

    def opened(self) -> object:
        return self._iterator if self._is_ours or self._iterator is not self._source else None


class _FromBlockingIterable:
    """Pulls in a thread, and joins small chunks that come fast: a call in a thread costs more than a small chunk."""

    def __init__(self, source: Iterable[Buffer], thread: CallerThread) -> None:
        self._source = source
        self._thread = thread
        self._iterator: Iterator[Buffer] | None = None
        self._is_closed = False
        self._closing: asyncio.Future[Outcome[None]] | None = None

    def pull(self, hint: int) -> Awaitable[Buffer | End]:
        return self._thread.call(self._gather, hint)

    def _gather(self, hint: int) -> Buffer | End:
        if self._iterator is None:
            self._iterator = iter(self._source)
        iterator = self._iterator
        until = time.monotonic() + _GATHERING_SECONDS
        first = next(iterator, END)
        if first is END or (view := as_view(first)).nbytes >= min(hint, 64 * KIB):
            return first
        joined = bytearray(view)
        del first, view  # a producer may resize its buffer for the next chunk
        while len(joined) < hint and time.monotonic() < until and not self._is_closed:
            chunk = next(iterator, END)
            if chunk is END:
                break
            joined += as_view(chunk)
        return joined

    def opened(self) -> object:
        return self

    async def aclose(self) -> None:
        """Close the iterator in its thread. A busy thread closes it later, and the first call does not wait.

        Raises:
            TimeoutError: the iterator did not close within 20 s.
            Exception: the error of the iterator.
        """
        is_busy, self._is_closed = self._thread.is_running, True
        if self._closing is None:
            if self._iterator is None and not is_busy:
                return
            self._closing = self._thread.begin(self._close_iterator)
            if is_busy:
                return
        await asyncio.wait({self._closing}, timeout=_CLOSING_IN_THREAD_SECONDS)
        if not self._closing.done():
            raise TimeoutError(f"the source has not closed within {_CLOSING_IN_THREAD_SECONDS:g} s")
        self._closing.result().unwrap()

    def _close_iterator(self) -> None:
        iterator, self._iterator = self._iterator, None
        if isinstance(iterator, Generator):
            iterator.close()
        elif iterator is not self._source and not hasattr(
            iterator, "read"
        ):  # an iterator that is a file stays open for the caller
            getattr(iterator, "close", _nothing)()


class _FromReader:
    """Reads asynchronously if ``read`` is a coroutine function, else in a thread."""

    def __init__(self, reader: Any, thread: CallerThread) -> None:
        self._read: Callable[[int], Any] = reader.read
        self._thread = thread
        self._is_async = inspect.iscoroutinefunction(reader.read)

    async def pull(self, hint: int) -> Buffer | End:
        chunk = self._read(hint) if self._is_async else await self._thread.call(self._read, hint)
        if inspect.isawaitable(chunk):
            self._is_async = True
            chunk = await chunk
        view = as_view(chunk)
        return view if len(view) else END

    def opened(self) -> None:
        """Return ``None``: the caller closes the reader."""
