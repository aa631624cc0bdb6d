"""Watches over uploads: all listeners of one upload in this process share one poll of the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

from aios3.errors import StorageError

from .events import HEARTBEAT, RETRY, UploadState

__all__ = ["Look", "Watches"]

Look = Callable[[], Awaitable[UploadState]]

_log: Final = logging.getLogger("aios3")

_INTERVAL: Final = 3.0
"""Seconds between two polls of one upload."""
_MOST_POLLS: Final = 10
"""Polls of all uploads in one second. With more watches each upload is polled less often."""
_MOST_LISTENERS: Final = 1000
_HEARTBEAT: Final = 15.0
"""Seconds after which a quiet stream gets a comment."""
_LIFETIME: Final = 300.0
"""Seconds after which a stream ends. A browser asks again, and is authorized again."""


class _Watch:
    """Watch over one upload."""

    def __init__(self) -> None:
        self.state: UploadState | None = None
        """Last state; ``None`` before the first poll."""
        self.listeners = 0
        self.task: asyncio.Task[None] | None = None
        """Poll of the store."""
        self.is_over = False
        """No further state follows."""
        self.changed = asyncio.Event()
        """Set at the next change, which makes a new event."""

    @property
    def has_ended(self) -> bool:
        """The last state is final."""
        return self.state is not None and self.state.is_final

    def show(self, state: UploadState) -> None:
        """Take a new state. The offset never goes back: a poll may meet a store between two writes."""
        old = self.state
        if old is not None and old.offset is not None and state.offset is not None and state.offset < old.offset:
            state = replace(state, offset=old.offset)
        if state != old:
            self.state = state
            self._wake()

    def end(self) -> None:
        """Let the listeners end after the last state."""
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Watches:
    """Watches of one application in this process. A watch begins with its first listener, and ends with its last."""

    def __init__(self, closed: asyncio.Event, *, most_listeners: int = _MOST_LISTENERS) -> None:
        """Take the event that the driver sets when it is closed, which ends all watches."""
        self._closed = closed
        self._most_listeners = most_listeners
        self._watches: dict[str, _Watch] = {}
        self._listeners = 0

    @property
    def is_full(self) -> bool:
        """No further listener is taken."""
        return self._listeners >= self._most_listeners

    async def events(self, name: str, look: Look) -> AsyncGenerator[bytes]:
        """Yield the events of the upload `name`, for one listener.

        A slow listener misses states and gets the newest, so it needs no queue. The iteration ends after the last
        state, when the driver is closed, after five minutes, or at once if there are too many listeners.

        Args:
            name: name of the upload within this application.
            look: asks the store for the state. The first listener's is used for all.
        """
        if self.is_full:
            return
        watch = self._join(name, look)
        try:
            yield RETRY
            async with aclosing(self._follow(watch)) as events:
                async for event in events:
                    yield event
        finally:
            await self._leave(name, watch)

    async def _follow(self, watch: _Watch) -> AsyncGenerator[bytes]:
        loop = asyncio.get_running_loop()
        end, shown = loop.time() + _LIFETIME, None
        while loop.time() < end:
            if watch.state not in (None, shown):
                shown = watch.state
                yield shown.to_event()
            elif watch.is_over:
                return
            else:
                try:
                    async with asyncio.timeout(_HEARTBEAT):
                        await watch.changed.wait()
                except TimeoutError:
                    yield HEARTBEAT

    def _join(self, name: str, look: Look) -> _Watch:
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = _Watch()
            watch.task = asyncio.create_task(self._poll(name, watch, look), name="aios3: watch an upload")
        watch.listeners += 1
        self._listeners += 1
        return watch

    async def _leave(self, name: str, watch: _Watch) -> None:
        watch.listeners -= 1
        self._listeners -= 1
        if watch.listeners or watch.task is None:
            return
        self._forget(name, watch)
        watch.task.cancel()
        await asyncio.wait({watch.task})

    def _forget(self, name: str, watch: _Watch) -> None:
        if self._watches.get(name) is watch:
            del self._watches[name]

    async def _poll(self, name: str, watch: _Watch, look: Look) -> None:
        """Ask the store until the upload has ended, or the driver is closed. A poll that fails shows nothing."""
        try:
            is_over = False
            while not is_over:
                with suppress(StorageError, TimeoutError):
                    watch.show(await look())
                is_over = watch.has_ended or await self._is_closed_within(self._interval())
        except Exception as error:  # noqa: BLE001 - no caller waits for this task
            _log.error("the watch of an upload failed: %s", type(error).__name__, exc_info=error)
        finally:
            self._forget(name, watch)
            watch.end()

    def _interval(self) -> float:
        return max(_INTERVAL, len(self._watches) / _MOST_POLLS)

    async def _is_closed_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._closed.wait()
        return False
