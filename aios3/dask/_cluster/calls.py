"""One call on a cluster, as its client sees it: plugin, tasks, results as they come, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from distributed import CancelledError, Client, Future

from aios3._concurrency.caller_errors import async_block
from aios3._concurrency.shielding import finish_despite_cancellation
from aios3.errors import ConfigurationError, StorageError

from .workers import DriverFactory, DriverPlugin, end_call

__all__ = ["ClusterCall", "cluster_call", "refuse_attributes"]

_log: Final = logging.getLogger("aios3")

_STOP_SECONDS: Final = 60.0
"""Limit of the wait until all workers have stopped what runs of a call. The scheduler may be gone."""


class ClusterCall:
    """Tasks of one call. The engine schedules them, ships their data and runs them again."""

    def __init__(self, client: Client, retries: int) -> None:
        """Prepare; nothing is sent.

        Args:
            client: belongs to the running loop.
            retries: runs of a task after its first one failed.
        """
        self._client = client
        self._retries = retries
        self.name: Final = uuid.uuid4().hex
        self._futures: set[Future] = set()
        self._awaited: Final[dict[asyncio.Task[Any], Future]] = {}
        """Tasks that wait for results which have not been given yet."""
        self._ended: Final[asyncio.Queue[asyncio.Task[Any]]] = asyncio.Queue()
        """Those of them that have ended."""

    def submit(
        self, what: str, index: int | str, function: Callable[..., Any], *arguments: object, urgent: bool = False
    ) -> Future:
        """Submit a task, and return its future. `release` it when no later task will need it.

        Args:
            what: kind of the task. The dashboard groups tasks by it.
            index: tells tasks of one kind apart.
            function: runs on a worker.
            *arguments: futures among them are replaced by their results, wherever these are.
            urgent: run the task before others.
        """
        key = f"aios3_{what}-{self.name}", index
        future = self._client.submit(
            function, *arguments, key=key, retries=self._retries, priority=int(urgent), pure=False
        )
        self._futures.add(future)
        return future

    def wait_for(self, future: Future) -> None:
        """Let `results` give the result of a task, which must be small.

        Its worker may die before and after the result is here. The engine's `as_completed` would take the second for a
        failure, and wait without end if the first made the task run again and fail.
        """
        task = asyncio.ensure_future(future)
        self._awaited[task] = future
        task.add_done_callback(self._ended.put_nowait)

    def release(self, future: Future) -> None:
        """Let the engine forget a result as soon as no submitted task needs it."""
        self._futures.discard(future)

    @property
    def waiting(self) -> int:
        """Number of tasks whose results have not been given yet."""
        return len(self._awaited)

    async def threads(self) -> int:
        """Return the number of threads of all workers."""
        return sum((await self._client.nthreads()).values())

    async def results(self) -> AsyncGenerator[Any, None]:
        """Yield the results of the awaited tasks as they come, also of those added meanwhile.

        Raises:
            StorageError: the cluster dropped a task, because another client cancelled it or the scheduler is gone.
            Exception: the error of a task.
        """
        while self._awaited:
            task = await self._ended.get()
            future = self._awaited.pop(task)
            self.release(future)
            error = _error_of(task)
            if isinstance(error, CancelledError) and future.cancelled():
                raise StorageError(f"the cluster dropped a task of this call: {error}")
            yield task.result()

    async def stop(self) -> None:
        """Cancel all tasks, and wait until the workers have stopped them. Repeating this is harmless.

        A worker that does not respond is left out: what it still sends is refused when the upload is aborted.

        Raises:
            Exception: the scheduler does not respond.
        """
        if futures := self._futures.union(self._awaited.values()):
            await self._client.cancel(list(futures))
        if self._awaited:  # a cancellation of these tasks could reach what other calls of the client wait for
            ended, _ = await asyncio.wait(self._awaited)
            for task in ended:
                _error_of(task)  # else the loop would report it
            self._awaited.clear()
        await self._client.run(end_call, self.name, on_error="ignore")
        with contextlib.suppress(ValueError):  # an earlier try has removed it
            await self._client.unregister_worker_plugin(self.name)


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


@async_block
async def cluster_call(client: Client, factory: DriverFactory, retries: int = 0) -> AsyncGenerator[ClusterCall]:
    """Give the workers their drivers for the time of the block.

    However the block ends, no task of the call runs afterwards on a worker that responds, and no driver is open.
    """
    async with _in_this_loop(client) as mine:
        call = ClusterCall(mine, retries)
        try:
            await mine.register_plugin(DriverPlugin(call.name, factory), name=call.name)
            yield call
        finally:
            finished = await finish_despite_cancellation(call.stop, deadline=_STOP_SECONDS, name="aios3: end of a call")
            if finished.error is not None:
                _log.warning("Drivers on workers of %r may still be open: %r", mine, finished.error)
            if finished.cancellation is not None:
                raise finished.cancellation


@asynccontextmanager
async def _in_this_loop(client: Client) -> AsyncIterator[Client]:
    """Give the client itself, or another one of its scheduler if it belongs to another loop."""
    if client.asynchronous:
        yield client
        return
    async with Client(
        client.scheduler.address, security=client.security, asynchronous=True, set_as_default=False
    ) as mine:
        yield mine


def refuse_attributes(attributes: Mapping[str, object], refused: Mapping[str, str]) -> None:
    """Refuse attributes that cannot be used from workers.

    Raises:
        ConfigurationError: one of them is given; the message has the reason.
    """
    for name, reason in refused.items():
        if attributes.get(name) is not None:
            raise ConfigurationError(f"{name} cannot be used from the workers of a cluster: {reason}")
