"""Counts what was read and stored, and tells the caller, one call after the other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from aios3.models import UploadProgress

__all__ = ["ProgressCallback", "ProgressReporter"]

ProgressCallback = Callable[[UploadProgress], Awaitable[None] | None]


class ProgressReporter:
    """Snapshots for ``on_progress``.

    Calls never overlap, and their order is the order of the counts, also if the
    callback is a coroutine function. What it raises fails the upload.
    """

    def __init__(self, callback: ProgressCallback | None, total: int | None) -> None:
        self._callback = callback
        self._total = total
        self._lock = asyncio.Lock()
        self.bytes_read = 0
        self.bytes_stored = 0
        self.parts_stored = 0

    async def report(self) -> None:
        """Tell the caller how far it is now."""
        if self._callback is None:
            return
        async with self._lock:
            snapshot = UploadProgress(self.bytes_read, self.bytes_stored, self._total, self.parts_stored)
            outcome = self._callback(snapshot)
            if inspect.isawaitable(outcome):
                await outcome
