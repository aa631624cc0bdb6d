"""The IETF draft "Resumable Uploads for HTTP": headers read and written, without I/O.

The headers are those of draft-ietf-httpbis-resumable-upload from revision 05 on, which is interop version 6. Clients of
interop versions 4 and 5 append without a content type. Those of version 3 also send ``Upload-Incomplete``, the opposite
of ``Upload-Complete``, and get it back.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from .messages import Append, Checksum, Creation, Limits, RefusedError, Response, Status, problem, read_count
from .tus import media_type_of

__all__ = ["APPEND_TYPE", "Draft", "inconsistent_length", "is_draft"]

APPEND_TYPE: Final = "application/partial-upload"

_VERSION: Final = "upload-draft-interop-version"
_VERSIONS: Final = frozenset("3456789")
"""Interop versions whose interim responses are known: those of revisions 01 to 15."""
_WITHOUT_OFFSETS: Final = frozenset("34")
"""Interop versions whose interim responses report no offset."""
_UNTYPED: Final = frozenset("12345")
"""Interop versions in which an append has no content type of its own."""

_PROBLEMS: Final = "https://iana.org/assignments/http-problem-types#"
_DIGEST: Final = re.compile(r"(sha-256|sha-512)=:([A-Za-z0-9+/]*=*):")
_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}


def is_draft(headers: Mapping[str, str]) -> bool:
    """Return whether a request to create or to append speaks this protocol."""
    return "upload-complete" in headers or "upload-incomplete" in headers


class Draft:
    """Dialect of one request."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Take the headers of the request, which show its revision."""
        self._is_old = "upload-incomplete" in headers
        self._version = headers.get(_VERSION, "").strip()
        self._is_typed = not self._is_old and self._version not in _UNTYPED

    def read_creation(self, headers: Mapping[str, str]) -> Creation:
        """See `Dialect.read_creation`."""
        is_last = _is_complete(headers)
        length = _declared_length(headers, 0, is_last=is_last)
        given = media_type_of({"type": headers.get("content-type", "")})
        first = Append(0, length, is_last, _read_digest(headers))
        return Creation(length, content_type=given, first=first)

    def read_append(self, headers: Mapping[str, str]) -> Append:
        """See `Dialect.read_append`."""
        is_last = _is_complete(headers)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != APPEND_TYPE and self._is_typed:
            raise RefusedError(
                415, f"the content type of PATCH is {APPEND_TYPE}", headers={"Accept-Patch": APPEND_TYPE}
            )
        if "upload-offset" not in headers:
            raise RefusedError(400, "Upload-Offset is missing")
        offset = _read_integer(headers, "Upload-Offset")
        return Append(offset, _declared_length(headers, offset, is_last=is_last), is_last, _read_digest(headers))

    def announced(self, offset: int, location: str | None, limits: Limits | None) -> Mapping[str, str] | None:
        """See `Dialect.announced`. Only a client that names its version of the draft takes interim responses."""
        has_offset = self._version not in _WITHOUT_OFFSETS
        if self._version not in _VERSIONS or not (has_offset or location):
            return None
        headers = {_VERSION.title(): self._version}
        if has_offset:
            headers["Upload-Offset"] = str(offset)
        if location is not None and limits is not None:
            headers |= {"Location": location, "Upload-Limit": _limit(limits)}
        return headers

    def created(self, status: Status, location: str, limits: Limits, *, is_appended: bool) -> Response:
        """See `Dialect.created`."""
        headers = {"Location": location, "Upload-Limit": _limit(limits), **self._progress(status)}
        return Response(201, headers)

    def appended(self, status: Status) -> Response:
        """See `Dialect.appended`."""
        return Response(204, self._progress(status))

    def described(self, status: Status, limits: Limits) -> Response:
        """See `Dialect.described`."""
        headers = {"Cache-Control": "no-store", "Upload-Limit": _limit(limits), **self._progress(status)}
        if status.length is not None:
            headers["Upload-Length"] = str(status.length)
        return Response(204, headers)

    def deleted(self) -> Response:
        """See `Dialect.deleted`."""
        return Response(204)

    def options(self, limits: Limits) -> Response:
        """See `Dialect.options`."""
        return Response(204, {"Upload-Limit": _limit(limits), "Accept-Patch": APPEND_TYPE})

    def refused(self, error: RefusedError, limits: Limits) -> Response:
        """See `Dialect.refused`."""
        response = problem(error)
        limit = {"Upload-Limit": _limit(Limits(limits.max_size))} if error.status == 413 else {}
        return Response(response.status, {**limit, **response.headers}, response.body)

    def other_offset(self, expected: int, given: int, *, is_complete: bool) -> RefusedError:
        """See `Dialect.other_offset`."""
        if is_complete:
            return RefusedError(
                409,
                "the upload is complete",
                headers={"Upload-Offset": str(expected)},  # Upload-Complete would mean that its processing failed
                problem={"type": f"{_PROBLEMS}completed-upload", "title": "upload is already completed"},
            )
        return RefusedError(
            409,
            "the offset of the request is not that of the upload",
            headers={"Upload-Offset": str(expected), **self._completeness(is_complete=False)},
            problem={
                "type": f"{_PROBLEMS}mismatching-upload-offset",
                "title": "offset from request does not match offset of resource",
                "expected-offset": expected,
                "provided-offset": given,
            },
        )

    @property
    def ends_excess(self) -> bool:
        """See `Dialect.ends_excess`: the draft asks for it."""
        return True

    def _progress(self, status: Status) -> dict[str, str]:
        offset = {} if status.offset is None else {"Upload-Offset": str(status.offset)}
        return {**offset, **self._completeness(is_complete=status.is_complete)}

    def _completeness(self, *, is_complete: bool) -> dict[str, str]:
        if self._is_old:
            return {"Upload-Incomplete": "?0" if is_complete else "?1"}
        return {"Upload-Complete": "?1" if is_complete else "?0"}


