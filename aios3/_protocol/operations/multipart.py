"""The life of one multipart upload: create, upload parts, list them, complete or abort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from aios3._protocol.wire.error_responses import etag_of, read_checksum, request_id
from aios3._protocol.wire.messages import Body, Request, Response
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
]

_LONGEST_ID: Final = 4096
"""Characters. It goes into the URL of every further request, and the longest that are known have some hundred."""


@dataclass(frozen=True, slots=True)
class PartResponse:
    """A part that the store has acknowledged."""

    etag: str
    """As sent, with its quotes; CompleteMultipartUpload must repeat it."""
    checksum: str | None
    """The checksum that the store echoed, or ``None``."""


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part as ListParts shows it."""

    number: int
    size: int
    """Bytes."""
    etag: str
    """As sent, with its quotes."""
    checksum: str | None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """One page of ListParts."""

    parts: tuple[ListedPart, ...]
    is_truncated: bool
    next_marker: int
    """Where the next page goes on; always beyond the marker that was asked for when the page is truncated."""


@dataclass(frozen=True, slots=True)
class CreateMultipartUpload:
    """Begin a multipart upload; all that describes the object is said here."""

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
            ResponseError: the store refused, or answered a success without an id.
        """
        # rclone names the root element without "Result".
        document = parse_result(self, response, "InitiateMultipartUploadResult", "InitiateMultipartUpload")
        upload_id = (document.text("UploadId") or "").strip()
        if not upload_id:
            raise unusable(self, response, "the store created a multipart upload without telling its id")
        if len(upload_id) > _LONGEST_ID:
            raise unusable(self, response, f"the store told an upload id of {len(upload_id)} characters")
        return upload_id


@dataclass(frozen=True, slots=True)
class UploadPart:
    """Store one part; the same number again replaces it."""

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
        """Return the part's ETag.

        Raises:
            ResponseError: the store refused, or answered a success without an ETag.
        """
        if not is_success(response):
            raise refusal(self, response)
        etag = etag_of(response.headers)
        if etag is None:
            raise unusable(self, response, "the store took the part without telling its ETag")
        return PartResponse(etag, read_checksum(response.headers))


@dataclass(frozen=True, slots=True)
class CompleteMultipartUpload:
    """Make the object out of the parts."""

    name: ClassVar[str] = "CompleteMultipartUpload"
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    upload_id: str
    parts: Sequence[tuple[int, str, str | None]]
    """Number, ETag as the part's answer had it, checksum; in ascending order."""
    checksum_algorithm: str | None
    """``"crc32"`` and the like if one was named at Create: then, and only then, part checksums are listed."""
    headers: Mapping[str, str] = field(repr=False)
    object_size: int | None = None
    """Bytes, for a store that refuses to commit another number; ``None`` does not tell."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        headers = {**self.headers, "content-type": "application/xml"}
        if self.object_size is not None:
            headers["x-amz-mp-object-size"] = str(self.object_size)
        body = write_complete(self.parts, self.checksum_algorithm)
        query = (("uploadId", self.upload_id),)
        return build_request(self, endpoint, "POST", query=query, headers=headers, body=(body,))

    def read(self, response: Response) -> Committed:
        """Return what was committed.

        Raises:
            ResponseError: the store refused, also inside a 200; or, with a
                status of 2xx and no code, the answer leaves the outcome open.
        """
        document = parse_result(self, response, "CompleteMultipartUploadResult")
        return Committed(
            etag=(document.text("ETag") or "").strip() or None,
            version_id=response.headers.get("x-amz-version-id"),
            checksum=_element_checksum(document),
            request_id=request_id(response),
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
            ResponseError: the store refused, or the page cannot be read or would repeat for ever.
        """
        document = parse_result(self, response, "ListPartsResult")
        try:
            parts = tuple(_listed_part(element) for element in document.all("Part"))
        except ValueError as error:
            raise unusable(self, response, f"the store listed a part that cannot be read: {error}") from None
        return self._page(response, document, parts)

    def _page(self, response: Response, document: Element, parts: tuple[ListedPart, ...]) -> PartsPage:
        last = parts[-1].number if parts else self.marker
        if not document.flag("IsTruncated"):
            return PartsPage(parts, is_truncated=False, next_marker=last)
        # Some stores send no marker, or one that does not move; the last number seen serves as well.
        marker = max(document.number("NextPartNumberMarker") or 0, last)
        if marker <= self.marker:
            raise unusable(self, response, "the store's list of parts goes on without moving on")
        return PartsPage(parts, is_truncated=True, next_marker=marker)


def _listed_part(element: Element) -> ListedPart:
    number, size = element.number("PartNumber"), element.number("Size")
    if number is None or size is None:
        raise ValueError("no number or no size")
    return ListedPart(number, size, (element.text("ETag") or "").strip(), _element_checksum(element))


def _element_checksum(element: Element) -> str | None:
    for name in element.names:
        if name.startswith("Checksum") and name not in ("ChecksumType", "ChecksumAlgorithm"):
            return (element.text(name) or "").strip() or None
    return None
