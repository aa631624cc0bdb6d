"""Server-sent events that report how far an upload has come, as values and as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["EVENT_HEADERS", "EVENT_TYPE", "HEARTBEAT", "RETRY", "UploadState", "has_ended", "wants_events"]

EVENT_TYPE: Final = "text/event-stream"

EVENT_HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": EVENT_TYPE,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # proxies like nginx would collect events otherwise
}

RETRY: Final = b"retry: 3000\n\n"
"""Milliseconds after which a browser that lost the stream asks again."""
HEARTBEAT: Final = b":\n\n"
"""Comment that keeps proxies from closing a quiet stream."""


@dataclass(frozen=True, slots=True)
class UploadState:
    """State of an upload, as the store shows it."""

    state: Literal["active", "complete", "gone"]
    """``gone``: deleted, aborted or expired."""
    offset: int | None = None
    """Bytes in the store; ``None`` if they are unknown."""
    length: int | None = None
    """Bytes of the whole upload; ``None`` if they are unknown."""

    @property
    def is_final(self) -> bool:
        """No other state follows."""
        return self.state != "active"

    def to_event(self) -> bytes:
        """Return the event. The id of the last one is its state, so that a browser that asks again need not hear it."""
        data = {"state": self.state, "offset": self.offset, "length": self.length}
        event_id = self.state if self.is_final or self.offset is None else self.offset
        return f"id: {event_id}\ndata: {json.dumps(data)}\n\n".encode()


def wants_events(accept: str | None) -> bool:
    """Return whether the header ``Accept`` names server-sent events, as that of a browser's ``EventSource`` does."""
    kinds = (each.partition(";")[0].strip().lower() for each in (accept or "").split(","))
    return EVENT_TYPE in kinds


def has_ended(last_event_id: str | None) -> bool:
    """Return whether a client that asks again has had the last event. The status 204 makes a browser stop."""
    return last_event_id in ("complete", "gone")
