"""HTTP statuses for the errors of uploads and downloads, as a web handler reports them to its client."""

from __future__ import annotations

import asyncio
import errno
from typing import Final

from aios3.errors import (
    CompletionUnknownError,
    ConflictError,
    ContainerNotFoundError,
    DriverClosedError,
    IntegrityError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PartLimitError,
    PreconditionFailedError,
    ResponseError,
    SizeMismatchError,
    ThrottledError,
    TransportError,
    UploadNotFoundError,
)

from ._requests.errors import RequestError

__all__ = ["RETRY_AFTER", "headers_of", "message_of", "status_of"]

RETRY_AFTER: Final = 5
"""Seconds after which a client may repeat a request that got 503."""

_BY_CLASS: Final[tuple[tuple[int, tuple[type[BaseException], ...]], ...]] = (
    (404, (ObjectNotFoundError, UploadNotFoundError, ContainerNotFoundError)),
    (409, (ConflictError,)),
    (412, (PreconditionFailedError,)),
    (413, (ObjectTooLargeError, PartLimitError)),
    (422, (SizeMismatchError, IntegrityError)),
    (503, (ThrottledError, TransportError, DriverClosedError, CompletionUnknownError)),
    (408, (TimeoutError,)),  # after TransportTimeoutError, so the source was too slow: the client
    (499, (asyncio.CancelledError, ConnectionError)),  # after TransportError, so the connection is the client's
)
"""The first row with a class of the error counts."""

_BY_CODE: Final = {
    "EntityTooLarge": 413,
    "MaxMessageLengthExceeded": 413,
    "InsufficientStorage": 507,
    "InsufficientCapacity": 507,
    "QuotaExceeded": 507,
    "QuotaExceededException": 507,
    "XMinioStorageFull": 507,
    "XMinioAdminBucketQuotaExceeded": 507,
}
"""Error codes of stores that say more than their class."""

_DISCONNECTS: Final = frozenset({"ClientDisconnect", "ClientDisconnected", "RequestPayloadError"})
"""Errors of Starlette, of Litestar and of aiohttp for a client that vanished. None of these libraries is imported."""

_MESSAGES: Final = {
    404: "not found",
    408: "the body came too slowly",
    409: "another change is in progress",
    412: "a condition does not hold",
    413: "the upload is too large",
    422: "the bytes are not those that were declared",
    499: "the client disconnected",
    502: "the store refused",
    503: "try again later",
    507: "the store is full",
}


def status_of(error: BaseException) -> int:
    """Return the HTTP status for an error of an upload, of a download, or of the reading of a request.

    A refusal that only the operator can repair (credentials, permissions, a wrong bucket policy) is 502, never 401 or
    403, because the client cannot change it. A client that disconnected is 499. An unknown error is 500.
    """
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, ResponseError) and error.code in _BY_CODE:
        return _BY_CODE[error.code]
    for status, classes in _BY_CLASS:
        if isinstance(error, classes):
            return status
    if isinstance(error, ResponseError):
        return _status_of_refusal(error.status)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 507
    return 499 if type(error).__name__ in _DISCONNECTS else 500


def _status_of_refusal(status: int) -> int:
    if status == 507:
        return 507
    return 503 if status >= 500 else 502


def headers_of(error: BaseException) -> dict[str, str]:
    """Return the headers that belong to the status of an error: ``Retry-After`` in seconds with 503, else none."""
    return {"Retry-After": str(RETRY_AFTER)} if status_of(error) == 503 else {}


def message_of(error: BaseException) -> str:
    """Return a line for the client: the text of a `RequestError`, else a phrase that says nothing of the store."""
    if isinstance(error, RequestError):
        return str(error)
    return _MESSAGES.get(status_of(error), "internal error")
