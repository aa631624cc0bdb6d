"""Operations on one multipart upload: create, upload parts, list them, complete, abort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from aios3._protocol.wire.messages import Body, Request, Response
from aios3._protocol.wire.response_headers import etag_of, read_checksum, request_id
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element, write_complete

from .base import build_request, is_success, parse_result, refusal, unusable
from .objects import Committed

__all__ = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "ListParts",
    "ListedPart",
    "PartResponse",
    "PartsPage",
    "UploadPart",
    "element_checksum",
]

_LONGEST_ID: Final = 4096
"""Characters of an upload id. Every later URL contains it, and the longest known ids have some hundred."""


# Nothing changes a response, but `frozen` would double the time that it takes to make one.
@dataclass(slots=True)
class PartResponse:
    """A part that the store has acknowledged."""

    etag: str
    """ETag as sent, with its quotes; CompleteMultipartUpload must repeat it."""
    checksum: str | None
    """Checksum that the store echoed, or ``None``."""


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part as ListParts shows it."""

    number: int
    size: int
    """Bytes."""
    etag: str
    """ETag as sent, with its quotes."""
    checksum: str | None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """One page of ListParts."""

    parts: tuple[ListedPart, ...]
    is_truncated: bool
    next_marker: int
    """Marker of the next page; always beyond the requested marker if the page is truncated."""


@dataclass(frozen=True, slots=True)
class CreateMultipartUpload:
    """Begin a multipart upload. This request carries the whole description of the object."""

    name: ClassVar[str] = "CreateMultipartUpload"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    headers: Mapping[str, str] = field(repr=False)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "POST", query=(("uploads", ""),), headers=self.headers)

    def read(self, response: Response) -> str:
        """Return the upload id.

        Raises:
            ResponseError: the store refused, or sent a success without a usable id.
        """
        # rclone names the root element without "Result".
        document = parse_result(self, response, "InitiateMultipartUploadResult", "InitiateMultipartUpload")
        upload_id = (document.text("UploadId") or "").strip()
        if not upload_id:
            raise unusable(self, response, "the store created a multipart upload and sent no id")
        if len(upload_id) > _LONGEST_ID:
            raise unusable(self, response, f"the store sent an upload id of {len(upload_id)} characters")
        return upload_id


@dataclass(frozen=True, slots=True)
class UploadPart:
    """Store one part, or replace the part that has this number."""

    name: ClassVar[str] = "UploadPart"

    bucket: str
    key: str
    upload_id: str
    part_number: int
    body: Body = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    checksum: tuple[str, str] | None = None
    """Header name and base64 value, for example ``("x-amz-checksum-crc32", "...")``."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        headers = dict(self.headers)
        if self.checksum is not None:
            headers[self.checksum[0]] = self.checksum[1]
        query = (("partNumber", str(self.part_number)), ("uploadId", self.upload_id))
        return build_request(self, endpoint, "PUT", query=query, headers=headers, body=self.body)

    def read(self, response: Response) -> PartResponse:
        """Return the part's ETag and checksum.

        Raises:
            ResponseError: the store refused, or sent a success without an ETag.
        """
        if not is_success(response):
            raise refusal(self, response)
        etag = etag_of(response.headers)
        if etag is None:
            raise unusable(self, response, "the store took the part and sent no ETag")
        return PartResponse(etag, read_checksum(response.headers))


@dataclass(frozen=True, slots=True)
class CompleteMultipartUpload:
    """Make the object from the parts."""

    name: ClassVar[str] = "CompleteMultipartUpload"
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    upload_id: str
    parts: Sequence[tuple[int, str, str | None]]
    """Number, ETag as in the part's response, and checksum of each part, in ascending order."""
    checksum_algorithm: str | None
    """Algorithm named at Create, such as ``"crc32"``, or ``None``. Part checksums are listed only with an algorithm."""
    headers: Mapping[str, str] = field(repr=False)
    object_size: int | None = None
    """Bytes of the object, for a store that refuses to commit another number; ``None`` is not sent."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        headers = {**self.headers, "content-type": "application/xml"}
        if self.object_size is not None:
            headers["x-amz-mp-object-size"] = str(self.object_size)
        body = write_complete(self.parts, self.checksum_algorithm)
        query = (("uploadId", self.upload_id),)
        return build_request(self, endpoint, "POST", query=query, headers=headers, body=(body,))

    def read(self, response: Response) -> Committed:
        """Return the store's report on the object.

        Raises:
            ResponseError: the store refused, even inside a 200; or, with a
                status of 2xx and no code, the outcome is unknown.
        """
        document = parse_result(self, response, "CompleteMultipartUploadResult")
        return Committed(
            etag=(document.text("ETag") or "").strip() or None,
            version_id=response.headers.get("x-amz-version-id"),
            checksum=element_checksum(document),
            request_id=request_id(response.headers),
        )


@dataclass(frozen=True, slots=True)
class AbortMultipartUpload:
    """Discard a multipart upload and the parts stored so far."""

    name: ClassVar[str] = "AbortMultipartUpload"
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    upload_id: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "DELETE", query=(("uploadId", self.upload_id),), headers=self.headers)

    def read(self, response: Response) -> None:
        """Return if the upload is gone.

        Raises:
            ResponseError: the store refused; `UploadNotFoundError` if it was gone before.
        """
        if not is_success(response):
            raise refusal(self, response)


@dataclass(frozen=True, slots=True)
class ListParts:
    """List the parts stored so far, one page from ``marker`` (exclusive) on."""

    name: ClassVar[str] = "ListParts"
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    upload_id: str
    marker: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        query = [("uploadId", self.upload_id)]
        if self.marker:
            query.append(("part-number-marker", str(self.marker)))
        return build_request(self, endpoint, "GET", query=tuple(query), headers=self.headers)

    def read(self, response: Response) -> PartsPage:
        """Return the page.

        Raises:
            ResponseError: the store refused, or the page cannot be read or would repeat without end.
        """
        document = parse_result(self, response, "ListPartsResult")
        try:
            parts = tuple(_listed_part(element) for element in document.all("Part"))
        except ValueError as error:
            raise unusable(self, response, f"the store listed a part that cannot be read: {error}") from None
        return self._page(response, document, parts)

    def following(self, page: PartsPage) -> ListParts | None:
        """Return the operation for the page after `page`; ``None`` after the last one."""
        return replace(self, marker=page.next_marker) if page.is_truncated else None

    def _page(self, response: Response, document: Element, parts: tuple[ListedPart, ...]) -> PartsPage:
        last = parts[-1].number if parts else self.marker
        if not document.flag("IsTruncated"):
            return PartsPage(parts, is_truncated=False, next_marker=last)
        # Some stores send no marker, or one that does not advance; the last part number replaces it.
        marker = max(document.number("NextPartNumberMarker") or 0, last)
        if marker <= self.marker:
            raise unusable(self, response, "the store's list of parts does not advance")
        return PartsPage(parts, is_truncated=True, next_marker=marker)


def _listed_part(element: Element) -> ListedPart:
    number, size = element.number("PartNumber"), element.number("Size")
    if number is None or size is None:
        raise ValueError("no number or no size")
    return ListedPart(number, size, (element.text("ETag") or "").strip(), element_checksum(element))


def element_checksum(element: Element) -> str | None:
    """Return the checksum in a document of S3, or ``None``."""
    for name in element.names:
        if name.startswith("Checksum") and name not in ("ChecksumType", "ChecksumAlgorithm"):
            return (element.text(name) or "").strip() or None
    return None
