"""Responses as values, refusals as exceptions, and their bytes on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

from .documents import leaf, write_document

__all__ = ["Answer", "Refusal", "error_document", "render", "render_head", "xml_response"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Response with status, headers and body. Content-Length follows from the body unless ``headers`` names it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def says_close(self) -> bool:
        """Whether the headers say that the connection ends with this response."""
        return any(name.lower() == "connection" and "close" in value.lower() for name, value in self.headers.items())

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Answer:
        """Return the response with these headers. Each replaces a header of the same name."""
        added = dict(headers)
        names = {name.lower() for name in added}
        return replace(self, headers={**{k: v for k, v in self.headers.items() if k.lower() not in names}, **added})

    def without_header(self, name: str) -> Answer:
        """Return the response without one header."""
        return replace(self, headers={k: v for k, v in self.headers.items() if k.lower() != name.lower()})


class Refusal(Exception):  # noqa: N818 - it is a response, not a failure of this server
    """The response is an error document of S3."""

    def __init__(
        self, status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None, /, **details: object
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.details = details

    def answer(self, request_id: str) -> Answer:
        """Return the refusal as the response to a request of this id."""
        body = error_document(self.code, self.message, request_id, self.details)
        region = {"x-amz-bucket-region": str(self.details["Region"])} if "Region" in self.details else {}
        return Answer(self.status, {"Content-Type": "application/xml", **region, **self.headers}, body)


def xml_response(body: bytes) -> Answer:
    """Return a response with status 200 and a document."""
    return Answer(200, {"Content-Type": "application/xml"}, body)


def error_document(code: str, message: str, request_id: str, details: Mapping[str, object] | None = None) -> bytes:
    """Return an error document of S3, which has no namespace."""
    more = [leaf(name, str(value)) for name, value in (details or {}).items()]
    ids = [leaf("RequestId", request_id), leaf("HostId", "aios3.testing")]
    return write_document("Error", leaf("Code", code), leaf("Message", message), *more, *ids, namespace=False)


def render(
    response: Answer, *, now: datetime, request_id: str, for_head: bool = False, close: bool = False
) -> tuple[bytes, bytes]:
    """Return the head and the body of a response as they go on the wire."""
    headers = dict(response.headers)
    bodiless = response.status in {204, 304}
    body = b"" if for_head or bodiless else response.body
    if not bodiless and not any(name.lower() in {"content-length", "transfer-encoding"} for name in headers):
        headers["Content-Length"] = str(len(body))
    if close and not response.says_close:
        headers["Connection"] = "close"
    return render_head(response.status, headers, now=now, request_id=request_id), body


def render_head(status: int, headers: Mapping[str, str], *, now: datetime, request_id: str) -> bytes:
    """Return a status line and headers, and add the headers that every response of S3 has."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    common = {
        "Date": format_datetime(now, usegmt=True),
        "Server": "aios3.testing",
        "x-amz-request-id": request_id,
        "x-amz-id-2": "aios3.testing",
    }
    given = {name.lower() for name in headers}
    lines = [f"{name}: {value}" for name, value in common.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((f"HTTP/1.1 {status} {phrase}", *lines, "", "")).encode("latin-1")
