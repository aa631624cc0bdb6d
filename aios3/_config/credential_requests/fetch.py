"""Requests for credentials: bounded in time, without redirects or kept connections."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from aios3._concurrency.clock import Clock
from aios3._concurrency.threads import library_threads
from aios3._config.endpoints.tls import make_ssl_context
from aios3._protocol.policies.proxies import NO_PROXIES, Proxies
from aios3._protocol.wire.error_responses import describe_body, read_error, server_time
from aios3._protocol.wire.messages import Body, Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._transport.aiohttp_transport import AiohttpTransport
from aios3.credentials import Credentials
from aios3.errors import (
    AccessDeniedError,
    ConfigurationError,
    CredentialsError,
    ResponseError,
    ThrottledError,
    TransportError,
    TransportTimeoutError,
)
from aios3.options import Timeouts

__all__ = ["CredentialRequests", "by_our_clock", "describe_json_error", "make_request", "read_json_error", "refusal"]

_URL: Final = re.compile(r"(https?://[^/?#\s\\]+)(/[^?#\s\\]*)?(?:\?([^#\s\\]*))?")
"""Scheme and host, path, query. `Endpoint.parse` checks the host."""
_OAUTH_CODE: Final = re.compile(r"[A-Za-z_]{1,64}", re.ASCII)
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_BASE_DELAY: Final = 0.2
"""Seconds; doubled with each retry. The delay is a random part of that."""


class CredentialRequests:
    """Sends requests, each attempt over its own connection, because requests are hours apart.

    Nothing has to be closed, and the object belongs to no event loop.

    Args:
        seconds: limit of one attempt, from connecting to the last byte of the response.
        attempts: attempts per request, the first one included.
        clock: waits between attempts.
        ca_bundle: path of the certificates to trust; ``None`` trusts those of the system.
        proxies: proxies to use; services of the machine itself are never reached through one.
    """

    def __init__(
        self,
        *,
        seconds: float,
        attempts: int,
        clock: Clock,
        ca_bundle: str | None = None,
        proxies: Proxies = NO_PROXIES,
    ) -> None:
        self._seconds = seconds
        self._attempts = attempts
        self._clock = clock
        self._ca_bundle = ca_bundle
        self._proxies = proxies
        self._context: ssl.SSLContext | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_context": None}  # a TLS context cannot be pickled; the next request makes one

    async def send(self, request: Request) -> Response:
        """Return the response, whatever its status; the last one if every attempt failed.

        Raises:
            TransportError: no response came; `TransportTimeoutError` if none came in time.
        """
        for attempt in range(self._attempts - 1):
            try:
                response = await self._send_once(request)
            except TransportError as error:
                if error.is_permanent:
                    raise
            else:
                if response.status not in _RETRIED:
                    return response
            await self._clock.sleep(self._clock.random() * _BASE_DELAY * 2**attempt)
        return await self._send_once(request)

    async def _send_once(self, request: Request) -> Response:
        if request.scheme == "https" and self._context is None:
            self._context = await make_ssl_context(self._ca_bundle)
        phases = Timeouts(connect=self._seconds, send=self._seconds, read=self._seconds)
        transport = AiohttpTransport(
            timeouts=phases, ssl_context=self._context, threads=library_threads(), proxies=self._proxies
        )
        try:
            async with asyncio.timeout(self._seconds):
                return await transport.send(request)
        except TransportError:
            raise
        except TimeoutError as error:
            place = f"{request.scheme}://{request.host}"
            raise TransportTimeoutError(
                f"{request.operation} at {place}: no response within {self._seconds:g} s"
            ) from error
        finally:
            await transport.aclose()


def make_request(
    operation: str, method: str, url: str, headers: Mapping[str, str], *, origin: str, body: Body = ()
) -> Request:
    """Return a request for ``url``, whose path must be encoded; ``origin`` names the URL in errors.

    Raises:
        ConfigurationError: ``url`` is not a usable http(s) URL, or a header has a line break. The message has neither.
    """
    match = _URL.fullmatch(url) if url.isascii() and url.isprintable() else None
    if match is None:
        raise ConfigurationError(
            f"{origin}: its URL must be http:// or https://, and printable ASCII without a fragment"
        )
    try:
        endpoint = Endpoint.parse(match[1], "path")
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None
    for name, value in headers.items():
        if not value.isprintable():
            raise ConfigurationError(f"{origin}: the value for the {name} header holds a line break or the like")
    query = tuple(parse_qsl(match[3] or "", keep_blank_values=True))
    return Request(operation, method, endpoint.scheme, endpoint.host, match[2] or "/", query, headers, body)


def by_our_clock(credentials: Credentials, response: Response, now: datetime) -> Credentials:
    """Return the credentials of a response; if our clock is so wrong that they look expired, with a later end.

    Args:
        credentials: what the response gave.
        response: shows the time of the service.
        now: our time.
    """
    theirs, expires_at = server_time(response), credentials.expires_at
    if expires_at is None or expires_at > now or theirs is None or theirs >= expires_at:
        return credentials
    return replace(credentials, expires_at=now + (expires_at - theirs))


def refusal(response: Response, operation: str) -> ResponseError:
    """Return the error of a response: a transient failure, a denial, or credentials that are not accepted."""
    found = read_error(response, operation=operation, bucket=None, key=None, upload_id=None, part_number=None)
    error_class: type[ResponseError] = CredentialsError
    if isinstance(found, ThrottledError | AccessDeniedError):
        error_class = type(found)
    elif response.status >= 500:
        error_class = ResponseError
    message = found.message if found.code is not None else f"there was {describe_body(response)}, not credentials"
    return error_class(
        message, operation=operation, status=response.status, code=found.code, request_id=found.request_id
    )


def read_json_error(response: Response) -> str | None:
    """Return the code of an OAuth error in JSON, such as ``invalid_grant``; ``None`` if the response has none."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    code = document.get("error") if isinstance(document, dict) else None
    return code if isinstance(code, str) and _OAUTH_CODE.fullmatch(code) else None


def describe_json_error(response: Response) -> str:
    """Return the code of an OAuth error in parentheses, for messages; empty if the response has none."""
    code = read_json_error(response)
    return "" if code is None else f" ({code})"
