"""Cross-origin rule of the buckets, and what S3 responds to the scripts of a page by it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.received import ReceivedRequest

__all__ = ["CorsRule", "cross_origin_headers", "preflight"]

_VARY: Final = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRule:
    """CORS rule of a bucket, in S3's words. Origins and headers may have a ``*``, which stands for any text."""

    allowed_origins: tuple[str, ...] = ("*",)
    allowed_methods: tuple[str, ...] = ("GET", "HEAD", "PUT", "POST", "DELETE")
    allowed_headers: tuple[str, ...] = ("*",)
    """Headers that a request may have, in any case."""
    expose_headers: tuple[str, ...] = ("ETag",)
    """Headers of a response that scripts may read."""
    max_age: int | None = 3000
    """Seconds for which a browser keeps the response to a preflight; ``None`` says nothing about it."""

    def allows(self, origin: str, method: str, headers: Iterable[str] = ()) -> bool:
        """Return whether a script from this origin may send this request."""
        return (
            any(_fits(allowed, origin) for allowed in self.allowed_origins)
            and method in self.allowed_methods
            and all(any(_fits(allowed.lower(), name) for allowed in self.allowed_headers) for name in headers)
        )

    def headers(self, origin: str) -> dict[str, str]:
        """Return what every response to a script of an allowed origin has."""
        is_any = "*" in self.allowed_origins
        headers = {
            "Access-Control-Allow-Origin": "*" if is_any else origin,
            "Access-Control-Allow-Methods": ", ".join(self.allowed_methods),
            "Vary": _VARY,
        }
        if self.expose_headers:
            headers["Access-Control-Expose-Headers"] = ", ".join(self.expose_headers)
        if self.max_age is not None:
            headers["Access-Control-Max-Age"] = str(self.max_age)
        return headers if is_any else {**headers, "Access-Control-Allow-Credentials": "true"}


def _fits(allowed: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, allowed.split("*"))), value) is not None


def preflight(rule: CorsRule | None, request: ReceivedRequest) -> Answer:
    """Return the response to the question of a browser whether a script may send a request.

    Raises:
        Refusal: the request asks nothing (400), or the bucket does not allow the script's request (403).
    """
    origin, method = request.header("Origin"), request.header("Access-Control-Request-Method")
    if origin is None:
        raise Refusal(400, "BadRequest", "Insufficient information. Origin request header needed.")
    if method is None:
        raise Refusal(400, "BadRequest", "Invalid Access-Control-Request-Method: null")
    if rule is None:
        raise _forbidden(method, "CORS is not enabled for this bucket.")
    listed = request.header("Access-Control-Request-Headers") or ""
    names = [name for part in listed.split(",") if (name := part.strip().lower())]
    if not rule.allows(origin, method, names):
        raise _forbidden(method, "This CORS request is not allowed.")
    asked = {"Access-Control-Allow-Headers": ", ".join(names)} if names else {}
    return Answer(200, {**rule.headers(origin), **asked})


def cross_origin_headers(rule: CorsRule | None, request: ReceivedRequest) -> dict[str, str]:
    """Return the headers that let the script of a page read the response, whatever its status; none for others."""
    origin = request.header("Origin")
    if rule is None or origin is None or not rule.allows(origin, request.method):
        return {}
    return rule.headers(origin)


def _forbidden(method: str, message: str) -> Refusal:
    return Refusal(403, "AccessForbidden", f"CORSResponse: {message}", Method=method, ResourceType="OBJECT")
