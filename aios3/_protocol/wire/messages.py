"""HTTP request and response, as values that every layer shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Body", "Request", "Response", "is_redirect"]

Body = Sequence[bytes | bytearray | memoryview]
"""Slices of a body in order. Each slice is one write, so it should have 64 KiB to 1 MiB."""


# Nothing changes a request or a response, but `frozen` would double the time that it takes to make one.
@dataclass(slots=True)
class Request:
    """An HTTP request, unsigned or signed. A signed request is sent exactly as it was signed."""

    operation: str
    """S3's name of the operation, for example ``"UploadPart"``; not sent."""
    method: str
    scheme: str
    """``"http"`` or ``"https"``."""
    host: str
    """Lower-case host as in the Host header: with the port unless it is the scheme's default."""
    path: str
    """Path, percent-encoded once and never normalised; begins with ``/``."""
    query: tuple[tuple[str, str], ...] = ()
    """Unencoded pairs; the value of a valueless parameter is empty."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers by lower-case name, without ``host`` and ``content-length``, which follow from the other fields."""
    body: Body = field(default=(), repr=False)
    accept_encoding: Literal["identity", "gzip"] = "identity"
    """Value of Accept-Encoding. It is never signed, because front ends of Google change it on the way."""

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the request with these headers instead of its own."""
        place = self.operation, self.method, self.scheme, self.host, self.path
        return Request(*place, self.query, headers, self.body, self.accept_encoding)

    @property
    def content_length(self) -> int:
        """Bytes of the body."""
        return sum(map(len, self.body))


@dataclass(slots=True)
class Response:
    """A complete HTTP response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Headers by lower-case name."""
    body: bytes = field(default=b"", repr=False)


def is_redirect(response: Response) -> bool:
    """Return whether the store asks to send the request elsewhere."""
    return response.status in (301, 302, 307, 308)
