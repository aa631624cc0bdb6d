"""Drivers of one filesystem: one for each event loop that uses it, closed at the latest when the process exits."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from aios3.credentials import ANONYMOUS, Credentials
from aios3.driver import S3StorageDriver
from aios3.options import RetryPolicy, Timeouts, TransferConfig

__all__ = ["Drivers"]

_RECORDS: Final = {
    "credentials": Credentials,
    "retry": RetryPolicy,
    "timeouts": Timeouts,
    "transfer": TransferConfig,
}
_SECONDS_AT_EXIT: Final = 30.0
"""Limit of the time in which the uploads of an exiting process are aborted."""


class Drivers:
    """Makes a driver for an event loop when the loop first asks for it, because a driver belongs to one loop."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Check the options of the drivers.

        Args:
            options: arguments of `S3StorageDriver`. Configuration files have no objects, so a mapping stands for a
                record with these fields, and ``credentials="anonymous"`` for `ANONYMOUS`.

        Raises:
            ConfigurationError, TypeError: as in `S3StorageDriver`.
        """
        self._options = {name: _record(name, value) for name, value in options.items()}
        self._process = os.getpid()
        self._drivers: WeakKeyDictionary[asyncio.AbstractEventLoop, S3StorageDriver] = WeakKeyDictionary()
        S3StorageDriver(**self._options)
        _alive.add(self)

    @property
    def current(self) -> S3StorageDriver:
        """Driver of the running event loop."""
        loop = asyncio.get_running_loop()
        driver = self._drivers.get(loop)
        if driver is None:
            driver = self._drivers[loop] = S3StorageDriver(**self._options)
        return driver

    async def aclose(self) -> None:
        """Abort the uploads that run in this event loop, and close their connections. The next use begins again."""
        driver = self._drivers.pop(asyncio.get_running_loop(), None)
        if driver is not None:
            await driver.aclose()

    def close_soon(self) -> list[Future[None]]:
        """Begin to close the drivers of all running loops, from any thread, and return what to wait for.

        It has no effect in a fork of the process, whose parent still uses the connections.
        """
        if self._process != os.getpid():
            return []
        begun = []
        while self._drivers:
            loop, driver = self._drivers.popitem()
            if loop.is_running():
                closing = driver.aclose()
                try:
                    begun.append(asyncio.run_coroutine_threadsafe(closing, loop))
                except RuntimeError:  # the loop was closed meanwhile
                    closing.close()
        return begun


def _record(name: str, value: Any) -> Any:
    if name == "credentials" and value == "anonymous":
        return ANONYMOUS
    return _RECORDS[name](**value) if name in _RECORDS and isinstance(value, Mapping) else value


_alive: WeakSet[Drivers] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Abort what still runs. The threads of fsspec and of others are daemons, so their loops run until later."""
    for closing in [closing for drivers in _alive for closing in drivers.close_soon()]:
        with suppress(Exception):
            closing.result(_SECONDS_AT_EXIT)
