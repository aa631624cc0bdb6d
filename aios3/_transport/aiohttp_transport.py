"""Transport over an aiohttp session: the one place that does network I/O."""

from __future__ import annotations

import asyncio
import math
import ssl
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final

import aiohttp
from yarl import URL

from aios3._protocol.policies.proxies import NO_PROXIES, Proxies
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import request_url
from aios3.errors import ConfigurationError, DriverClosedError, TransportError, TransportTimeoutError
from aios3.options import Timeouts

from .body import SlicedBody, StreamedBody
from .exceptions import MappedExceptions, closed_during, subject_of, words_of
from .interface import MAX_RESPONSE, BodyFeed, StreamedResponse
from .resolver import Resolver
from .stall_timeout import RESPONSE_PATIENCE, StallMonitor, StallTimer

__all__ = ["AiohttpTransport"]

_IDLE_SECONDS: Final = 4.0
"""Seconds for which an idle connection is kept. S3 closes it after 5 to 20 s, and a request should not meet that."""

_MAX_CONNECTIONS: Final = 128
"""PUT and POST requests in flight: thousands of small objects must not exceed the limit on open files."""

_SKIPPED_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type")
_PROXY_LOGIN: Final = "proxy-authorization"
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)


class AiohttpTransport:
    """Sends requests as they are: URLs already encoded, redirects not followed, bodies in slices.

    Args:
        timeouts: limits of the phases of each attempt, in seconds.
        ssl_context: for https; ``None`` if the endpoint is http.
        session: a session of the caller, which is never closed here; ``None`` makes one.
        threads: for look-ups of host names; ``None`` takes those of the event loop. A caller's session has its own.
        proxies: proxies to use, also in a caller's session.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        ssl_context: ssl.SSLContext | None = None,
        session: aiohttp.ClientSession | None = None,
        threads: Executor | None = None,
        proxies: Proxies = NO_PROXIES,
    ) -> None:
        self._timeouts = timeouts
        self._proxies = proxies
        self._ssl = ssl_context if ssl_context is not None else True
        self._is_owner = session is None
        self._is_closed = False
        self._ignores_environment = self._is_owner and proxies == NO_PROXIES
        self._session = session if session is not None else self._make_session(threads)
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._monitor = StallMonitor()
        self._used_connections: weakref.WeakSet[object] = weakref.WeakSet()
        self._with_body = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
        # Our monitor watches whole attempts. In a caller's session only aiohttp knows when an attempt begins.
        self._without_body = aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.connect, sock_read=None if self._is_owner else timeouts.read
        )

    def _make_session(self, threads: Executor | None) -> aiohttp.ClientSession:
        resolver = None if threads is None else Resolver(threads)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, ttl_dns_cache=30, resolver=resolver)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=_NO_TIMEOUT,
            trust_env=False,
            middlewares=(_send_as_it_is,),
        )

    async def aclose(self) -> None:
        """Close the session if it was made here. Later requests are refused. Closing twice is harmless."""
        self._is_closed = True
        if self._is_owner:
            await self._session.close()
        self._monitor.close()

    async def send(
        self, request: Request, *, read_timeout: float | None = None, on_sent: Callable[[], None] | None = None
    ) -> Response:
        """See `Transport.send`."""
        if request.method not in ("PUT", "POST"):
            return await self._exchange(request, None, self._timer_for(request, read_timeout))
        await self._slots.acquire()
        try:
            timer = self._timer_for(request, read_timeout)
            body = SlicedBody(request, timer, self._used_connections, on_sent)
            return await self._exchange(request, body, timer)
        finally:
            self._slots.release()

    async def send_stream(
        self,
        request: Request,
        body: BodyFeed,
        *,
        read_timeout: float | None = None,
        on_sent: Callable[[], None] | None = None,
    ) -> Response:
        """See `Transport.send_stream`. It takes no slot, because it lasts as long as its source."""
        timer = self._timer_for(request, read_timeout, has_body=True)
        streamed = StreamedBody(request, body, timer, self._used_connections, on_sent)
        return await self._exchange(request, streamed, timer)

    @asynccontextmanager
    async def open(self, request: Request, *, chunk_size: int) -> AsyncGenerator[StreamedResponse]:
        """See `Transport.open`."""
        timer = self._timer_for(request, None)
        with self._translated(request, timer), timer:
            response = await self._request(request, None)
        try:
            chunks = self._paced_chunks(request, response, chunk_size)
            patience = RESPONSE_PATIENCE * self._timeouts.read
            yield StreamedResponse(response.status, _lower(response), chunks, patience)
        finally:
            response.close()  # keeps the connection if the body was read to its end

    def _translated(self, request: Request, timer: StallTimer) -> MappedExceptions:
        return MappedExceptions(
            request,
            is_owner=self._is_owner,
            is_closed=self._has_closed,
            timer=timer,
            ignores_environment=self._ignores_environment,
        )

    def _has_closed(self) -> bool:
        return self._is_closed

    def _timer_for(self, request: Request, read_timeout: float | None, *, has_body: bool = False) -> StallTimer:
        response = self._timeouts.read if read_timeout is None else read_timeout
        connect = self._timeouts.connect
        is_without_body = not (request.body or has_body)
        if is_without_body:
            connect += response  # nothing shows when connecting ends
        if not self._is_owner:
            connect = math.inf  # a caller's session may make requests wait for a connection, which is no stall
        timer = StallTimer(
            subject_of(request), self._monitor, connect=connect, send=self._timeouts.send, response=response
        )
        if is_without_body:
            timer.first_words = "connecting or waiting for the response"
        return timer

    async def _exchange(self, request: Request, body: SlicedBody | None, timer: StallTimer) -> Response:
        """Send `request` with `body`, whose slices are no longer in use when this returns or raises."""
        is_complete = False
        try:
            with self._translated(request, timer), timer:
                response = await self._request(request, body)
                try:
                    timer.enter("waiting for the response")
                    content = await _read_bounded(request, response, timer)
                    if body is not None and response.status < 300 and _came_too_early(response, body):
                        raise TransportError(
                            f"{request.operation}: status {response.status} came before the whole body was sent"
                        )
                    result = Response(response.status, _lower(response), content)
                finally:
                    response.close()  # keeps the connection if the body was read to its end
            is_complete = True
            return result
        except (TransportError, DriverClosedError) as error:
            if body is not None:
                error.was_sent = error.was_sent and body.consumed
                if isinstance(error, TransportError):
                    error.on_reused_connection = body.is_on_reused_connection and not isinstance(error, TimeoutError)
            raise
        finally:
            if body is not None and not (is_complete and body.is_gone):
                body.cut_off()

    async def _request(self, request: Request, body: SlicedBody | None) -> aiohttp.ClientResponse:
        headers = dict(request.headers)
        headers["accept-encoding"] = request.accept_encoding
        if body is not None and body.size is not None:
            headers["content-length"] = str(body.size)
        proxy = self._proxies.find(request.scheme, request.host)
        login = None if proxy is None or proxy.authorization is None else {_PROXY_LOGIN: proxy.authorization}
        if login is not None and request.scheme == "http":  # there is no CONNECT that could carry it
            headers |= login
        try:
            return await self._session.request(
                request.method,
                _url_of(request),
                data=body,
                headers=headers,
                skip_auto_headers=None if self._is_owner and "content-type" in headers else _SKIPPED_HEADERS,
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,
                timeout=self._without_body if body is None else self._with_body,
                ssl=self._ssl,
                proxy=None if proxy is None else proxy.url,
                proxy_headers=login,
            )
        except ValueError as error:  # the caller's session adds something that contradicts the request
            if isinstance(error, aiohttp.ClientError) or not _was_never_sent(request, body):
                raise
            raise ConfigurationError(f"the request cannot be made with this aiohttp session: {error}") from error

    async def _paced_chunks(
        self, request: Request, response: aiohttp.ClientResponse, chunk_size: int
    ) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._timeouts.read):
                    chunk = await response.content.read(chunk_size)
            except TimeoutError as error:
                raise TransportTimeoutError(
                    f"{request.operation}: no byte of the response for {self._timeouts.read:g} s"
                ) from error
            except Exception as error:  # also errors that are not the network's
                if self._is_closed and self._is_owner:
                    raise closed_during(request) from error
                raise TransportError(f"{request.operation}: the response broke off{words_of(error)}") from error
            if not chunk:
                return
            yield chunk


async def _read_bounded(request: Request, response: aiohttp.ClientResponse, timer: StallTimer) -> bytes:
    body = bytearray()
    while piece := await response.content.readany():
        timer.received()
        body += piece
        if len(body) > MAX_RESPONSE:
            body.clear()  # the error's traceback would keep it, once for each attempt
            error = TransportError(f"{request.operation}: the response is longer than {MAX_RESPONSE} bytes")
            error.is_permanent = request.method in ("GET", "HEAD")  # a change may have been made
            raise error
    return bytes(body)


async def _send_as_it_is(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again by itself, which it does for these two errors only.

    Such a repetition is not counted and not signed again, and its response (404 to the second DELETE) misleads.
    Remove the header that aiohttp adds although no request of ours needs it: to name it to aiohttp costs more.
    """
    if request.headers.get("accept") == "*/*":
        del request.headers["accept"]
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error) or type(error).__name__) from error


def _was_never_sent(request: Request, body: SlicedBody | None) -> bool:
    """Return whether the request cannot have been sent, so the failure is the same at every attempt.

    Without a body that is unknown. Then a request that only reads counts as not sent, since it changes nothing.
    """
    return request.method in ("GET", "HEAD") if body is None else not body.consumed


def _came_too_early(response: aiohttp.ClientResponse, body: SlicedBody) -> bool:
    """Return whether a success cannot be about this body. (A response without a version came over no connection.)"""
    return body.size != 0 and not body.is_gone and response.version is not None


def _url_of(request: Request) -> URL:
    if request.query:
        return URL(request_url(request), encoded=True)
    return _origin(request.scheme, request.host).with_path(request.path, encoded=True)


# aiohttp reads host and port of a URL, which URLs of one origin share; parsing each would cost as much as signing.
@lru_cache(maxsize=256)
def _origin(scheme: str, host: str) -> URL:
    return URL(f"{scheme}://{host}", encoded=True)


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
