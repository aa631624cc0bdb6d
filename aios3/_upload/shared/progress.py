"""Progress of one upload: counts of bytes and parts, reported to the caller in order."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from aios3._concurrency.caller_errors import note
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.source.length import SourceLength
from aios3.models import UploadProgress

__all__ = ["ProgressCallback", "ProgressReporter"]

ProgressCallback = Callable[[UploadProgress], Awaitable[None] | None]


class ProgressReporter:
    """Counts progress, and passes snapshots to ``on_progress``.

    Calls never overlap, and their order is the order of the counts, also if the callback is a coroutine function. An
    exception of the callback fails the upload, unless the object is committed by then.
    """

    def __init__(self, callback: ProgressCallback | None, length: SourceLength) -> None:
        """Take the callback, or ``None``, and the counter of the bytes that are read."""
        self._callback = callback
        self._length = length
        self._lock = asyncio.Lock()
        self.bytes_stored = 0
        self.bytes_durable = 0
        self.parts_stored = 0
        self._stored = asyncio.Event()

    def note_stored(self, tracker: PartTracker) -> None:
        """Take the counts of what the store has acknowledged from `tracker`."""
        self.bytes_stored = tracker.bytes_stored
        self.bytes_durable = tracker.bytes_durable
        self.parts_stored = len(tracker)
        self._stored.set()

    async def wait_until_durable(self, offset: int) -> None:
        """Wait until the store has acknowledged all bytes before `offset`."""
        while self.bytes_durable < offset:
            self._stored.clear()
            await self._stored.wait()

    async def report(self) -> None:
        """Pass a snapshot to the callback, if there is one, and wait for it.

        Raises:
            Exception: whatever the callback raises.
        """
        if self._callback is None:
            return
        async with self._lock:
            snapshot = UploadProgress(
                self._length.read, self.bytes_stored, self._length.size, self.parts_stored, self.bytes_durable
            )
            outcome = self._callback(snapshot)
            if inspect.isawaitable(outcome):
                await outcome

    async def report_committed(self) -> None:
        """Report that all bytes that were read are stored, without parts.

        Raises:
            Exception: whatever the callback raises, with a note that the object was committed.
        """
        self.bytes_stored = self.bytes_durable = self._length.read
        try:
            await self.report()
        except BaseException as error:
            note(error, "aios3: the object was committed")
            raise
