"""Shutdown of web servers: the driver is closed when the server gets its signal, not after its last request."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, Final

from aios3.driver import S3StorageDriver
from aios3.errors import ConfigurationError

__all__ = ["close_on_signal"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def close_on_signal(driver: S3StorageDriver, *, grace: float = 20.0) -> AsyncGenerator[None]:
    """Close the driver when the server is asked to end, inside the lifespan of an application.

    Servers run the end of a lifespan after the last request. A slow upload then holds the server until it is killed, or
    its task is cancelled and the log gets a traceback. With this block SIGTERM or Ctrl-C reaches the server as before,
    and also begins ``driver.aclose(grace=grace)``. New uploads are refused, and running uploads get `grace` seconds.
    Then the others raise `DriverClosedError`, which `status_of` turns into 503. A second Ctrl-C ends the grace, and the
    server gets only a third one.

    Signals are left alone outside the main thread, and where neither Python nor the server handles them. Leaving the
    block restores the handlers, and waits for a closing that has begun. A cancellation meanwhile ends the grace.

    Args:
        driver: the driver, which a surrounding ``async with`` closes if no signal comes.
        grace: seconds in which running uploads may end by themselves. Give the server some seconds more.

    Raises:
        ConfigurationError: `grace` is negative.
    """
    if not grace >= 0:
        raise ConfigurationError(f"grace must be a number of seconds that is not negative, not {grace!r}")
    closer = _Closer(driver, grace)
    if threading.current_thread() is threading.main_thread():
        closer.install()
    try:
        yield
    finally:
        closer.remove()
        await closer.finish()


class _Closer:
    """Handler of signals in front of those that the server has installed."""

    def __init__(self, driver: S3StorageDriver, grace: float) -> None:
        self._driver = driver
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._former: dict[int, Any] = {}
        self._is_asked = self._is_hurried = False
        self._closing: asyncio.Task[None] | None = None

    def install(self) -> None:
        for number in _SIGNALS:
            former = signal.getsignal(number)
            if callable(former):
                self._former[number] = former
                signal.signal(number, self._handle)

    def remove(self) -> None:
        for number, former in self._former.items():
            if signal.getsignal(number) == self._handle:  # the server may have installed another meanwhile
                signal.signal(number, former)

    async def finish(self) -> None:
        if self._closing is None:
            return
        try:
            await asyncio.wait({self._closing})
        except asyncio.CancelledError:
            self._closing.cancel()
            raise

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Run between two instructions of the main thread, so only the loop may touch the task."""
        if number == signal.SIGINT and self._is_asked and not self._is_hurried:
            self._is_hurried = True
            self._loop.call_soon_threadsafe(self._end_grace)  # a server would cancel the uploads now
            return
        self._is_asked = True
        self._loop.call_soon_threadsafe(self._begin)
        self._former[number](number, frame)

    def _begin(self) -> None:
        if self._closing is None:
            self._closing = self._loop.create_task(
                self._driver.aclose(grace=self._grace), name="aios3: close on signal"
            )

    def _end_grace(self) -> None:
        if self._closing is not None:
            self._loop.call_soon(self._closing.cancel)  # a task that is cancelled before its first step closes nothing
