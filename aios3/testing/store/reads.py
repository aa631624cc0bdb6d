"""Operations of the server that read an object: whole, a range, a part, or what it says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import CHECKSUM_PREFIX, Body, checksum_elements
from aios3.testing.wire.documents import leaf, tree, write_document
from aios3.testing.wire.received import ReceivedRequest

from .descriptions import CUSTOMER_KEY
from .pages import read_count, take, truncated_field
from .state import Store, StoredObject, StoredPart
from .transcoding import is_unpacked, unpacked_response

__all__ = ["get_object", "get_object_attributes", "head_object", "is_wanted", "require_customer_key"]

_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_OVERRIDES: Final = frozenset({
    "response-content-type", "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-cache-control", "response-expires",
})  # fmt: skip
_NOT_RETURNED: Final = frozenset({"x-amz-acl", "x-amz-tagging"})
_MOST_PARTS: Final = 1000
_ATTRIBUTES: Final = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


@dataclass(frozen=True, slots=True)
class _Section:
    """Bytes of an object that a request asks for."""

    first: int
    """Offset of the first byte."""
    end: int
    """Offset after the last byte."""
    part: StoredPart | None = None
    """The part that the request names; ``None`` for a range."""


def get_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the object, or one range or part of it."""
    _refuse_encryption(request)
    found, headers = _find(store, request)
    if found.pieces is None:
        raise Refusal(501, "NotImplemented", "This server does not keep bodies (keep_bodies=False).")
    if not is_wanted(request, found):
        return Answer(304, headers)
    if is_unpacked(store, found, request):
        return unpacked_response(found, headers)
    section = _section(request, found)
    if section is None:
        return Answer(200, {**headers, **_checksum_headers(request, found)}, found.body)
    return Answer(
        206, {**headers, **_section_headers(request, found, section)}, found.body[section.first : section.end]
    )