def inconsistent_length() -> RefusedError:
    """Return the refusal of a length that contradicts one that was given before."""
    return RefusedError(
        400,
        "the lengths that the requests declare differ",
        problem={"type": f"{_PROBLEMS}inconsistent-upload-length", "title": "inconsistent length values for upload"},
    )


def _is_complete(headers: Mapping[str, str]) -> bool:
    name = "upload-complete" if "upload-complete" in headers else "upload-incomplete"
    value = headers.get(name, "").partition(";")[0].strip()
    if value not in ("?0", "?1"):
        raise RefusedError(400, f"{name.title()} must be ?0 or ?1")
    return (value == "?1") == (name == "upload-complete")


def _read_integer(headers: Mapping[str, str], name: str) -> int:
    """Read a structured field with an integer, whose parameters have no meaning."""
    return read_count(name, headers[name.lower()].partition(";")[0])


def _declared_length(headers: Mapping[str, str], offset: int, *, is_last: bool) -> int | None:
    """Return the length of the upload that a request declares, by its header or by its last body."""
    content = headers.get("content-length")
    length = _read_integer(headers, "Upload-Length") if "upload-length" in headers else None
    if not is_last or content is None:
        return length
    end = offset + read_count("Content-Length", content)
    if length not in (None, end):
        raise inconsistent_length()
    return end


def _read_digest(headers: Mapping[str, str]) -> Checksum | None:
    """Return the strongest digest of the body that is known here (RFC 9530)."""
    digests = _DIGEST.findall(headers.get("content-digest", ""))
    if not digests:
        return None
    name, value = max(digests)
    try:
        return Checksum(_ALGORITHMS[name], base64.b64decode(value, validate=True))
    except binascii.Error:
        raise RefusedError(400, "the value of Content-Digest is not base64") from None


def _limit(limits: Limits) -> str:
    known = [
        None if limits.max_size is None else f"max-size={limits.max_size}",
        None if limits.max_age is None else f"max-age={limits.max_age}",
    ]
    return ", ".join(each for each in known if each) or "min-size=0"
