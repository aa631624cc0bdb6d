"""What aiohttp raises, in the library's own words."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from types import TracebackType
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp

from aios3._protocol.wire.messages import Request
from aios3.errors import ConfigurationError, DriverClosedError, StorageError, TransportError, TransportTimeoutError

__all__ = ["MappedExceptions", "closed_during", "subject_of", "words_of"]


class MappedExceptions:
    """A context manager around one attempt: only errors of the tree, and cancellations, leave it.

    A defect of aiohttp, TLS, the event loop or the caller's session says as little of what the store has done as a lost
    connection. So it becomes the same: a `TransportError`, to be retried or settled.


    Raises:
        DriverClosedError: the transport is closed, or was closed meanwhile, whatever aiohttp makes of that.
    """

    __slots__ = ("_is_closed", "_is_connecting", "_is_owner", "_request")

    def __init__(
        self,
        request: Request,
        *,
        is_owner: bool,
        is_closed: Callable[[], bool],
        is_connecting: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take what is attempted.

        Args:
            request: for the messages.
            is_owner: the session is the driver's own.
            is_closed: tells whether the transport is closed.
            is_connecting: tells whether, as far as is known, there is no connection yet.
        """
        self._request = request
        self._is_owner = is_owner
        self._is_closed = is_closed
        self._is_connecting = is_connecting

    def __enter__(self) -> None:
        if self._is_closed():
            raise DriverClosedError(f"{subject_of(self._request)}: the driver is closed")

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        translated = None if exc is None else self._translate(exc)
        failure = translated or exc
        if self._is_owner and isinstance(failure, TransportError) and self._is_of_connecting(failure):
            _note_proxies(self._request, failure)
        if translated is not None:
            raise translated from exc

    def _translate(self, error: BaseException) -> Exception | None:
        """Return what to raise instead of `error`, or ``None`` where that is right as it is."""
        is_stray = isinstance(error, asyncio.CancelledError) and not _is_cancelled()
        if self._is_closed() and (is_stray or (self._is_owner and isinstance(error, Exception))):
            is_unsent = is_stray or isinstance(error, aiohttp.ClientConnectorError)
            return closed_during(self._request, was_sent=not is_unsent)
        if is_stray:  # a session that is closed cancels what waits for one of its connections
            return _transport_error(self._request, error)
        if isinstance(error, StorageError) or not isinstance(error, Exception):
            return None
        if not isinstance(error, RuntimeError) or "Session is closed" not in str(error):
            return _transport_error(self._request, error)
        return ConfigurationError("the aiohttp session that the driver uses is closed")

    def _is_of_connecting(self, failure: TransportError) -> bool:
        return not failure.was_sent or (isinstance(failure, TransportTimeoutError) and self._is_connecting())


def _is_cancelled() -> bool:
    """Return whether the current task has been cancelled; else a `CancelledError` is of something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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


def _note_proxies(request: Request, failure: TransportError) -> None:
    """Say on the failure of a connection that a proxy of the environment is not used, if it names one for the host."""
    wanted = (f"{request.scheme}_proxy", "all_proxy")
    names = sorted(name for name, value in os.environ.items() if value and name.lower() in wanted)
    if names and not proxy_bypass_environment(request.host):
        failure.add_note(
            f"aios3: {' and '.join(names)} in the environment is ignored: requests go to the store directly unless the "
            "driver is given a session of yours that uses proxies, session=aiohttp.ClientSession(trust_env=True)"
        )


def closed_during(request: Request, *, was_sent: bool = True) -> DriverClosedError:
    """Return the error for a request that closing the transport has cut off; it may have reached the store."""
    error = DriverClosedError(f"{subject_of(request)}: the driver was closed")
    error.was_sent = was_sent
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
