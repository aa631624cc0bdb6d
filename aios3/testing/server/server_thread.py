"""Event loop in a thread of its own, for a server whose test has another loop, or none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Thread that runs an event loop until it is closed."""

    def __init__(self, name: str) -> None:
        """Start the thread."""
        self.loop: asyncio.AbstractEventLoop = (
            asyncio.SelectorEventLoop()
        )  # the one that can watch a socket on every platform
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` in the loop, from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop and return its result. Call it from another thread."""
        return self.begin(work).result()

    def close(self) -> None:
        """Stop the loop, and wait for the end of the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
