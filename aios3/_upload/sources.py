"""One way to read every kind of source."""

from __future__ import annotations

import asyncio
import inspect
import io
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import nullcontext
from enum import Enum
from types import TracebackType
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from aios3.options import KIB

from .shielding import shielded_from_anyio
from .source_watch import SourceWatch

__all__ = ["END", "Pull", "Source", "SourceReader", "as_view"]


_GATHERING_SECONDS: Final = 0.005
"""How long chunks of a blocking iterator are gathered before they are handed on."""

_CLOSING_SECONDS: Final = 30.0
"""How long a source may take to close although an anyio scope around it has been cancelled."""


T = TypeVar("T")


class _End(Enum):
    END = "end"


END: Final = _End.END
"""What a pull returns when the source has ended; ``None`` would hide a source that gives ``None`` as a chunk."""

End = Literal[_End.END]
Buffer = bytes | bytearray | memoryview
Source = AsyncIterable[Buffer] | Iterable[Buffer] | Buffer | Any


class Pull(Protocol):
    """Asks the source for its next bytes."""

    def __call__(self, hint: int) -> Awaitable[Buffer | End]:
        """Return the next chunk, possibly empty, or `END`; readers return at most `hint` bytes."""
        ...  # pragma: no cover - a protocol has no body


def as_view(chunk: object) -> memoryview:
    """Return the bytes of a chunk without a copy (but for one that is not contiguous).

    Raises:
        TypeError: it is not bytes-like.
    """
    if type(chunk) is bytes:  # the usual case, which needs no look
        return memoryview(chunk)
    try:
        view = memoryview(chunk)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"the source gave {type(chunk).__name__}, but its chunks must be bytes-like") from None
    if not view.c_contiguous:
        return memoryview(view.tobytes())
    return view.cast("B") if view.ndim != 1 or view.format != "B" else view


class SourceReader:
    """Reads one source to its end, and closes it.

    Closed is what has an ``aclose`` (async generators); files and readers stay
    the caller's. Nothing is asked of the source before the first pull.
    """

    def __init__(self, source: Source, watch: SourceWatch | None = None) -> None:
        """Find out how to read `source`.

        Args:
            source: is read once.
            watch: sees to it that the source ends; ``None`` waits without a limit.

        Raises:
            TypeError: nothing can be read from it.
        """
        self._is_closed = False
        self.watch = watch
        self._source = source
        self.pull: Pull = _pull_from(source, lambda: self._is_closed)

    async def aclose(self) -> None:
        """Close the source, in the caller's task. Closing twice is harmless.

        A cancellation that interrupts the closing is raised after a second try, which a further one may interrupt.

        Raises:
            TimeoutError: the source did not end in the time that its watch allows.
            Exception: what the source raises.
        """
        aclose = None if self._is_closed else getattr(self._source, "aclose", None)
        self._is_closed = True
        if aclose is None:
            return
        with nullcontext() if self.watch is None else self.watch.closing(), shielded_from_anyio(_CLOSING_SECONDS):
            try:
                await _call(aclose)
            except asyncio.CancelledError:
                await _call(aclose)
                raise

    async def __aenter__(self) -> SourceReader:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except Exception as trouble:
            if exc is None:
                raise
            exc.add_note(f"aios3: closing the source failed as well: {trouble!r}")
        finally:
            if self.watch is not None:
                self.watch.end(exc)


async def _call(function: Callable[[], object]) -> None:
    outcome = function()
    if inspect.isawaitable(outcome):
        await outcome


def _pull_from(source: Source, is_closed: Callable[[], bool]) -> Pull:
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_iterator(iter((source,)))
    _refuse_lookalikes(source)
    read = getattr(source, "read", None)
    if callable(read):
        return _from_reader(read)
    if hasattr(source, "__aiter__"):
        return _from_async_iterator(cast("AsyncIterable[Buffer]", source))
    if isinstance(source, list | tuple):
        return _from_iterator(iter(source))
    if hasattr(source, "__iter__"):
        return _from_blocking_iterator(source, is_closed)
    raise TypeError(
        f"cannot read from {type(source).__name__}: a source is an async or sync iterable of bytes, bytes-like, "
        "or something with read(n)"
    )


def _refuse_lookalikes(source: object) -> None:
    """Refuse what could be iterated but cannot be meant."""
    if isinstance(source, str):
        raise TypeError("a source must be bytes, not str; for a path use upload_object")
    if isinstance(source, io.TextIOBase):
        raise TypeError("a file must be opened in binary mode to be a source")
    if isinstance(source, dict | set | frozenset):
        raise TypeError(f"a {type(source).__name__} is no source: its items have no order of bytes")
    if inspect.iscoroutine(source):
        source.close()
        raise TypeError("a coroutine is no source; await it first")
    if inspect.isasyncgenfunction(source) or inspect.isgeneratorfunction(source):
        raise TypeError("a generator function is no source; call it first")


def _from_iterator(iterator: Iterator[Buffer]) -> Pull:
    async def pull(hint: int) -> Buffer | End:
        return next(iterator, END)

    return pull


def _from_async_iterator(source: AsyncIterable[Buffer]) -> Pull:
    iterator = aiter(source)
    return lambda hint: anext(iterator, END)  # no coroutine of ours: this is the way of every chunk


def _from_blocking_iterator(source: Iterable[Buffer], is_closed: Callable[[], bool]) -> Pull:
    """Pull in a thread, several chunks a time where they come fast, because a thread costs more than a small chunk."""
    iterator: Iterator[Buffer] | None = None

    def gather(hint: int) -> Buffer | End:
        nonlocal iterator
        if iterator is None:
            iterator = iter(source)
        until = time.monotonic() + _GATHERING_SECONDS
        first = next(iterator, END)
        if first is END or as_view(first).nbytes >= min(hint, 64 * KIB):
            return first
        joined = bytearray(first)
        while len(joined) < hint and time.monotonic() < until and not is_closed():
            chunk = next(iterator, END)
            if chunk is END:
                break
            joined += as_view(chunk)
        return joined

    async def pull(hint: int) -> Buffer | End:
        return await _in_thread(gather, hint)

    return pull


def _from_reader(read: Callable[[int], Any]) -> Pull:
    """Read asynchronously where `read` is a coroutine function, else in a thread."""
    is_async = inspect.iscoroutinefunction(read)

    async def pull(hint: int) -> Buffer | End:
        nonlocal is_async
        outcome = read(hint) if is_async else await _in_thread(read, hint)
        if inspect.isawaitable(outcome):
            is_async = True
            outcome = await outcome
        return _chunk_or_end(outcome)

    return pull


async def _in_thread(function: Callable[[int], T], hint: int) -> T:
    """Call in a thread; a StopIteration, which no future can carry, becomes a RuntimeError as in a generator."""

    def call() -> T:
        try:
            return function(hint)
        except StopIteration as error:
            raise RuntimeError("the source raised StopIteration") from error

    return await asyncio.to_thread(call)


def _chunk_or_end(chunk: object) -> Buffer | End:
    view = as_view(chunk)
    return view if len(view) else END
