"""Watch over the sources of all uploads of a driver, of which some give nothing any more.

Theory of operation. A timer looks at every upload now and then: bytes that came since the last look mean that the
source is alive, so that a chunk costs nothing here. A source is silent while it could give something and does not;
backpressure is no silence. A look can be late, never early: silence is counted from the first look that sees it.

Two limits end an upload. ``Timeouts.source`` is the caller's own. The other is the last resort that keeps uploads from
starving: while one waits for memory, has no way to the disk, and only the sources of others could help it, the upload
is ended whose source has been silent longest, if that was long enough.
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
"""How often it is looked in the shortest time that a source may be silent."""


class WatchedUpload(Protocol):
    """What the watch asks of an upload."""

    @property
    def bytes_read(self) -> int:
        """Bytes that its source has given."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def is_asking(self) -> bool:
        """It waits for its source to give more."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def is_idle(self) -> bool:
        """It would take bytes at once, and its caller gives none."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def holds_any(self) -> bool:
        """Its unfinished part has memory, or room on the disk, that others may need."""
        ...  # pragma: no cover - a protocol has no body

    def stop(self, reason: StorageError) -> None:
        """Make it fail with `reason`, unless it is ending already."""
        ...  # pragma: no cover - a protocol has no body


@dataclass(slots=True)
class _Record:
    bytes_read: int = -1
    asked_since: float = math.inf
    """When it was first seen asking in vain."""
    silent_since: float = math.inf
    """The same, where a caller who writes nothing counts as well."""
    stopped_at: float | None = None


class SilenceWatch:
    """Ends uploads whose sources have been silent for too long.

    Args:
        limit: seconds for every source; ``None`` for no limit.
        starving: how many uploads only the sources of others could help.
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
        """Look at `upload` from now on; a loop must run."""
        self._records[upload] = _Record()
        if self._timer is None:
            self._arm()

    def end(self, upload: WatchedUpload) -> None:
        """Stop watching `upload`."""
        del self._records[upload]

    def _arm(self) -> None:
        # It runs out by itself after the last upload: most are over before it fires, and to cancel it costs, too.
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
        """End an upload for each that starves, as far as there are silent ones."""
        # One that was stopped at the last look may be about to give enough back; one that does not end is no help.
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
