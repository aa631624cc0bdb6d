"""Copies inside a store: of a whole object, or of a range of bytes as one part of a multipart upload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final
from urllib.parse import quote, urlencode

from aios3._protocol.wire.access_points import is_arn
from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.response_headers import request_id
from aios3._protocol.wire.uri import Endpoint, encode_path, encode_query
from aios3._protocol.wire.xml_bodies import Element
from aios3.models import StorageObject

from .base import build_request, parse_result, unusable
from .multipart import PartResponse, element_checksum
from .objects import Committed, HeadObject

__all__ = ["CopyObject", "CopySource", "DescribedSource", "GetObjectTagging", "HeadSource", "UploadPartCopy"]

_CONTENT_HEADERS: Final = frozenset({
    "content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
})  # fmt: skip
_KEY_PREFIX: Final = "x-amz-server-side-encryption-customer-"
_SOURCE_KEY_PREFIX: Final = "x-amz-copy-source-server-side-encryption-customer-"
_NOTHING: Final = Element("")


@dataclass(frozen=True, slots=True)
class CopySource:
    """Object to copy, with what a request needs to read it."""

    bucket: str
    key: str
    version_id: str | None = None
    """Version to copy; ``None`` for the current one."""
    etag: str = ""
    """ETag without its quotes that the object must still have; empty if the store gave none."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers with which the object is read: its customer key, its owner, the payer."""

    def copy_headers(self) -> dict[str, str]:
        """Return the headers of a copy that name the object, the condition, and the means to read it."""
        version = "" if self.version_id is None else f"?versionId={encode_query(self.version_id)}"
        # An ARN contains slashes itself, so the key has a word of its own before it.
        place = f"{self.bucket}/object" if is_arn(self.bucket) else self.bucket
        headers = {"x-amz-copy-source": f"{encode_path(f'{place}/{self.key}')}{version}"}
        if self.etag:
            headers["x-amz-copy-source-if-match"] = f'"{self.etag}"'
        for name, value in self.headers.items():
            if name.startswith(_KEY_PREFIX):
                headers[_SOURCE_KEY_PREFIX + name.removeprefix(_KEY_PREFIX)] = value
            elif name == "x-amz-expected-bucket-owner":
                headers["x-amz-source-expected-bucket-owner"] = value
            else:  # the payer
                headers[name] = value
        return headers


@dataclass(frozen=True, slots=True)
class CopyObject:
    """Make an object out of another one, without its bytes going over the network."""

    name: ClassVar[str] = "CopyObject"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    source: CopySource
    headers: Mapping[str, str] = field(repr=False)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "PUT", headers={**self.source.copy_headers(), **self.headers})

    def read(self, response: Response) -> Committed:
        """Return the store's report on the new object.

        Raises:
            ResponseError: the store refused, even inside a 200; or, with a status of 2xx and no code, the outcome is
                unknown.
        """
        document = parse_result(self, response, "CopyObjectResult")
        return Committed(
            etag=(document.text("ETag") or "").strip() or None,
            version_id=response.headers.get("x-amz-version-id"),
            checksum=element_checksum(document),
            request_id=request_id(response.headers),
        )


@dataclass(frozen=True, slots=True)
class UploadPartCopy:
    """Store bytes ``start`` up to but not including ``end`` of another object as one part."""

    name: ClassVar[str] = "UploadPartCopy"

    bucket: str
    key: str
    upload_id: str
    part_number: int
    source: CopySource
    start: int
    end: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        section = {"x-amz-copy-source-range": f"bytes={self.start}-{self.end - 1}"}
        query = (("partNumber", str(self.part_number)), ("uploadId", self.upload_id))
        headers = {**self.source.copy_headers(), **section, **self.headers}
        return build_request(self, endpoint, "PUT", query=query, headers=headers)

    def read(self, response: Response) -> PartResponse:
        """Return the part's ETag and checksum.

        Raises:
            ResponseError: the store refused, even inside a 200, or sent a success without an ETag.
        """
        document = parse_result(self, response, "CopyPartResult")
        etag = (document.text("ETag") or "").strip()
        if not etag:
            raise unusable(self, response, "the store copied the part and sent no ETag")
        return PartResponse(etag, element_checksum(document))


@dataclass(frozen=True, slots=True)
class DescribedSource:
    """Object to copy, as HEAD describes it."""

    found: StorageObject
    headers: Mapping[str, str]
    """Headers that describe its content."""
    tag_count: int
    """Number of its tags, as far as the store says."""


@dataclass(frozen=True, slots=True)
class HeadSource:
    """Read the headers of an object that a copy must repeat."""

    name: ClassVar[str] = "HeadObject"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    version_id: str | None = None

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return HeadObject(self.bucket, self.key, self.headers, self.version_id).build(endpoint)

    def read(self, response: Response) -> DescribedSource:
        """Return the object and its headers.

        Raises:
            ResponseError: the object does not exist, the store refused, or the response does not state the size.
        """
        found = HeadObject(self.bucket, self.key, self.headers, self.version_id).read(response)
        headers = {name: value for name, value in response.headers.items() if name in _CONTENT_HEADERS}
        count = response.headers.get("x-amz-tagging-count", "").strip()
        return DescribedSource(found, headers, int(count) if count.isascii() and count[:4].isdigit() else 0)


@dataclass(frozen=True, slots=True)
class GetObjectTagging:
    """Read the tags of an object."""

    name: ClassVar[str] = "GetObjectTagging"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    version_id: str | None = None

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        version = () if self.version_id is None else (("versionId", self.version_id),)
        kept = {name: value for name, value in self.headers.items() if not name.startswith(_KEY_PREFIX)}
        return build_request(self, endpoint, "GET", query=(("tagging", ""), *version), headers=kept)

    def read(self, response: Response) -> str:
        """Return the tags, form-encoded, as an upload sends them.

        Raises:
            ResponseError: the store refused, or the document cannot be read.
        """
        document = parse_result(self, response, "Tagging")
        tags = (document.child("TagSet") or _NOTHING).all("Tag")
        pairs = [(tag.text("Key") or "", tag.text("Value") or "") for tag in tags]
        return urlencode(pairs, quote_via=quote, safe="")
