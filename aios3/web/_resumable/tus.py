"""The tus protocol 1.0.0: headers read and written, without I/O (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Final

from .messages import Append, Checksum, Creation, Limits, RefusedError, Response, Status, problem

__all__ = [
    "CHUNK_TYPE",
    "MOST_CONCATENATED",
    "MOST_METADATA",
    "VERSION",
    "Tus",
    "check_version",
    "media_type_of",
    "read_metadata",
]

VERSION: Final = "1.0.0"
CHUNK_TYPE: Final = "application/offset+octet-stream"

MOST_METADATA: Final = 1024
"""Limit of the decoded names and values of the metadata together, in bytes. S3 keeps 2 KiB, in its own encoding."""
MOST_CONCATENATED: Final = 100
"""Limit of the partial uploads that one final upload is made of."""
_MOST_DIGITS: Final = 100
"""Digits of a number that are read. What is longer is larger than every limit anyway."""

_EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation"
_ALGORITHMS: Final = ("sha1", "sha256", "sha512", "md5")
_URLS: Final = re.compile(r"[ !#-\[\]-~]*")
"""Characters that are one byte in the description, so the limit of the headers also bounds the description."""
_NAME: Final = re.compile(r"[!-+\--~]+")
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}(; ?[A-Za-z0-9=\"._-]{1,80})?")
_CONTROLS: Final = ("Cc", "Zl", "Zp")
"""Categories of characters that end lines, or that headers cannot hold."""
_TYPE_NAMES: Final = ("filetype", "type", "contentType", "content_type", "mimetype")
"""Names under which clients send the media type: tus-js-client's examples, Uppy, and others."""


class Tus:
    """Dialect of clients that send ``Tus-Resumable``."""

    def read_creation(self, headers: Mapping[str, str]) -> Creation:
        """See `Dialect.read_creation`."""
        check_version(headers)
        concat = headers.get("upload-concat")
        urls = _read_concat(concat)
        length = None if urls else _read_length(headers)
        metadata = headers.get("upload-metadata")
        pairs = read_metadata(metadata)
        has_body = _is_chunk(headers) and not urls
        if urls and headers.get("content-length", "0").strip() != "0":
            raise RefusedError(400, "a final upload has no body")
        first = Append(0, checksum=_read_checksum(headers)) if has_body else None
        return Creation(length, metadata, pairs, media_type_of(pairs), concat, urls, first)

    def read_append(self, headers: Mapping[str, str]) -> Append:
        """See `Dialect.read_append`."""
        check_version(headers)
        if not _is_chunk(headers):
            raise RefusedError(415, f"the content type of PATCH is {CHUNK_TYPE}", headers={"Accept-Patch": CHUNK_TYPE})
        if "upload-offset" not in headers:
            raise RefusedError(400, "Upload-Offset is missing")
        length = headers.get("upload-length")
        return Append(
            _read_number("Upload-Offset", headers["upload-offset"]),
            length=None if length is None else _read_number("Upload-Length", length),
            checksum=_read_checksum(headers),
        )

    def announced(self, offset: int, location: str | None, limits: Limits | None) -> None:
        """Return ``None``: the protocol has no interim responses."""

    def created(self, status: Status, location: str, limits: Limits, *, is_appended: bool) -> Response:
        """See `Dialect.created`."""
        headers = {"Location": location, **_expiry(status)}
        if is_appended and status.offset is not None:
            headers["Upload-Offset"] = str(status.offset)
        return Response(201, _with_version(headers))

    def appended(self, status: Status) -> Response:
        """See `Dialect.appended`."""
        return Response(204, _with_version({"Upload-Offset": str(status.offset), **_expiry(status)}))

    def described(self, status: Status, limits: Limits) -> Response:
        """See `Dialect.described`."""
        headers = {"Cache-Control": "no-store", **_expiry(status)}
        if status.offset is not None:
            headers["Upload-Offset"] = str(status.offset)
        if status.length is None:
            headers["Upload-Defer-Length"] = "1"
        else:
            headers["Upload-Length"] = str(status.length)
        if status.metadata is not None:
            headers["Upload-Metadata"] = status.metadata
        if status.concat is not None:
            headers["Upload-Concat"] = status.concat
        return Response(200, _with_version(headers))

    def deleted(self) -> Response:
        """See `Dialect.deleted`."""
        return Response(204, _with_version({}))

    def options(self, limits: Limits) -> Response:
        """See `Dialect.options`."""
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": _EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
        }
        if limits.max_size is not None:
            headers["Tus-Max-Size"] = str(limits.max_size)
        return Response(204, _with_version(headers))

    def refused(self, error: RefusedError, limits: Limits) -> Response:
        """See `Dialect.refused`."""
        response = problem(error)
        most = {"Tus-Max-Size": str(limits.max_size)} if error.status == 413 and limits.max_size is not None else {}
        return Response(response.status, _with_version({**most, **response.headers}), response.body)

    def other_offset(self, expected: int, given: int, *, is_complete: bool) -> RefusedError:
        """See `Dialect.other_offset`."""
        return RefusedError(409, f"Upload-Offset is {given}, and the upload has {expected} bytes")

    @property
    def ends_excess(self) -> bool:
        """See `Dialect.ends_excess`: the client may try again."""
        return False