def head_object(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the headers that GetObject would return, without the body."""
    _refuse_encryption(request)
    found, headers = _find(store, request)
    if not is_wanted(request, found):
        return Answer(304, headers)
    if is_unpacked(store, found, request):
        return unpacked_response(found, headers)
    section = _section(request, found)
    if section is None:
        return Answer(200, {**headers, **_checksum_headers(request, found), "Content-Length": str(found.size)})
    length = {"Content-Length": str(section.end - section.first)}
    return Answer(206, {**headers, **_section_headers(request, found, section), **length})


def get_object_attributes(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the attributes that the request names, of the object or of a version."""
    found, version = store.find(store.require_address(request), request.head.parameter("versionId"))
    names = {name.strip() for name in (request.header("x-amz-object-attributes") or "").split(",")}
    if not names or not names <= _ATTRIBUTES:
        raise Refusal(400, "InvalidArgument", "Invalid attribute name specified.")
    require_customer_key(found, request.header(CUSTOMER_KEY))
    checksums = checksum_elements(found.checksums)
    fields = {
        "ETag": leaf("ETag", found.etag.strip('"')),
        "Checksum": tree("Checksum", *checksums, leaf("ChecksumType", found.checksum_type)) if checksums else "",
        "ObjectParts": _parts_element(request, found) if found.parts else "",
        "StorageClass": leaf("StorageClass", found.headers.get("x-amz-storage-class", "STANDARD")),
        "ObjectSize": leaf("ObjectSize", found.size),
    }
    document = write_document("GetObjectAttributesResponse", *(fields[name] for name in fields if name in names))
    return xml_response(document).with_headers({"Last-Modified": _http_date(found.stored_at), **version}.items())


def _parts_element(request: ReceivedRequest, found: StoredObject) -> str:
    most = read_count(request.header("x-amz-max-parts"), "x-amz-max-parts", _MOST_PARTS)
    marker = read_count(request.header("x-amz-part-number-marker"), "x-amz-part-number-marker", None, absent=0)
    # S3 lists the parts only if they came with checksums.
    parts = [(place, part) for place, part in enumerate(found.parts, 1) if part.checksums and place > marker]
    page, is_truncated = take(parts, most)
    listed = [
        tree("Part", leaf("PartNumber", place), leaf("Size", part.size), *checksum_elements(part.checksums))
        for place, part in page
    ]
    fields = [leaf("PartsCount", len(found.parts)), leaf("PartNumberMarker", marker), leaf("MaxParts", most)]
    fields += [leaf("NextPartNumberMarker", page[-1][0])] if page else []
    return tree("ObjectParts", *fields, truncated_field(is_truncated=is_truncated), *listed)


def _refuse_encryption(request: ReceivedRequest) -> None:
    if request.header("x-amz-server-side-encryption") is not None:
        message = "x-amz-server-side-encryption header is not supported for this operation."
        raise Refusal(400, "InvalidArgument", message, ArgumentName="x-amz-server-side-encryption")


def _find(store: Store, request: ReceivedRequest) -> tuple[StoredObject, dict[str, str]]:
    """Return the object or the version that a read asks for, and the headers of the response."""
    address = store.require_address(request)
    found, version = store.find(address, request.head.parameter("versionId"))
    require_customer_key(found, request.header(CUSTOMER_KEY))
    return found, {**_object_headers(found), **version, **_overrides(request)}


def require_customer_key(found: StoredObject, key_md5: str | None) -> None:
    """Check the MD5 of the customer key of a read.

    Raises:
        Refusal: the object was encrypted with another key, or the key is missing or not wanted.
    """
    stored = found.headers.get(CUSTOMER_KEY)
    if stored == key_md5:
        return
    if stored is not None and key_md5 is not None:
        raise Refusal(403, "AccessDenied", "Access Denied")
    message = "The encryption parameters are not applicable to this object."
    if stored is not None:
        message = (
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object."
        )
    raise Refusal(400, "InvalidRequest", message)


def _overrides(request: ReceivedRequest) -> dict[str, str]:
    """Return the headers that the query replaces."""
    return {name.removeprefix("response-"): value for name, value in request.query if name in _OVERRIDES}


def _object_headers(found: StoredObject) -> dict[str, str]:
    headers = {name: value for name, value in found.headers.items() if name not in _NOT_RETURNED}
    headers.setdefault("content-type", "binary/octet-stream")
    tags = found.headers.get("x-amz-tagging")
    if tags:
        headers["x-amz-tagging-count"] = str(tags.count("&") + 1)
    return {
        "ETag": found.etag,
        "Last-Modified": _http_date(found.stored_at),
        "Accept-Ranges": "bytes",
        **headers,
    }


def is_wanted(request: ReceivedRequest, found: StoredObject, place: str = "") -> bool:
    """Return whether the client lacks the object.

    Args:
        request: the request with the conditions.
        found: the object.
        place: what stands before the names of the conditions, for the source of a copy.

    Raises:
        Refusal: the client wants another state of the object.
    """
    if_match, if_none_match = request.header(f"{place}If-Match"), request.header(f"{place}If-None-Match")
    is_changed = _is_stored_after(found, request.header(f"{place}If-Unmodified-Since"))
    if not _is_named(found, if_match) if if_match else is_changed:
        raise Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if if_none_match:
        return not _is_named(found, if_none_match)
    return _is_stored_after(found, request.header(f"{place}If-Modified-Since")) is not False


def _is_named(found: StoredObject, condition: str) -> bool:
    tags = {tag.strip().strip('"') for tag in condition.split(",")}
    return bool(tags & {"*", found.etag.strip('"')})


def _is_stored_after(found: StoredObject, since: str | None) -> bool | None:
    """Return whether the object is newer than a time; ``None`` without a time that can be read."""
    try:
        moment = parsedate_to_datetime(since or "")
    except ValueError:
        return None
    if moment.tzinfo is None:  # the date names the zone -0000
        moment = moment.replace(tzinfo=UTC)
    return found.stored_at.replace(microsecond=0) > moment


def _section(request: ReceivedRequest, found: StoredObject) -> _Section | None:
    """Return the wanted range or part, or ``None`` for the whole."""
    asked = request.header("Range")
    if request.head.parameter("partNumber") is None:
        return _read_range(asked, found.size)
    if asked is not None:
        raise Refusal(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    number, count = request.part_number or 0, len(found.parts)
    if not 1 <= number <= max(count, 1):
        message = "The requested partnumber is not satisfiable"
        raise Refusal(416, "InvalidPartNumber", message, PartNumberRequested=number, ActualPartCount=count)
    if not found.parts:
        return _Section(0, found.size)
    first = sum(part.size for part in found.parts[: number - 1])
    part = found.parts[number - 1]
    return _Section(first, first + part.size, part)


def _read_range(value: str | None, size: int) -> _Section | None:
    """Return the range, or ``None`` for the whole. S3 ignores a range that it cannot read."""
    asked = _RANGE.fullmatch(value or "")
    if not asked or asked.groups() == ("", ""):
        return None
    first, last = asked.groups()
    if first and last and int(first) > int(last):
        return None
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        message = "The requested range is not satisfiable"
        raise Refusal(416, "InvalidRange", message, RangeRequested=value, ActualObjectSize=size)
    return _Section(start, end)


def _section_headers(request: ReceivedRequest, found: StoredObject, section: _Section) -> dict[str, str]:
    headers = {}
    if section.end > section.first:
        headers["Content-Range"] = f"bytes {section.first}-{section.end - 1}/{found.size}"
    if section.part is not None:
        headers["x-amz-mp-parts-count"] = str(len(found.parts))
        if request.header("x-amz-checksum-mode") == "ENABLED":
            headers |= section.part.checksums
    return headers


def _checksum_headers(request: ReceivedRequest, found: StoredObject) -> dict[str, str]:
    """Return the checksum of the whole object, which no response with a section has: clients compare it."""
    if request.header("x-amz-checksum-mode") != "ENABLED" or not found.checksums:
        return {}
    return {**found.checksums, f"{CHECKSUM_PREFIX}type": found.checksum_type}


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
