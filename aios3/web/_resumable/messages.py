"""Requests and responses of resumable uploads as values, whatever the protocol that carries them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

__all__ = [
    "MAX_LENGTH",
    "Append",
    "BeyondLengthError",
    "Checksum",
    "Creation",
    "Dialect",
    "Limits",
    "RefusedError",
    "Response",
    "Status",
    "problem",
    "read_count",
]

MAX_LENGTH: Final = 10**15 - 1
"""Largest number of bytes that a client may name: the largest integer of a structured header field."""


class RefusedError(Exception):
    """A request is refused with an HTTP status. ``authorize`` and ``key_for`` may raise it, too."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        problem: Mapping[str, object] | None = None,
    ) -> None:
        """Take the response.

        Args:
            status: HTTP status from 400 on.
            message: text for the client, which must hold no secret.
            headers: further headers of the response, for example ``WWW-Authenticate``.
            problem: members of the problem document (RFC 9457); ``None`` for plain text.
        """
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


class BeyondLengthError(RefusedError):
    """A body goes beyond the end of its upload (413)."""


@dataclass(frozen=True, slots=True)
class Response:
    """Response to a client."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncGenerator[bytes] = b""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that a server announces."""

    max_size: int | None
    """Bytes of an upload; ``None`` without a limit."""
    max_age: int | None = None
    """Seconds until the upload expires; ``None`` if there is no such upload yet."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """Digest of the body of one request, which the body must have to count."""

    algorithm: str
    """Name in `hashlib`."""
    digest: bytes
    status: int = 400
    """HTTP status of the response to another body."""


@dataclass(frozen=True, slots=True)
class Append:
    """Request to append its body to an upload."""

    offset: int
    """Offset in bytes that the client expects."""
    length: int | None = None
    """Bytes of the whole upload, if the request declares them; ``None`` if it does not."""
    is_last: bool = False
    """The upload ends with this body."""
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Creation:
    """Request to create an upload."""

    length: int | None
    """Bytes of the upload; ``None`` if they are declared later."""
    metadata: str | None = None
    """Metadata header exactly as sent; ``None`` without one."""
    pairs: Mapping[str, str] = field(default_factory=dict)
    """Decoded metadata."""
    content_type: str | None = None
    """Media type of the object; ``None`` if it is unknown."""
    concat: str | None = None
    """``Upload-Concat`` exactly as sent; ``None`` without one."""
    urls: tuple[str, ...] = ()
    """URLs of the partial uploads that make this upload."""
    first: Append | None = None
    """How to append the body of this request; ``None`` if the body does not belong to the upload."""


@dataclass(frozen=True, slots=True)
class Status:
    """State of an upload as its client sees it."""

    offset: int | None
    """Bytes that the server keeps; ``None`` if that is not to be shown (an unfinished concatenation)."""
    length: int | None
    """Bytes of the whole upload; ``None`` if they are unknown."""
    is_complete: bool
    """The object is in the store."""
    metadata: str | None = None
    concat: str | None = None
    expires_at: datetime | None = None
    """Time after which the upload is gone; ``None`` if it is complete."""


class Dialect(Protocol):
    """Protocol that clients speak: reads their headers, and writes headers for them."""

    def read_creation(self, headers: Mapping[str, str]) -> Creation:
        """Read a request that creates an upload, from its headers by lower-case name.

        Raises:
            RefusedError: the protocol does not allow the request.
        """

    def read_append(self, headers: Mapping[str, str]) -> Append:
        """Read a request that appends to an upload.

        Raises:
            RefusedError: the protocol does not allow the request.
        """

    def announced(self, offset: int, location: str | None, limits: Limits | None) -> Mapping[str, str] | None:
        """Return the headers of an interim response that reports `offset`; ``None`` if this client takes none.

        `location` and `limits` are those of an upload that the request has just created, else ``None``.
        """

    def created(self, status: Status, location: str, limits: Limits, *, is_appended: bool) -> Response:
        """Return the response to a creation; `is_appended` if its body was meant to be appended."""

    def appended(self, status: Status) -> Response:
        """Return the response to an append."""

    def described(self, status: Status, limits: Limits) -> Response:
        """Return the response to HEAD."""

    def deleted(self) -> Response:
        """Return the response to DELETE."""

    def options(self, limits: Limits) -> Response:
        """Return the response to OPTIONS."""

    def refused(self, error: RefusedError, limits: Limits) -> Response:
        """Return the response to a refused request, with `limits` if it asks for too much."""

    def other_offset(self, expected: int, given: int, *, is_complete: bool) -> RefusedError:
        """Return the refusal of a wrong offset; `is_complete` if the upload has ended."""

    @property
    def ends_excess(self) -> bool:
        """An upload ends if its client sends more than its length."""


def read_count(name: str, text: str) -> int:
    """Read a number of bytes from the value of the header `name`.

    Raises:
        RefusedError: it is no number, or out of range.
    """
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LENGTH))):
        raise RefusedError(400, f"{name} must be a number of bytes from 0 to {MAX_LENGTH}")
    return int(text)


def problem(error: RefusedError) -> Response:
    """Return the response to a refused request: a problem document if the error has one, else plain text."""
    if error.problem is None:
        body, content_type = f"{error.message}\n".encode() if error.message else b"", "text/plain; charset=utf-8"
    else:
        document = {**error.problem, "status": error.status, "detail": error.message}
        body, content_type = json.dumps(document).encode(), "application/problem+json"
    headers = {"Content-Type": content_type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(error.status, {**headers, **error.headers}, body)
