"""What aiohttp raises, in the library's own words."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType

import aiohttp

from aios3._protocol.messages import Request
from aios3.errors import ConfigurationError, StorageError, TransportError, TransportTimeoutError

__all__ = ["Translated", "subject_of", "words_of"]


class Translated:
    """A context manager around one attempt: only errors of the tree, and cancellations, leave it.

    A defect of aiohttp, TLS, the event loop or the caller's session says as little of what the store has done as a lost
    connection. So it becomes the same: a `TransportError`, to be retried or settled.
    """

    __slots__ = ("_is_owner", "_request")

    def __init__(self, request: Request, *, is_owner: bool) -> None:
        """Take what is attempted, and whether the session is the driver's own."""
        self._request = request
        self._is_owner = is_owner

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        translated = None if exc is None else self._translate(exc)
        if translated is not None:
            raise translated from exc

    def _translate(self, error: BaseException) -> Exception | None:
        """Return what to raise instead of `error`, or ``None`` where that is right as it is."""
        if isinstance(error, asyncio.CancelledError):
            return _transport_error(self._request, error) if _is_stray() else None
        if isinstance(error, StorageError) or not isinstance(error, Exception):
            return None
        if not isinstance(error, RuntimeError) or "Session is closed" not in str(error):
            return _transport_error(self._request, error)
        if self._is_owner:
            return _closed(self._request)
        return ConfigurationError("the aiohttp session that the driver uses is closed")


def _is_stray() -> bool:
    """Return whether a cancellation is not this task's, but of something in the session that it waited for.

    A session that is closed cancels what waits for one of its connections.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs, so nothing of it can have been cancelled
        return False
    return task is not None and not task.cancelling()


def subject_of(request: Request) -> str:
    """Return what is attempted, for messages."""
    return f"{request.operation} at {request.scheme}://{request.host}"


def words_of(error: BaseException) -> str:
    """Return what is worth saying of why a body ended; not what aiohttp, or a defect, quotes of it."""
    is_quoting = isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError)
    return "" if is_quoting else f": {_words(error):.300}"


def _words(error: BaseException) -> str:
    """Return what an error of the network says of itself. Of any other only the name is safe to repeat."""
    name = type(error).__name__
    is_of_network = isinstance(error, aiohttp.ClientError | OSError)
    return str(error) or name if is_of_network else f"the HTTP client failed with {name}"


def _closed(request: Request) -> TransportError:
    error = TransportError(f"{subject_of(request)}: the driver was closed")
    error.was_sent, error.is_permanent = False, True
    return error


def _transport_error(request: Request, error: BaseException) -> TransportError:
    subject = subject_of(request)
    if isinstance(error, TimeoutError):
        timed_out = TransportTimeoutError(f"{subject}: {str(error) or 'timed out'}")
        timed_out.was_sent = not isinstance(error, aiohttp.ConnectionTimeoutError)
        return timed_out
    if isinstance(error, aiohttp.ClientResponseError):  # aiohttp's word for bytes that are no answer; it quotes them
        return TransportError(f"{subject}: what answers there does not speak HTTP; is it the right port and scheme?")
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransportError(f"{subject}: the answer broke off, or its chunks are garbage")
    translated = TransportError(f"{subject}: {_words(error):.300}")
    translated.was_sent = not isinstance(error, aiohttp.ClientConnectorError)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        translated.is_permanent = True
    return translated
