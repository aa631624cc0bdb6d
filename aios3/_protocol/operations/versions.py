"""Listing of the versions of objects, one page each."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar, Final

from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element, read_time
from aios3.models import ObjectVersion

from .base import build_request, parse_result, unusable
from .listings import key_decoder

__all__ = ["ListObjectVersions", "VersionsPage"]

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VersionsPage:
    """One page of ListObjectVersions."""

    versions: tuple[ObjectVersion, ...]
    is_truncated: bool
    next_key_marker: str
    """Key marker of the next page. If the page is truncated, its two markers are never both those of the request."""
    next_version_id_marker: str


@dataclass(frozen=True, slots=True)
class ListObjectVersions:
    """List versions and markers of deletions, one page from the two markers (exclusive) on."""

    name: ClassVar[str] = "ListObjectVersions"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    prefix: str = ""
    key_marker: str = ""
    version_id_marker: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        query = [("versions", ""), ("encoding-type", "url")]
        optional = (
            ("prefix", self.prefix),
            ("key-marker", self.key_marker),
            ("version-id-marker", self.version_id_marker),
        )
        query.extend(pair for pair in optional if pair[1])
        return build_request(self, endpoint, "GET", query=tuple(query), headers=self.headers)

    def read(self, response: Response) -> VersionsPage:
        """Return the page, whose versions are in the order of their keys.

        Raises:
            ResponseError: the store refused, or the page cannot be read or would repeat without end.
        """
        document = parse_result(self, response, "ListVersionsResult", "ListObjectVersionsResult")
        decode = key_decoder(document)
        stored = [_version(self.bucket, each, decode, is_marker=False) for each in document.all("Version")]
        markers = [_version(self.bucket, each, decode, is_marker=True) for each in document.all("DeleteMarker")]
        versions = tuple(heapq.merge(stored, markers, key=_order))
        if any(not version.key or not version.version_id for version in versions):
            raise unusable(self, response, "the store listed a version without its key or id")
        if not document.flag("IsTruncated"):
            return VersionsPage(versions, is_truncated=False, next_key_marker="", next_version_id_marker="")
        key_marker = decode(document.text("NextKeyMarker") or "")
        id_marker = (document.text("NextVersionIdMarker") or "").strip()
        if not key_marker or (key_marker, id_marker) == (self.key_marker, self.version_id_marker):
            raise unusable(self, response, "the store's list of versions does not advance")
        return VersionsPage(versions, is_truncated=True, next_key_marker=key_marker, next_version_id_marker=id_marker)

    def following(self, page: VersionsPage) -> ListObjectVersions | None:
        """Return the operation for the next page, or ``None`` after the last one."""
        if not page.is_truncated:
            return None
        return replace(self, key_marker=page.next_key_marker, version_id_marker=page.next_version_id_marker)


def _order(version: ObjectVersion) -> tuple[bytes, bool, float]:
    # The document mixes versions and markers, but its reader groups the elements by name.
    moment = version.last_modified or _LONG_AGO
    age = (datetime.max.replace(tzinfo=UTC) - moment).total_seconds()
    return version.key.encode(errors="surrogateescape"), not version.is_latest, age


def _version(bucket: str, element: Element, decode: Callable[[str], str], *, is_marker: bool) -> ObjectVersion:
    return ObjectVersion(
        bucket=bucket,
        key=decode(element.text("Key") or ""),
        version_id=(element.text("VersionId") or "").strip(),
        is_latest=element.flag("IsLatest"),
        is_delete_marker=is_marker,
        size=element.number("Size") or 0,
        etag=unquote_etag(element.text("ETag") or ""),
        last_modified=read_time(element.text("LastModified")),
        storage_class=(element.text("StorageClass") or "").strip() or None,
    )
