"""HTTP statuses for the errors of the library."""

from __future__ import annotations

from typing import Final

from aios3 import errors

__all__ = ["status_for"]

_STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (errors.ObjectTooLargeError, 413),
    (errors.PartLimitError, 413),
    (errors.SizeMismatchError, 413),
    (errors.SourceStalledError, 408),
    (errors.UploadNotFoundError, 410),
    (errors.ObjectNotFoundError, 404),
    (errors.PreconditionFailedError, 412),
    (errors.ConflictError, 409),
    (errors.ThrottledError, 503),
    (errors.TransportError, 503),
    (errors.DriverClosedError, 503),
    (errors.CompletionUnknownError, 503),
    (TimeoutError, 503),
)
"""The first class that fits counts."""


def status_for(error: Exception) -> int:
    """Return the HTTP status of a response to a request that failed with `error`; 500 if it is not the client's fault.

    With 503 the client should try again later.
    """
    if isinstance(error, errors.ResponseError) and error.status >= 500:
        return 503
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
