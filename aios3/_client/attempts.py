"""Attempts of requests: the outcome of one, and a record of those that have failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from aios3._protocol.policies.retry import outcome_unknown
from aios3._protocol.wire.messages import Response
from aios3.credentials import Credentials
from aios3.errors import DriverClosedError, ResponseError, StorageError, TransportError

from .observing.upload_trace import NO_UPLOAD, UploadTrace

__all__ = ["Attempt", "FailedAttempts", "Shield"]

T = TypeVar("T")


# Nothing changes an attempt, but `frozen` would double the time that it takes to make one.
@dataclass(slots=True)
class Attempt(Generic[T]):
    """One try of a request, with its result or failure."""

    result: T | None
    failure: ResponseError | TransportError | DriverClosedError | None
    """Error of the attempt; ``None`` if it succeeded."""
    response: Response | None
    """Response of the store; ``None`` if none came."""
    credentials: Credentials | None = field(default=None, repr=False)
    """Credentials that signed the request; ``None`` if it went unsigned."""
    in_same_burst: bool = False
    """The store throttled this request together with another one in flight. All requests of the burst are one sign of
    overload, and one retry for the driver's budget, however many they are."""

    def unwrap(self) -> T:
        """Return the result of an attempt that succeeded."""
        return cast("T", self.result)


Shield = Callable[[Coroutine[Any, Any, Attempt[T]]], Awaitable[Attempt[T]]]
"""Function that awaits an attempt for the client."""


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
        return FailedAttempts(self.began_at, self, [], self.upload)

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
