"""Record of the failed attempts of one request, and of all requests of one upload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from aios3._protocol.policies.retry import outcome_unknown
from aios3.errors import StorageError

from .observing.upload_trace import NO_UPLOAD, UploadTrace

__all__ = ["FailedAttempts"]


@dataclass(eq=False, slots=True)
class FailedAttempts:
    """Failed attempts in their order. The log of an upload also receives those of each of its requests."""

    began_at: float = 0.0
    """Start of the upload, by the client's monotonic clock, in seconds."""
    parent: FailedAttempts | None = None
    """Receives every attempt that is added here; ``None`` if nothing does."""
    failures: list[StorageError] = field(default_factory=list)
    upload: UploadTrace = NO_UPLOAD
    """Trace of the upload."""

    def begin(self) -> FailedAttempts:
        """Return the empty log of one request; this log receives its attempts, too."""
        return FailedAttempts(self.began_at, self, upload=self.upload)

    def aside(self) -> FailedAttempts:
        """Return the log of a request of the upload that only looks something up, and whose failures do not count."""
        return FailedAttempts(self.began_at, upload=self.upload)

    def add(self, failure: StorageError) -> None:
        """Record a failed attempt."""
        self.failures.append(failure)
        if self.parent is not None:
            self.parent.add(failure)

    def __len__(self) -> int:
        """Return how many attempts have failed."""
        return len(self.failures)

    def __iter__(self) -> Iterator[StorageError]:
        return iter(self.failures)

    @property
    def has_unknown_outcome(self) -> bool:
        """The store may have acted on an attempt although it failed."""
        return any(outcome_unknown(failure) for failure in self.failures)

    def includes(self, error: BaseException) -> bool:
        """Return whether `error` is the very object that one of the attempts failed with."""
        return any(failure is error for failure in self.failures)
