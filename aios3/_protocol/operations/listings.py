"""Listing operations, one page each: buckets, objects, open multipart uploads.

Each operation can return the operation for the page after the one that it read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import unquote_plus

from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.response_headers import unquote_etag
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element, read_time
from aios3.models import CommonPrefix, Container, PendingUpload, StorageObject

from .base import build_request, parse_result, refusal, unusable

__all__ = [
    "BucketsPage",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectsV2",
    "ObjectsPage",
    "UploadsPage",
    "key_decoder",
]


@dataclass(frozen=True, slots=True)
class BucketsPage:
    """One page of ListBuckets."""

    buckets: tuple[Container, ...]
    next_token: str
    """Token of the next page, never that of this page; empty on the last page, and if the store does not page."""


@dataclass(frozen=True, slots=True)
class ListBuckets:
    """List the buckets of the signing account, one page from the token on."""

    name: ClassVar[str] = "ListBuckets"
    bucket: ClassVar[None] = None
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    token: str = ""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        query = (("continuation-token", self.token),) if self.token else ()
        return build_request(self, endpoint, "GET", query=query)

    def read(self, response: Response) -> BucketsPage:
        """Return the page.

        Raises:
            ResponseError: the store refused, or the page cannot be read or would repeat without end.
        """
        document = parse_result(self, response, "ListAllMyBucketsResult", "ListAllMyDirectoryBucketsResult")
        groups = document.all("Buckets")
        buckets = tuple(_container(element) for group in groups for element in group.all("Bucket"))
        if any(not bucket.name for bucket in buckets):
            raise unusable(self, response, "the store listed a bucket without its name")
        token = (document.text("ContinuationToken") or "").strip()
        if token and token == self.token:
            raise unusable(self, response, "the store's list of buckets does not advance")
        return BucketsPage(buckets, token)

    def following(self, page: BucketsPage) -> ListBuckets | None:
        """Return the operation for the next page, or ``None`` after the last one."""
        return replace(self, token=page.next_token) if page.next_token else None


@dataclass(frozen=True, slots=True)
class ObjectsPage:
    """One page of ListObjectsV2."""

    objects: tuple[StorageObject, ...]
    next_token: str
    """Token of the next page, never that of this page; empty on the last page."""
    prefixes: tuple[CommonPrefix, ...] = ()
    """Common prefixes of the keys that the delimiter hides."""


@dataclass(frozen=True, slots=True)
class ListObjectsV2:
    """List the objects whose keys begin with ``prefix``, one page from the token on."""

    name: ClassVar[str] = "ListObjectsV2"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    prefix: str = ""
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ""
    """Text after which keys with the same beginning are listed as one common prefix; empty for none."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        # XML 1.0 cannot hold control characters, which keys may have.
        query = [("list-type", "2"), ("encoding-type", "url")]
        optional = (("prefix", self.prefix), ("delimiter", self.delimiter), ("continuation-token", self.token))
        query.extend(pair for pair in optional if pair[1])
        return build_request(self, endpoint, "GET", query=tuple(query), headers=self.headers)

    def read(self, response: Response) -> ObjectsPage:
        """Return the page.

        Raises:
            ResponseError: the store refused, the page cannot be read, or it is not the last one and has no token for
                the next. Without this error the list would look complete.
        """
        document = parse_result(self, response, "ListBucketResult")
        decode = key_decoder(document)
        entries = document.all("Contents")
        sizes = [entry.number("Size") for entry in entries]
        objects = tuple(
            _storage_object(self.bucket, entry, decode, size)
            for entry, size in zip(entries, sizes, strict=True)
            if size is not None
        )
        if len(objects) < len(entries) or any(not found.key for found in objects):
            raise unusable(self, response, "the store listed an object without its key or size")
        prefixes = tuple(
            CommonPrefix(self.bucket, decode(text))
            for element in document.all("CommonPrefixes")
            for text in (each.content for each in element.all("Prefix"))
            if text
        )
        if not document.flag("IsTruncated"):
            return ObjectsPage(objects, "", prefixes)
        token = (document.text("NextContinuationToken") or "").strip()
        if token in ("", self.token):
            raise unusable(self, response, "the store's list of objects does not advance")
        return ObjectsPage(objects, token, prefixes)

    def following(self, page: ObjectsPage) -> ListObjectsV2 | None:
        """Return the operation for the next page, or ``None`` after the last one."""
        return replace(self, token=page.next_token) if page.next_token else None


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """One page of ListMultipartUploads."""

    uploads: tuple[PendingUpload, ...]
    is_truncated: bool
    next_key_marker: str
    """Key marker of the next page. If the page is truncated, its two markers are never both those of the request."""
    next_upload_id_marker: str


