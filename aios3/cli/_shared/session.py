"""One run of a command: its event loop, its driver, its signals, and the exit code of what it raises."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aios3.cli._shared.exit_codes import ExitCode, exit_code_of
from aios3.cli._shared.options import StoreOptions, UploadOptions
from aios3.cli._shared.output import drop_standard_output, printable, show_error, show_message, show_raw
from aios3.driver import S3StorageDriver
from aios3.errors import DriverClosedError, StorageError, UploadSuspendedError
from aios3.options import Timeouts

__all__ = ["report", "run"]

Work = Callable[[S3StorageDriver], Awaitable[ExitCode | None]]

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
_PATIENCE: Final = 1.0
"""Seconds after the closing of the driver until work is cancelled that waits for something else, such as a file."""


def run(
    store: StoreOptions, work: Work, upload: UploadOptions | None = None, *, timeouts: Timeouts | None = None
) -> int:
    """Run `work` with a driver, and return the exit code of the command. Errors of users are shown in a line each.

    SIGINT and SIGTERM cancel the work, which aborts its uploads. With a journal they close the driver instead, which
    leaves them open, to be resumed. A second signal cancels the work in any case: then the message names the journal.
    A signal that the parent process ignores (``nohup``) stays ignored.

    Args:
        store: the store, and the way to it.
        work: the command, which gets the driver.
        upload: options of its uploads; ``None`` if it makes none.
        timeouts: limits of stalls, if `upload` names none; ``None`` takes the driver's own.

    Raises:
        Exception: a defect of this program.
    """
    signals = _Signals(store.journal)
    try:
        with store.environment(), _warnings_on_standard_error():
            return asyncio.run(_run(store, upload, work, signals, timeouts))
    except asyncio.CancelledError:
        return _ended_by(signals)
    except Exception as error:  # noqa: BLE001 - a defect is raised again
        return report(error)


async def _run(
    store: StoreOptions, upload: UploadOptions | None, work: Work, signals: _Signals, timeouts: Timeouts | None
) -> int:
    transfer = None if upload is None else upload.transfer()
    timeouts = timeouts if upload is None else upload.timeouts() or timeouts
    with signals.caught():
        async with store.make_driver(transfer, timeouts) as driver:
            try:
                with signals.ending(driver):
                    return await work(driver) or ExitCode.DONE
            except DriverClosedError as error:
                return _closed(error, signals)
            except asyncio.CancelledError as error:
                for note in getattr(error, "__notes__", ()):
                    show_message(note.removeprefix("aios3: "))
                raise


def _closed(error: DriverClosedError, signals: _Signals) -> int:
    """Report the end of a driver that a signal has closed."""
    is_left_open = isinstance(error, UploadSuspendedError) and error.checkpoint is not None
    return report(error) if is_left_open or signals.number is None else _ended_by(signals)


def _ended_by(signals: _Signals) -> int:
    number = signals.number or signal.SIGINT
    words = f"ended by {signal.Signals(number).name}"
    if signals.is_hurried:
        words += f"; uploads may still be open, see: aios3 uploads ls --journal {shlex.quote(str(signals.journal))}"
    show_message(words)
    return 128 + number


def report(error: Exception, subject: str = "") -> ExitCode:
    """Show an error, and return its exit code. The checkpoint of an upload that was left open goes to standard output.

    A reader of standard output that has gone (``aios3 cat URL | head``) knows that, so it is not shown.

    Args:
        error: the error.
        subject: what the error is about, if several things are done; empty if only one is done.

    Raises:
        Exception: the error itself, if it is a defect of this program.
    """
    code = exit_code_of(error)
    if code is None:
        raise error
    if isinstance(error, BrokenPipeError) and not isinstance(error, StorageError):
        drop_standard_output()
        return code
    if isinstance(error, UploadSuspendedError) and error.checkpoint is not None:
        show_raw(error.checkpoint.to_json())
    show_error(error, subject)
    return code


class _Signals:
    """Signals that end the work of a command."""

    def __init__(self, journal: str | None) -> None:
        self.number: int | None = None
        """The first signal; ``None`` if none came."""
        self.journal = journal
        """Directory of the journal, with which the first signal suspends; ``None`` without one."""
        self.is_hurried = False
        """Whether a second signal cut short the suspension, whose checkpoints are then only in the journal."""
        self._driver: S3StorageDriver | None = None
        self._main: asyncio.Task[object] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals inside the block, also during the clean-up after the first one."""
        loop, caught = asyncio.get_running_loop(), []
        self._main = asyncio.current_task()
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # Windows; not the main thread
                    loop.add_signal_handler(number, self._receive, number)
                    caught.append(number)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    @contextmanager
    def ending(self, driver: S3StorageDriver) -> Iterator[None]:
        """Let signals end the work inside the block."""
        self._driver = driver
        try:
            yield
        finally:
            self._driver = None
            if self._timer is not None:
                self._timer.cancel()

    def _receive(self, number: int) -> None:
        if self.number is None:
            self.number = number
            if self.journal is not None and self._driver is not None:
                self._closing = asyncio.create_task(self._close(self._driver), name="aios3: suspend the uploads")
                return
        if self._driver is not None:  # else the driver is being closed, which a further signal would only disturb
            self.is_hurried = self.journal is not None
            self._cancel()

    async def _close(self, driver: S3StorageDriver) -> None:
        await driver.aclose()
        if self._driver is not None:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._cancel)

    def _cancel(self) -> None:
        assert self._main is not None
        self._main.cancel()


class _OneLine(logging.Formatter):
    """Formatter of the library's warnings as messages of the command."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(f"aios3: {record.getMessage()}")


@contextmanager
def _warnings_on_standard_error() -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("aios3")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
