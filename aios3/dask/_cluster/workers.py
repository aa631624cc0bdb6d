"""Drivers on the workers: one for each call, process and event loop, made there and closed with the call.

The engine carries the factory of the drivers to each worker once, in a plugin, also to workers that join later. Tasks
name the call only, so no credentials travel with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from distributed import WorkerPlugin

from aios3.driver import S3StorageDriver
from aios3.errors import DriverClosedError

__all__ = ["DriverFactory", "DriverPlugin", "end_call", "run_in_call"]

T = TypeVar("T")

DriverFactory = Callable[[], S3StorageDriver]


class _Workplace:
    """Driver and running tasks of one call in one event loop. Several workers may run in the same loop."""

    def __init__(self, factory: DriverFactory) -> None:
        self._factory = factory
        self._driver: S3StorageDriver | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_ended = False
        self.users = 0
        """Number of workers that have the plugin."""

    async def run(self, work: Callable[[S3StorageDriver], Coroutine[Any, Any, T]]) -> T:
        """Run `work` in a task that `aclose` can cancel. The engine would not survive a cancellation of its own task.

        Raises:
            DriverClosedError: the call has ended.
            Exception: the error of `work`, or of the factory.
        """
        if self._driver is None:
            self._driver = self._factory()
        task = asyncio.create_task(work(self._driver), name="aios3: task of a cluster")
        self._tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._is_ended:
                raise DriverClosedError("the call that this task belongs to has ended") from None
            raise
        finally:
            self._tasks.discard(task)

    async def aclose(self) -> None:
        """Cancel the tasks, wait until they have ended, and close the driver. Closing twice is harmless."""
        self._is_ended = True
        while tasks := set(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # their waiters take them out of the set
        if self._driver is not None:
            await self._driver.aclose()


_workplaces: Final[dict[tuple[str, asyncio.AbstractEventLoop], _Workplace]] = {}
"""Workplaces of this process, by the name of the call and the loop."""


class DriverPlugin(WorkerPlugin):  # type: ignore[misc]  # the engine's types are not read
    """Plugin that gives a worker a workplace for one call, and closes it when the call or the worker ends."""

    def __init__(self, call: str, factory: DriverFactory) -> None:
        """Take the name of the call and the factory of its drivers, which must be picklable."""
        self._call = call
        self._factory = factory

    def setup(self, worker: object) -> None:
        """Prepare. The first task makes the driver."""
        place = self._call, asyncio.get_running_loop()
        _workplaces.setdefault(place, _Workplace(self._factory)).users += 1

    async def teardown(self, worker: object) -> None:
        """Close the workplace, if no other worker of this loop uses it."""
        workplace = _workplaces.get((self._call, asyncio.get_running_loop()))
        if workplace is not None:
            workplace.users -= 1
            if not workplace.users:
                await end_call(self._call)


async def run_in_call(call: str, work: Callable[[S3StorageDriver], Coroutine[Any, Any, T]]) -> T:
    """Run `work` with the driver of a call, in the loop of the worker.

    Raises:
        DriverClosedError: the call has ended.
        Exception: the error of `work`, or of the factory.
    """
    workplace = _workplaces.get((call, asyncio.get_running_loop()))
    if workplace is None:
        raise DriverClosedError("the call that this task belongs to has ended")
    return await workplace.run(work)


async def end_call(call: str) -> None:
    """Stop what runs of a call in this loop, and close its driver. Nothing of it is in flight afterwards."""
    place = call, asyncio.get_running_loop()
    workplace = _workplaces.get(place)
    if workplace is not None:
        await workplace.aclose()
        _workplaces.pop(place, None)
