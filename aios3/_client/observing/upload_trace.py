"""Trace of one upload: its time line, and its reports to the observer."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aios3.models import UploadedPart, UploadReceipt
from aios3.observing import ObservedUpload, ObservedUploadEnd, Wait

from .guarded_observer import GuardedObserver
from .timeline import Timeline

__all__ = ["NO_UPLOAD", "ObservedUploadTrace", "UploadTrace"]


class UploadTrace:
    """Context manager around an upload. This one has only the time line, for drivers without an observer."""

    observed: ObservedUpload | None = None
    """The upload as the observer knows it; ``None`` without an observer."""
    timeline: Timeline

    def __init__(self, timeline: Timeline) -> None:
        """Take the time line of the upload."""
        self.timeline = timeline

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Report the end of the upload."""

    def part_stored(self, part: UploadedPart, seconds: float) -> None:
        """Report an acknowledged part."""

    def committed(self, receipt: UploadReceipt) -> None:
        """Note the receipt, for the report of the end."""


class ObservedUploadTrace(UploadTrace):
    """Trace of an upload of a driver with an observer."""

    def __init__(self, observer: GuardedObserver, observed: ObservedUpload, began_at: float | None) -> None:
        """Prepare. `began_at` is the time of the call by the observer's clock; ``None`` is now."""
        super().__init__(Timeline(observer.monotonic, began_at, _waits_of(observer, observed)))
        self.observed: ObservedUpload = observed
        self._observer = observer
        self._receipt: UploadReceipt | None = None

    def __enter__(self) -> Self:
        self._observer.notify(self._observer.methods.upload_began, self.observed)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Report the end of the upload."""
        end = ObservedUploadEnd(self.timeline.snapshot(), self._receipt, error)
        self._observer.notify(self._observer.methods.upload_ended, self.observed, end)

    def part_stored(self, part: UploadedPart, seconds: float) -> None:
        """Report an acknowledged part."""
        self._observer.notify(self._observer.methods.part_stored, self.observed, part, seconds)

    def committed(self, receipt: UploadReceipt) -> None:
        """Note the receipt, for the report of the end."""
        self._receipt = receipt


def _waits_of(observer: GuardedObserver, observed: ObservedUpload) -> Callable[[Wait, float], None]:
    """Return a function that reports waits. (A method of the trace would make a reference cycle.)"""

    def waited(wait: Wait, seconds: float) -> None:
        observer.notify(observer.methods.waited, observed, wait, seconds)

    return waited


NO_UPLOAD: Final = UploadTrace(Timeline(lambda: 0.0))
"""Trace of the operations that belong to no upload."""
