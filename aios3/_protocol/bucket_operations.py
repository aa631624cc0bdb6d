"""Operations on a bucket: look at, create, list its open multipart uploads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import unquote_plus

from aios3._protocol.messages import Request, Response
from aios3._protocol.operation import build_request, is_success, parse_result, refusal, unusable
from aios3._protocol.uri import Endpoint
from aios3._protocol.xml_bodies import Element, read_time, write_create_bucket
from aios3.models import PendingUpload

__all__ = ["CreateBucket", "HeadBucket", "ListMultipartUploads", "UploadsPage"]


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """One page of ListMultipartUploads."""

    uploads: tuple[PendingUpload, ...]
    is_truncated: bool
    next_key_marker: str
    """Where the next page goes on, together with the next; never both as asked for when the page is truncated."""
    next_upload_id_marker: str


@dataclass(frozen=True, slots=True)
class HeadBucket:
    """Ask whether a bucket exists and may be used."""

    name: ClassVar[str] = "HeadBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "HEAD")

    def read(self, response: Response) -> None:
        """Return if it does.

        Raises:
            ResponseError: it does not, or the store refused.
        """
        if not is_success(response):
            raise refusal(self, response)


@dataclass(frozen=True, slots=True)
class CreateBucket:
    """Make a bucket, in another region than the endpoint's if ``location`` names one."""

    name: ClassVar[str] = "CreateBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    location: str | None

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        if self.location is None:
            return build_request(self, endpoint, "PUT")
        body = write_create_bucket(self.location)
        return build_request(self, endpoint, "PUT", headers={"content-type": "application/xml"}, body=(body,))

    def read(self, response: Response) -> None:
        """Return if it was made.

        Raises:
            ResponseError: the store refused; `ConflictError` if the name is taken.
        """
        if not is_success(response):
            raise refusal(self, response)


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
        # XML 1.0 cannot hold control characters, which keys may have.
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
            ResponseError: the store refused, or the page cannot be read or would repeat for ever.
        """
        if response.status == 404 and refusal(self, response).code == "NoSuchUpload":
            # rclone's way of saying that no upload was ever begun in the bucket
            return UploadsPage((), is_truncated=False, next_key_marker="", next_upload_id_marker="")
        document = parse_result(self, response, "ListMultipartUploadsResult")
        decode = _key_decoder(document)
        uploads = tuple(_pending_upload(self.bucket, element, decode) for element in document.all("Upload"))
        if any(not upload.key or not upload.upload_id for upload in uploads):
            raise unusable(self, response, "the store listed an upload without its key or id")
        return self._page(response, document, uploads, decode)

    def _page(
        self, response: Response, document: Element, uploads: tuple[PendingUpload, ...], decode: Callable[[str], str]
    ) -> UploadsPage:
        if not document.flag("IsTruncated"):
            return UploadsPage(uploads, is_truncated=False, next_key_marker="", next_upload_id_marker="")
        last = uploads[-1] if uploads else None
        key_marker = decode(document.text("NextKeyMarker") or "") or (last.key if last else "")
        id_marker = (document.text("NextUploadIdMarker") or "").strip() or (last.upload_id if last else "")
        if not key_marker or (key_marker, id_marker) == (self.key_marker, self.upload_id_marker):
            raise unusable(self, response, "the store's list of uploads goes on without moving on")
        return UploadsPage(uploads, is_truncated=True, next_key_marker=key_marker, next_upload_id_marker=id_marker)


def _key_decoder(document: Element) -> Callable[[str], str]:
    is_encoded = (document.text("EncodingType") or "").strip().lower() == "url"
    return unquote_plus if is_encoded else str


def _pending_upload(bucket: str, element: Element, decode: Callable[[str], str]) -> PendingUpload:
    return PendingUpload(
        bucket=bucket,
        key=decode(element.text("Key") or ""),
        upload_id=(element.text("UploadId") or "").strip(),
        initiated_at=read_time(element.text("Initiated")),
    )