@dataclass(frozen=True, slots=True)
class ListMultipartUploads:
    """List uploads that are neither completed nor aborted, one page from the two markers (exclusive) on."""

    name: ClassVar[str] = "ListMultipartUploads"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    prefix: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        query = [("uploads", ""), ("encoding-type", "url")]
        optional = (
            ("prefix", self.prefix),
            ("key-marker", self.key_marker),
            ("upload-id-marker", self.upload_id_marker),
        )
        query.extend(pair for pair in optional if pair[1])
        return build_request(self, endpoint, "GET", query=tuple(query), headers=self.headers)

    def read(self, response: Response) -> UploadsPage:
        """Return the page.

        Raises:
            ResponseError: the store refused, or the page cannot be read or would repeat without end.
        """
        if response.status == 404 and refusal(self, response).code == "NoSuchUpload":
            # rclone sends this if no upload was ever begun in the bucket
            return UploadsPage((), is_truncated=False, next_key_marker="", next_upload_id_marker="")
        document = parse_result(self, response, "ListMultipartUploadsResult")
        decode = key_decoder(document)
        uploads = tuple(_pending_upload(self.bucket, element, decode) for element in document.all("Upload"))
        if any(not upload.key or not upload.upload_id for upload in uploads):
            raise unusable(self, response, "the store listed an upload without its key or id")
        return self._page(response, document, uploads, decode)

    def following(self, page: UploadsPage) -> ListMultipartUploads | None:
        """Return the operation for the next page, or ``None`` after the last one."""
        if not page.is_truncated:
            return None
        return replace(self, key_marker=page.next_key_marker, upload_id_marker=page.next_upload_id_marker)

    def _page(
        self, response: Response, document: Element, uploads: tuple[PendingUpload, ...], decode: Callable[[str], str]
    ) -> UploadsPage:
        if not document.flag("IsTruncated"):
            return UploadsPage(uploads, is_truncated=False, next_key_marker="", next_upload_id_marker="")
        # Swift sends empty markers on pages of one upload.
        last = uploads[-1] if uploads else None
        key_marker = decode(document.text("NextKeyMarker") or "") or (last.key if last else "")
        id_marker = (document.text("NextUploadIdMarker") or "").strip() or (last.upload_id if last else "")
        if not key_marker or (key_marker, id_marker) == (self.key_marker, self.upload_id_marker):
            raise unusable(self, response, "the store's list of uploads does not advance")
        return UploadsPage(uploads, is_truncated=True, next_key_marker=key_marker, next_upload_id_marker=id_marker)


def key_decoder(document: Element) -> Callable[[str], str]:
    """Return the function that decodes the keys of a listing."""
    is_encoded = (document.text("EncodingType") or "").strip().lower() == "url"
    return _decode_url if is_encoded else str


def _decode_url(text: str) -> str:
    # A key that is not UTF-8 must not be mistaken for another key. Lone surrogates make every operation refuse it.
    return unquote_plus(text, errors="surrogateescape")


def _container(element: Element) -> Container:
    return Container((element.text("Name") or "").strip(), read_time(element.text("CreationDate")))


def _storage_object(bucket: str, element: Element, decode: Callable[[str], str], size: int) -> StorageObject:
    return StorageObject(
        bucket=bucket,
        key=decode(element.text("Key") or ""),
        size=size,
        etag=unquote_etag(element.text("ETag") or ""),
        last_modified=read_time(element.text("LastModified")),
        storage_class=(element.text("StorageClass") or "").strip() or None,
    )


def _pending_upload(bucket: str, element: Element, decode: Callable[[str], str]) -> PendingUpload:
    return PendingUpload(
        bucket=bucket,
        key=decode(element.text("Key") or ""),
        upload_id=(element.text("UploadId") or "").strip(),
        initiated_at=read_time(element.text("Initiated")),
    )
