"""Operations on one object: put, head, get, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from aios3._protocol.wire.messages import Body, Request, Response
from aios3._protocol.wire.response_headers import (
    etag_of,
    read_checksum,
    read_content_range,
    read_http_date,
    read_metadata,
    request_id,
    unquote_etag,
)
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.models import StorageObject

from .base import build_request, is_success, refusal, unusable

__all__ = ["Committed", "DeleteObject", "GetObject", "HeadObject", "PutObject"]


# Nothing changes a report, but `frozen` would double the time that it takes to make one.
@dataclass(slots=True)
class Committed:
    """The store's report on an object that it has just committed."""

    etag: str | None
    """ETag as sent, with its quotes; ``None`` if the response has none."""
    version_id: str | None
    checksum: str | None
    """Checksum of the object as reported, or ``None``."""
    request_id: str | None


@dataclass(frozen=True, slots=True)
class PutObject:
    """Store an object in one request."""

    name: ClassVar[str] = "PutObject"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    headers: Mapping[str, str] = field(repr=False)
    body: Body = field(repr=False)
    checksum: tuple[str, str] | None = None
    """Header name and base64 value, for example ``("x-amz-checksum-crc32", "...")``."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        headers = self.headers
        if self.checksum is not None:
            headers = {**headers, self.checksum[0]: self.checksum[1]}
        return build_request(self, endpoint, "PUT", headers=headers, body=self.body)

    def read(self, response: Response) -> Committed:
        """Return the store's report on the object.

        Raises:
            ResponseError: the store refused.
        """
        if not is_success(response):
            raise refusal(self, response)
        headers = response.headers
        return Committed(etag_of(headers), headers.get("x-amz-version-id"), read_checksum(headers), request_id(headers))


@dataclass(frozen=True, slots=True)
class HeadObject:
    """Read the headers of an object without its bytes."""

    name: ClassVar[str] = "HeadObject"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    version_id: str | None = None
    """Version to read; ``None`` for the current one."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "HEAD", query=version_query(self.version_id), headers=self.headers)

    def read(self, response: Response) -> StorageObject:
        """Return the object as its headers describe it.

        Raises:
            ResponseError: the object does not exist, the store refused, or the response does not state the size.
        """
        if not is_success(response):
            raise refusal(self, response)
        return _describe(self, response)


@dataclass(frozen=True, slots=True)
class GetObject:
    """Read an object, or the bytes from ``start`` up to but not including ``end``."""

    name: ClassVar[str] = "GetObject"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    start: int | None = None
    end: int | None = None
    if_match: str | None = None
    """ETag without its quotes: the response is 412 if the object has another ETag by then."""
    overrides: tuple[tuple[str, str], ...] = ()
    """Query parameters, such as ``("response-content-type", "text/plain")``, that replace headers of the response."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    version_id: str | None = None
    """Version to read; ``None`` for the current one."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned.

        Raises:
            ConfigurationError: the range is negative or empty, which HTTP cannot express.
        """
        byte_range = self._range()
        headers = dict(self.headers) if byte_range is None else {**self.headers, "range": byte_range}
        if self.if_match is not None:
            headers["if-match"] = f'"{self.if_match}"'
        query = (*version_query(self.version_id), *self.overrides)
        return build_request(self, endpoint, "GET", query=query, headers=headers)

    def read(self, response: Response) -> StorageObject:
        """Return the object as the headers describe it; its size is the length of this response.

        Only the status and the headers count, unless the status is an error.

        Raises:
            ResponseError: the store refused, did not state the length, or sent the whole object or another range
                although a range was asked for.
        """
        if not is_success(response):
            raise refusal(self, response)
        # rclone's response to a range has the right bytes and headers, but status 200.
        is_partial = response.status == 206 or "content-range" in response.headers
        if not is_partial and self._range() is not None:
            raise unusable(self, response, "the store ignored the range that was asked for")
        stored = response.headers.get("x-goog-stored-content-encoding", "")
        if stored and stored != response.headers.get("content-encoding", "identity"):
            raise unusable(self, response, f"the object is stored as {stored!r:.40}, and was recoded on the way")
        section = read_content_range(response.headers)
        if section is not None and section.start != (self.start or 0):
            raise unusable(self, response, "the store sent another range than was asked for")
        return _describe(self, response)

    def _range(self) -> str | None:
        start = self.start or 0
        if start < 0 or (self.end is not None and self.end <= start):
            raise ConfigurationError(f"bytes {self.start} to {self.end} are not a range")
        if self.end is not None:
            return f"bytes={start}-{self.end - 1}"
        return f"bytes={start}-" if start else None


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Delete an object. S3 reports a success even if there is none."""

    name: ClassVar[str] = "DeleteObject"
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    version_id: str | None = None
    """Version to remove; ``None`` removes the object, of which a bucket with versions keeps the earlier ones."""

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        return build_request(self, endpoint, "DELETE", query=version_query(self.version_id), headers=self.headers)

    def read(self, response: Response) -> None:
        """Return if the object is gone.

        Raises:
            ResponseError: the store refused.
        """
        if not is_success(response):
            raise refusal(self, response)


def version_query(version_id: str | None) -> tuple[tuple[str, str], ...]:
    """Return the query parameter that names a version; empty for the current one."""
    return () if version_id is None else (("versionId", version_id),)


def _check_version(operation: HeadObject | GetObject, response: Response) -> None:
    """Refuse the description of another version than was asked for, because some stores ignore the parameter.

    The version ``null`` is of a time without versions, and not every store names it.
    """
    wanted, sent = operation.version_id, response.headers.get("x-amz-version-id")
    if wanted is not None and sent != wanted and not (wanted == "null" and sent is None):
        raise unusable(operation, response, "the store ignored the version that was asked for")


def _describe(operation: HeadObject | GetObject, response: Response) -> StorageObject:
    headers = response.headers
    _check_version(operation, response)
    length = headers.get("content-length", "").strip()
    # Eighteen digits exceed every object size, and int() is fast and never fails on them.
    if not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise unusable(operation, response, "the store did not say how long the object is")
    return StorageObject(
        bucket=operation.bucket,
        key=operation.key,
        size=int(length),
        etag=unquote_etag(etag_of(headers) or ""),
        last_modified=read_http_date(headers.get("last-modified")),
        content_type=headers.get("content-type"),
        metadata=read_metadata(headers),
        version_id=headers.get("x-amz-version-id"),
        storage_class=headers.get("x-amz-storage-class"),
        checksum=read_checksum(headers),
    )
