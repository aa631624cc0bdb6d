"""Trace of one operation: its share of an upload's time line, and its reports to the observer."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from aios3._protocol.operations import Operation
from aios3._protocol.policies.retry import Retry
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.response_headers import request_id
from aios3._transport.interface import BodyFeed
from aios3.errors import ResponseError, StorageError
from aios3.observing import ObservedAttempt, ObservedOperation, ObservedRetry

from .guarded_observer import GuardedObserver
from .timeline import SHORTEST_WAIT, RequestState, Timeline
from .upload_trace import NO_UPLOAD, UploadTrace

__all__ = ["OperationTrace", "trace_operation"]


class OperationTrace:
    """Context manager around an operation, which the client tells what happens. This one records nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Record the end of the operation."""

    def queued(self) -> None:
        """Record that the next attempt waits for its turn, because the store throttles."""

    def attempt_began(self) -> None:
        """Record that an attempt begins."""

    def body_sent(self) -> None:
        """Record that the whole body of the attempt has left this process."""

    def attempt_ended(self, response: Response | None, error: BaseException | None) -> None:
        """Record the end of the attempt that began."""

    def throttling_began(self) -> None:
        """Record that the last attempt begins an episode of throttling."""

    def backoff_began(self, failure: StorageError, retry: Retry) -> None:
        """Record that `retry` is made because of `failure`."""

    def backoff_ended(self) -> None:
        """Record the end of the wait before the retry."""


class _TimedOperation(OperationTrace):
    """Trace of an operation of an upload."""

    __slots__ = ("_has_body", "_line", "_state")

    def __init__(self, line: Timeline, *, has_body: bool) -> None:
        """Take the time line of the upload."""
        self._line = line
        self._has_body = has_body
        self._state: RequestState | None = None

    def _turn_to(self, state: RequestState | None) -> None:
        if state != self._state:
            self._line.move(self._state, state)
            self._state = state

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Record the end of the operation."""
        self._turn_to(None)

    def queued(self) -> None:
        """Record that the next attempt waits for its turn."""
        self._turn_to("slot")

    def attempt_began(self) -> None:
        """Record that an attempt begins."""
        self._turn_to("sending" if self._has_body else "response")

    def body_sent(self) -> None:
        """Record that the whole body has left, unless the attempt has ended meanwhile."""
        if self._state == "sending":
            self._turn_to("response")

    def attempt_ended(self, response: Response | None, error: BaseException | None) -> None:
        """Record the end of the attempt."""
        self._turn_to(None)

    def backoff_began(self, failure: StorageError, retry: Retry) -> None:
        """Record the begin of the wait before the retry."""
        self._turn_to("backoff")

    def backoff_ended(self) -> None:
        """Record the end of the wait before the retry."""
        self._turn_to(None)


class _ObservedOperation(OperationTrace):
    """Trace that also reports to the observer."""

    __slots__ = ("_began_at", "_entered_at", "_inner", "_number", "_observer", "_operation")

    def __init__(self, inner: OperationTrace, observer: GuardedObserver, operation: ObservedOperation) -> None:
        """Report to `observer` what `inner` records."""
        self._inner = inner
        self._observer = observer
        self._operation = operation
        self._number = 0
        self._entered_at = self._began_at = observer.monotonic()

    def __enter__(self) -> Self:
        self._observer.notify(self._observer.methods.operation_began, self._operation)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Record the end of the operation."""
        self._inner.__exit__(exc_type, error, traceback)
        seconds = self._observer.monotonic() - self._entered_at
        self._observer.notify(self._observer.methods.operation_ended, self._operation, seconds, error)

    def queued(self) -> None:
        """Record that the next attempt waits for its turn."""
        self._inner.queued()

    def attempt_began(self) -> None:
        """Record that an attempt begins."""
        self._number += 1
        self._inner.attempt_began()
        self._observer.notify(self._observer.methods.attempt_began, self._operation, self._number)
        self._began_at = self._observer.monotonic()

    def body_sent(self) -> None:
        """Record that the whole body has left."""
        self._inner.body_sent()

    def attempt_ended(self, response: Response | None, error: BaseException | None) -> None:
        """Record the end of the attempt."""
        self._inner.attempt_ended(response, error)
        attempt = ObservedAttempt(
            self._number,
            self._observer.monotonic() - self._began_at,
            None if response is None else response.status,
            None if response is None else request_id(response.headers),
            error,
        )
        self._observer.notify(self._observer.methods.attempt_ended, self._operation, attempt)

    def throttling_began(self) -> None:
        """Report that the last attempt begins an episode of throttling."""
        self._observer.notify(self._observer.methods.throttling_began, self._operation)

    def backoff_began(self, failure: StorageError, retry: Retry) -> None:
        """Record that `retry` is made because of `failure`."""
        self._inner.backoff_began(failure, retry)
        decided = ObservedRetry(_reason(failure), failure, retry.delay, retry.repair)
        self._observer.notify(self._observer.methods.retrying, self._operation, decided)
        self._began_at = self._observer.monotonic()

    def backoff_ended(self) -> None:
        """Record the end of the wait before the retry."""
        self._inner.backoff_ended()
        seconds = self._observer.monotonic() - self._began_at
        if self._operation.upload is not None and seconds >= SHORTEST_WAIT:
            self._observer.notify(self._observer.methods.waited, self._operation.upload, "backoff", seconds)


_UNTRACED: Final = OperationTrace()
"""Trace of operations that belong to no upload, without an observer."""


def trace_operation(
    operation: Operation[Any],
    request: Request,
    upload: UploadTrace,
    observer: GuardedObserver | None,
    region_of: Callable[[str | None], str],
    feed: BodyFeed | None = None,
) -> OperationTrace:
    """Return the trace of an operation.

    Args:
        operation: operation to run.
        request: its first request.
        upload: trace of the upload that it belongs to, or `NO_UPLOAD`.
        observer: receives the reports; ``None`` without one.
        region_of: gives the region of a bucket.
        feed: the body, if it is made while it is sent.
    """
    has_body = feed is not None or bool(request.body)
    trace = _UNTRACED if upload is NO_UPLOAD else _TimedOperation(upload.timeline, has_body=has_body)
    if observer is None:
        return trace
    observed = ObservedOperation(
        *(operation.name, operation.bucket, operation.key, operation.upload_id, operation.part_number),
        *(request.method, request.scheme, request.host, region_of(operation.bucket)),
        request.content_length if feed is None else feed.length,
        upload.observed,
    )
    return _ObservedOperation(trace, observer, observed)


def _reason(failure: StorageError) -> str:
    if isinstance(failure, ResponseError):
        return failure.code or str(failure.status)
    return type(failure).__name__