def check_version(headers: Mapping[str, str]) -> None:
    """Check the version that a client speaks.

    Raises:
        RefusedError: it is another version, or none.
    """
    if headers.get("tus-resumable", "").strip() != VERSION:
        raise RefusedError(412, f"Tus-Resumable must be {VERSION}", headers={"Tus-Version": VERSION})


def read_metadata(text: str | None) -> dict[str, str]:
    """Return the pairs of ``Upload-Metadata``; none if there is no such header.

    Raises:
        RefusedError: a name is empty, not printable, or comes twice; a value is not base64 of UTF-8 text without
            control characters; or there is too much of it.
    """
    pairs: dict[str, str] = {}
    for entry in (text or "").split(",") if text and text.strip() else ():
        name, _, value = entry.strip(" ").partition(" ")
        if not _NAME.fullmatch(name) or name in pairs:
            raise RefusedError(400, "Upload-Metadata has an empty, unprintable or repeated name")
        pairs[name] = _decoded(value)
    if sum(len(name.encode()) + len(value.encode()) for name, value in pairs.items()) > MOST_METADATA:
        raise RefusedError(413, f"Upload-Metadata may have {MOST_METADATA} bytes, decoded")
    return pairs


def _decoded(value: str) -> str:
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):  # a UnicodeDecodeError is a ValueError
        raise RefusedError(400, "a value of Upload-Metadata is not base64 of UTF-8 text") from None
    if any(unicodedata.category(character) in _CONTROLS for character in text):
        raise RefusedError(400, "a value of Upload-Metadata has control characters")
    return text


def media_type_of(pairs: Mapping[str, str]) -> str | None:
    """Return the media type that the metadata name; ``None`` if they name none, or something else."""
    named = next((pairs[name] for name in _TYPE_NAMES if name in pairs), "")
    return named if _MEDIA_TYPE.fullmatch(named) else None


def _is_chunk(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == CHUNK_TYPE


def _read_length(headers: Mapping[str, str]) -> int | None:
    length, deferred = headers.get("upload-length"), headers.get("upload-defer-length")
    if (length is None) == (deferred is None):
        raise RefusedError(400, "one of Upload-Length and Upload-Defer-Length is needed")
    if length is not None:
        return _read_number("Upload-Length", length)
    if (deferred or "").strip() != "1":
        raise RefusedError(400, "Upload-Defer-Length must be 1")
    return None


def _read_number(name: str, text: str) -> int:
    """Read a number of bytes, however large: tus has a status of its own for a number that is too large."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal()):
        raise RefusedError(400, f"{name} must be a number of bytes")
    return int(text.lstrip("0")[:_MOST_DIGITS] or "0")


def _read_concat(text: str | None) -> tuple[str, ...]:
    """Return the URLs of a final upload; none for any other upload."""
    if text is None or text.strip() == "partial":
        return ()
    if not _URLS.fullmatch(text):
        raise RefusedError(400, "Upload-Concat has characters that no URL has")
    kind, _, rest = text.partition(";")
    urls = tuple(rest.split())
    if kind.strip() != "final" or not urls:
        raise RefusedError(400, "Upload-Concat must be partial, or final;URL URL")
    if len(urls) > MOST_CONCATENATED:
        raise RefusedError(413, f"Upload-Concat may name {MOST_CONCATENATED} uploads")
    return urls


def _read_checksum(headers: Mapping[str, str]) -> Checksum | None:
    if (text := headers.get("upload-checksum")) is None:
        return None
    algorithm, _, value = text.strip().partition(" ")
    if algorithm not in _ALGORITHMS:
        raise RefusedError(400, f"the algorithms of Upload-Checksum are {', '.join(_ALGORITHMS)}")
    try:
        return Checksum(algorithm, base64.b64decode(value, validate=True), status=460)
    except (binascii.Error, ValueError):
        raise RefusedError(400, "the value of Upload-Checksum is not base64") from None


def _expiry(status: Status) -> dict[str, str]:
    if status.expires_at is None:
        return {}
    return {"Upload-Expires": format_datetime(status.expires_at.replace(microsecond=0), usegmt=True)}


def _with_version(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Tus-Resumable": VERSION, **headers}
