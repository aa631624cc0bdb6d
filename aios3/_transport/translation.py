"""What aiohttp raises, in the library's own words."""

from __future__ import annotations

import ssl
from types import TracebackType

import aiohttp

from aios3._protocol.messages import Request
from aios3.errors import ConfigurationError, TransportError, TransportTimeoutError

__all__ = ["Translated", "subject_of", "words_of"]


class Translated:
    """A context manager around one attempt: turns what aiohttp raises into errors of the tree; cancellation passes."""

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
        if isinstance(error, TransportError):
            return None
        if isinstance(error, aiohttp.ClientError | OSError):
            return _transport_error(self._request, error)
        if isinstance(error, ValueError):  # what the caller's session adds contradicts what the request must be
            return ConfigurationError(f"the request cannot be made with this aiohttp session: {error}")
        if not isinstance(error, RuntimeError) or "Session is closed" not in str(error):
            return None
        if self._is_owner:
            return _closed(self._request)
        return ConfigurationError("the aiohttp session that the driver uses is closed")


def subject_of(request: Request) -> str:
    """Return what is attempted, for messages."""
    return f"{request.operation} at {request.scheme}://{request.host}"


def words_of(error: Exception) -> str:
    """Return what is worth saying of why a body ended; not what aiohttp quotes of it."""
    is_quoting = isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError)
    return "" if is_quoting else f": {str(error) or type(error).__name__:.300}"


def _closed(request: Request) -> TransportError:
    error = TransportError(f"{subject_of(request)}: the driver was closed")
    error.was_sent, error.is_permanent = False, True
    return error


def _transport_error(request: Request, error: Exception) -> TransportError:
    subject = subject_of(request)
    if isinstance(error, TimeoutError):
        timed_out = TransportTimeoutError(f"{subject}: {str(error) or 'timed out'}")
        timed_out.was_sent = not isinstance(error, aiohttp.ConnectionTimeoutError)
        return timed_out
    if isinstance(error, aiohttp.ClientResponseError):  # aiohttp's word for bytes that are no answer; it quotes them
        return TransportError(f"{subject}: what answers there does not speak HTTP; is it the right port and scheme?")
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransportError(f"{subject}: the answer broke off, or its chunks are garbage")
    translated = TransportError(f"{subject}: {str(error) or type(error).__name__:.300}")
    translated.was_sent = not isinstance(error, aiohttp.ClientConnectorError)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        translated.is_permanent = True
    return translated
