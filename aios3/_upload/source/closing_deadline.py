"""Deadline for the end of a source: a source that does not end is reported, then interrupted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from aios3._concurrency.caller_errors import note

__all__ = ["ClosingDeadline", "SourceOverdueError"]

_LOOKS: Final = 6
"""Number of looks in the time that a source has to end. The second look at an unended source reports it."""

_LOG: Final = logging.getLogger("aios3")


class SourceOverdueError(TimeoutError):
    """A source did not end before its deadline."""


class ClosingDeadline:
    """Watches that the source of an upload ends when it has to.

    A source has to end when it is closed, and when the task that reads it is cancelled: by its caller, or because the
    upload has failed. The clean-up of the source runs in that task, so only that task can end it. A timer looks at the
    source at intervals. A source that has not ended, and gave no bytes either, is reported by a warning to the logger
    ``aios3``. After `seconds` (one look more or less) the task is cancelled once more, which interrupts the current
    wait of the source. Every further look repeats that. A source that ignores these cancellations cannot be ended.

    The deadline takes its cancellations back (`asyncio.Task.uncancel`), because the caller's timeouts and task groups
    must count only their own.
    """

    def __init__(self, source: object, place: str, seconds: float) -> None:
        """Prepare. The watch starts with `begin`.

        Args:
            source: its name is written to the log.
            place: the object that the source is uploaded to.
            seconds: time for the source to end.
        """
        self._name = f"source {getattr(source, '__qualname__', type(source).__qualname__)!r} of the upload to {place}"
        self._seconds = seconds
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancellations = 0
        """Number of cancellations of the task that the source has survived."""
        self._interruptions = 0
        """Number of the deadline's own cancellations that were not taken back yet."""
        self._was_interrupted = False
        self._is_closing = False
        self._looks = 0
        self._bytes = 0
        self._bytes_read: Callable[[], int] = int

    def begin(self, bytes_read: Callable[[], int] = int) -> None:
        """Watch the current task, until `end`.

        Args:
            bytes_read: returns the number of bytes that the source has given.
        """
        self._task = asyncio.current_task()
        self._cancellations = self._count()
        self._bytes_read = bytes_read
        self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds / _LOOKS, self._look)

    def _count(self) -> int:
        return 0 if self._task is None else self._task.cancelling() - self._interruptions

    def _look(self) -> None:
        self._looks = self._looks + 1 if self._has_to_end() else 0
        if self._looks == 2:
            _LOG.warning("the %s has not ended, although it was closed or its task cancelled", self._name)
        if self._looks > _LOOKS:
            self._interrupt()
        self._wait()

    def _has_to_end(self) -> bool:
        if self._is_closing:
            return True
        count, taken = self._count(), self._bytes_read()
        has_gone_on = self._looks > 0 and taken != self._bytes
        if count <= self._cancellations or has_gone_on:
            self._cancellations = count
            return False
        self._bytes = taken
        return True

    def _interrupt(self) -> None:
        if not self._interruptions:
            _LOG.warning("the %s has not ended for %g s, and is interrupted", self._name, self._seconds)
        assert self._task is not None
        self._task.cancel()
        self._interruptions += 1
        self._was_interrupted = True

    def _take_back(self) -> None:
        while self._task is not None and self._interruptions:
            self._interruptions -= 1
            self._task.uncancel()

    @contextmanager
    def closing(self) -> Generator[None, None, None]:
        """Watch the block that closes the source.

        Raises:
            SourceOverdueError: the block was interrupted.
        """
        if self._timer is None:
            self.begin()
        self._take_back()
        self._is_closing, self._looks = True, 0
        cancellations = self._count()
        try:
            yield
        except asyncio.CancelledError as error:
            was_interrupted = bool(self._interruptions)
            self._take_back()
            if not was_interrupted or self._count() > cancellations:
                raise
            raise SourceOverdueError(f"the source did not end within {self._seconds:g} s") from error
        finally:
            self._take_back()
            self._is_closing = False

    def end(self, error: BaseException | None) -> None:
        """Stop watching; `error`, which ends the block, gets a note if the source was interrupted."""
        self._take_back()
        if self._timer is not None:
            self._timer.cancel()
        self._task, self._bytes_read = None, int
        if not self._was_interrupted or error is None:
            return
        note(error, f"aios3: the {self._name} did not end within {self._seconds:g} s, and was interrupted")
