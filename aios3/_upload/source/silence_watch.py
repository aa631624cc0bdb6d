"""Limits for silent sources, checked for all uploads of a driver.

Theory of operation. A timer looks at every upload at intervals, so a chunk costs nothing here. Bytes that came since
the last look mean that the source is alive. A source is silent while it could give bytes and does not; backpressure is
no silence. A limit can act late, never early, because silence is counted from the first look that sees it.

Two limits end an upload. ``Timeouts.source`` is the caller's limit. The other limit is the last resort against
starvation. An upload starves while it waits for memory, cannot go to the disk, and needs the sources of other uploads
to go on. Then the watch ends the upload whose source has been silent longest, if that was at least `MOST_SILENCE`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from aios3.errors import SourceStalledError, StorageError

__all__ = ["MOST_SILENCE", "SilenceWatch", "WatchedUpload"]

MOST_SILENCE: Final = 30.0
"""Seconds that a source may be silent while another upload starves."""

_LOOKS_PER_LIMIT: Final = 8
"""Number of looks in the shortest limit."""


class WatchedUpload(Protocol):
    """Interface of an upload that is watched."""

    @property
    def bytes_read(self) -> int:
        """Bytes that its source has given."""

    @property
    def is_asking(self) -> bool:
        """The upload waits for its source to give more."""

    @property
    def is_idle(self) -> bool:
        """The upload would take bytes at once, and its caller gives none."""

    @property
    def holds_any(self) -> bool:
        """Its unfinished part has memory, or room on the disk, that other uploads may need."""

    def stop(self, reason: StorageError) -> None:
        """Make the upload fail with `reason`, unless it is ending already."""


@dataclass(slots=True)
class _Record:
    bytes_read: int = -1
    asked_since: float = math.inf
    """Time of the first look since which the upload has asked in vain, in seconds; infinite if it does not ask."""
    silent_since: float = math.inf
    """The same time, where an idle upload counts too."""
    stopped_at: float | None = None


class SilenceWatch:
    """Ends uploads whose sources have been silent for too long.

    Args:
        limit: seconds that a source may be silent; ``None`` for no limit.
        starving: returns the number of uploads that only the sources of other uploads can help.
        looked: called after every look.
    """

    def __init__(self, limit: float | None, starving: Callable[[], int], looked: Callable[[], object]) -> None:
        self._limit = limit
        self._starving = starving
        self._looked = looked
        self._pause = min(MOST_SILENCE, limit or math.inf) / _LOOKS_PER_LIMIT
        self._records: dict[WatchedUpload, _Record] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, upload: WatchedUpload) -> None:
        """Start to watch `upload`. An event loop must run."""
        self._records[upload] = _Record()
        if self._timer is None:
            self._arm()

    def end(self, upload: WatchedUpload) -> None:
        """Stop watching `upload`."""
        del self._records[upload]

    def _arm(self) -> None:
        # Never cancelled: it ends by itself after the last upload, and to cancel it for each short upload costs more.
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._records:
            return
        now = asyncio.get_running_loop().time()
        for upload, record in self._records.items():
            _note(upload, record, now)
        for upload, record in list(self._records.items()):
            if self._limit is not None and now - record.asked_since >= self._limit:
                _stop(upload, record, now, f"the source gave nothing for {self._limit:g} s")
        self._make_room(now)
        self._looked()
        self._arm()

    def _make_room(self, now: float) -> None:
        """End one silent upload for each starving upload, as far as there are any."""
        # An upload stopped at the last look may still free enough memory. After that it is no help, if it does not end.
        recently = now - 1.5 * self._pause
        stopped = sum((record.stopped_at or 0.0) > recently for record in self._records.values())
        count = max(0, self._starving() - stopped)
        silent = [
            (record.silent_since, number, upload, record)
            for number, (upload, record) in enumerate(self._records.items())
            if now - record.silent_since >= MOST_SILENCE and upload.holds_any and record.stopped_at is None
        ]
        for since, _, upload, record in sorted(silent)[:count]:
            _stop(upload, record, now, f"memory was needed, and the source gave nothing for {now - since:.0f} s")


def _note(upload: WatchedUpload, record: _Record, now: float) -> None:
    has_moved = upload.bytes_read != record.bytes_read
    record.bytes_read = upload.bytes_read
    if has_moved or not upload.is_asking:
        record.asked_since = math.inf
    if has_moved or not (upload.is_asking or upload.is_idle):
        record.silent_since = math.inf
    if upload.is_asking:
        record.asked_since = min(record.asked_since, now)
    if upload.is_asking or upload.is_idle:
        record.silent_since = min(record.silent_since, now)


def _stop(upload: WatchedUpload, record: _Record, now: float, reason: str) -> None:
    if record.stopped_at is None:
        record.stopped_at = now
        upload.stop(SourceStalledError(reason))
