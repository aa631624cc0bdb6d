"""ASGI without a framework: a scope read as a request, and a response sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aios3.web._requests.bodies import Receive, Scope, Send
from aios3.web._requests.streams import send_chunks

from .messages import RefusedError, Response, read_count

__all__ = [
    "cross_origin_headers",
    "declared_length",
    "headers_of",
    "method_of",
    "run_lifespan",
    "send_response",
]

MOST_HEADERS: Final = 32 * 1024
"""Limit of the names and values of all headers together, in bytes."""

_EXPOSED: Final = (
    "Upload-Offset, Location, Upload-Length, Tus-Version, Tus-Resumable, Tus-Max-Size, Tus-Extension, "
    "Tus-Checksum-Algorithm, Upload-Metadata, Upload-Defer-Length, Upload-Concat, Upload-Expires, Upload-Complete, "
    "Upload-Incomplete, Upload-Limit, Upload-Draft-Interop-Version, Retry-After"
)
_ALLOWED: Final = (
    "Authorization, Content-Type, Content-Digest, Upload-Checksum, X-HTTP-Method-Override, X-Request-ID, "
    "X-Requested-With, Tus-Resumable, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Defer-Length, "
    "Upload-Concat, Upload-Complete, Upload-Incomplete, Upload-Draft-Interop-Version, Last-Event-ID"
)
_METHODS: Final = "POST, HEAD, PATCH, OPTIONS, GET, DELETE"


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name. Repeated headers are joined by commas.

    Raises:
        RefusedError: they are too long (431).
    """
    headers: dict[str, str] = {}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
        raise RefusedError(431, f"the headers may have {MOST_HEADERS} bytes")
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def method_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """Return the method, which a header may replace where a proxy lets only some methods pass."""
    return headers.get("x-http-method-override", scope["method"]).strip().upper()


def declared_length(headers: Mapping[str, str]) -> int | None:
    """Return the bytes of the body by ``Content-Length``; ``None`` without one."""
    declared = headers.get("content-length")
    return None if declared is None else read_count("Content-Length", declared)


def cross_origin_headers(headers: Mapping[str, str], *, is_preflight: bool) -> dict[str, str]:
    """Return the headers that let scripts of any origin use the response, if the request comes from one."""
    if "origin" not in headers:
        return {}
    found = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
    if is_preflight:
        found |= {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ALLOWED,
            "Access-Control-Max-Age": "86400",
        }
    return found


async def send_response(receive: Receive, send: Send, response: Response, *, has_body: bool) -> None:
    """Send a response. A client that has vanished is no error.

    Args:
        receive: the ASGI function, which shows that the client has vanished.
        send: the ASGI function.
        response: the response.
        has_body: ``False`` for the response to HEAD.
    """
    headers = dict(response.headers)
    body = response.body
    if isinstance(body, bytes) and response.status != 204:
        headers["Content-Length"] = str(len(body) if has_body else 0)
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    with suppress(OSError):  # servers raise it when the client has vanished
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": body if has_body else b""})
        else:
            await send_chunks(receive, send, body)


async def run_lifespan(receive: Receive, send: Send) -> None:
    """Take part in the start and the end of a server that runs the application alone."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
