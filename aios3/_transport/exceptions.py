"""Translation of aiohttp's exceptions to those of the library."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable
from types import TracebackType
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp

from aios3._protocol.wire.messages import Request
from aios3.errors import ConfigurationError, DriverClosedError, StorageError, TransportError, TransportTimeoutError

from .stall_timeout import StallTimer

__all__ = ["MappedExceptions", "closed_during", "subject_of", "words_of"]


class MappedExceptions:
    """Context manager around one attempt. Only a `StorageError` or a cancellation leaves it.

    A defect of aiohttp, TLS, the event loop or the caller's session says as little about the store's action as a lost
    connection. So it becomes a `TransportError` too, to be retried or settled.

    Raises:
        DriverClosedError: the transport is closed, or was closed meanwhile, whatever aiohttp raises then.
    """

    __slots__ = ("_ignores_environment", "_is_closed", "_is_owner", "_request", "_timer")

    def __init__(
        self,
        request: Request,
        *,
        is_owner: bool,
        is_closed: Callable[[], bool],
        timer: StallTimer | None = None,
        ignores_environment: bool = False,
    ) -> None:
        """Describe the attempt.

        Args:
            request: for the messages.
            is_owner: the session is the driver's own.
            is_closed: returns whether the transport is closed.
            timer: knows whether the attempt is connected; ``None`` if that is not known.
            ignores_environment: requests go to the store directly, whatever proxies the environment names.
        """
        self._request = request
        self._is_owner = is_owner
        self._is_closed = is_closed
        self._timer = timer
        self._ignores_environment = ignores_environment

    def __enter__(self) -> None:
        if self._is_closed():
            raise DriverClosedError(f"{subject_of(self._request)}: the driver is closed")

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        translated = None if exc is None else self._translate(exc)
        failure = translated or exc
        if self._ignores_environment and isinstance(failure, TransportError) and self._is_of_connecting(failure):
            _note_proxies(self._request, failure)
        if translated is not None:
            raise translated from exc

    def _translate(self, error: BaseException) -> Exception | None:
        """Return the exception to raise instead of `error`, or ``None`` to keep `error`."""
        is_stray = isinstance(error, asyncio.CancelledError) and not _is_cancelled()
        if self._is_closed() and (is_stray or (self._is_owner and isinstance(error, Exception))):
            is_unsent = is_stray or isinstance(error, aiohttp.ClientConnectorError)
            return closed_during(self._request, was_sent=not is_unsent)
        if is_stray:  # a closed session cancels the waiters for its connections
            return _transport_error(self._request, error)
        if isinstance(error, StorageError) or not isinstance(error, Exception):
            return None
        if not isinstance(error, RuntimeError) or "Session is closed" not in str(error):
            return _transport_error(self._request, error)
        return ConfigurationError("the aiohttp session that the driver uses is closed")

    def _is_of_connecting(self, failure: TransportError) -> bool:
        is_connecting = self._timer is not None and self._timer.is_connecting
        return not failure.was_sent or (isinstance(failure, TransportTimeoutError) and is_connecting)


def _is_cancelled() -> bool:
    """Return whether the current task is cancelled. If not, a `CancelledError` comes from an object that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def subject_of(request: Request) -> str:
    """Return the name of the attempt for messages."""
    return f"{request.operation} at {request.scheme}://{request.host}"


def words_of(error: BaseException) -> str:
    """Return why a body ended, for a message; without text that aiohttp, or a defect, quotes from the body."""
    is_quoting = isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError)
    return "" if is_quoting else f": {_words(error):.300}"


def _words(error: BaseException) -> str:
    """Return the message of a network error. Of any other error only the name is safe to repeat."""
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        return _words_of_connecting(error)
    is_of_network = isinstance(error, aiohttp.ClientError | OSError)
    return str(error) or name if is_of_network else f"the HTTP client failed with {name}"


def _words_of_connecting(error: aiohttp.ClientConnectorError) -> str:
    """Return where no connection was made, and the words of the system. aiohttp adds its setting of TLS."""
    cause: Exception = error.os_error
    hint = ""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorSSLError):
        hint = "; if that port speaks plain http, its URL must begin with http://"
    place = getattr(error, "path", None) or f"{error.host}:{error.port}"  # a session may use a socket of Unix
    return f"cannot connect to {place} ({_words_of_system(cause)}){hint}"


def _words_of_system(cause: Exception) -> str:
    """Return the system's own text for an error number, because asyncio puts an address in its place."""
    number = getattr(cause, "errno", None) or 0
    if number in errno.errorcode and not isinstance(cause, ssl.SSLError):  # OpenSSL numbers its errors otherwise
        return os.strerror(number)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _note_proxies(request: Request, failure: TransportError) -> None:
    """Add a note to a failed connection that the environment's proxy is not used, if it names one for the host."""
    wanted = (f"{request.scheme}_proxy", "all_proxy")
    names = sorted(name for name, value in os.environ.items() if value and name.lower() in wanted)
    if names and not proxy_bypass_environment(request.host):
        failure.add_note(
            f"aios3: {' and '.join(names)} in the environment is ignored: requests go to the store directly unless the "
            "driver is made with trust_env=True, with proxy=, or with session=aiohttp.ClientSession(trust_env=True)"
        )


def closed_during(request: Request, *, was_sent: bool = True) -> DriverClosedError:
    """Return the error for a request that was cut off because the transport closed. It may have reached the store."""
    error = DriverClosedError(f"{subject_of(request)}: the driver was closed")
    error.was_sent = was_sent
    return error


def _transport_error(request: Request, error: BaseException) -> TransportError:
    subject = subject_of(request)
    if isinstance(error, TimeoutError):
        timed_out = TransportTimeoutError(f"{subject}: {str(error) or 'timed out'}")
        timed_out.was_sent = not isinstance(error, aiohttp.ConnectionTimeoutError)
        return timed_out
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(subject, error)
    if isinstance(error, aiohttp.ClientResponseError):  # for bytes that are not HTTP; aiohttp quotes them
        return TransportError(f"{subject}: the server there does not speak HTTP; is it the right port and scheme?")
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransportError(f"{subject}: the response broke off, or its chunks are garbage")
    via = "the proxy: " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
    translated = TransportError(f"{subject}: {via}{_words(error):.300}")
    translated.was_sent = not isinstance(error, aiohttp.ClientConnectorError)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        translated.is_permanent = True
    return translated


def _refused_by_proxy(subject: str, refusal: aiohttp.ClientHttpProxyError) -> TransportError:
    """Return the error of a tunnel that the proxy did not open. Its own words may be anything, so they are left out."""
    login = ", which wants another user and password" if refusal.status == 407 else ""
    error = TransportError(f"{subject}: the proxy{login} refused the connection with status {refusal.status}")
    error.was_sent = False
    error.is_permanent = 400 <= refusal.status < 500 and refusal.status not in (408, 429)
    return error
