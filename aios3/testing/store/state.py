"""State of the server: buckets, objects, open uploads and completed uploads."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Final

from aios3.credentials import Credentials
from aios3.providers import Provider
from aios3.testing.wire.answers import Answer, Refusal
from aios3.testing.wire.documents import ListedPart
from aios3.testing.wire.heads import RequestHead
from aios3.testing.wire.received import ReceivedRequest

from .cors import CorsRule

__all__ = [
    "NULL_VERSION",
    "CompletedUpload",
    "OpenUpload",
    "Store",
    "StoredObject",
    "StoredPart",
    "StoredVersion",
    "check_conditions",
    "number_of",
]

NULL_VERSION: Final = "null"
"""Id of the version that an object has which was stored while its bucket kept no versions."""


def _join(pieces: tuple[bytes, ...] | None) -> bytes:
    if pieces is None:
        raise LookupError("this server does not keep bodies (keep_bodies=False)")
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Acknowledged part."""

    number: int
    size: int
    """Bytes."""
    etag: str
    """ETag with quotes, as sent."""
    stored_at: datetime
    checksums: Mapping[str, str]
    """Checksum that came with the part: base64 by header name."""
    content: bytes | None = field(repr=False)

    @property
    def body(self) -> bytes:
        """Bytes of the part.

        Raises:
            LookupError: the server does not keep bodies.
        """
        return _join(None if self.content is None else (self.content,))


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Stored object."""

    size: int
    """Bytes."""
    etag: str
    """ETag with quotes, as sent."""
    headers: Mapping[str, str]
    """Headers that describe the object, by lower-case name: content headers, metadata, tags, ACL, locks, encryption."""
    stored_at: datetime
    """Time of the server's clock."""
    parts: tuple[StoredPart, ...] = ()
    """Parts in order; empty for an object of one PutObject."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Checksums in base64, by header name."""
    checksum_type: str = "FULL_OBJECT"
    """``"FULL_OBJECT"`` or ``"COMPOSITE"``, which is made of the checksums of the parts."""
    pieces: tuple[bytes, ...] | None = field(default=None, repr=False)

    @property
    def body(self) -> bytes:
        """Bytes of the object, joined at each call.

        Raises:
            LookupError: the server does not keep bodies.
        """
        return _join(self.pieces)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """Version of an object in a bucket with versions."""

    version_id: str
    found: StoredObject | None
    """Object; ``None`` for the marker of a deletion."""
    stored_at: datetime
    number: int = 0
    """Place among all versions in time."""


@dataclass(slots=True)
class OpenUpload:
    """Multipart upload that is neither completed nor aborted."""

    bucket: str
    key: str
    upload_id: str
    initiated_at: datetime
    headers: Mapping[str, str]
    checksum_algorithm: str | None = None
    """Lower-case name of the algorithm that Create chose, or ``None``."""
    checksum_type: str | None = None
    """``"COMPOSITE"`` or ``"FULL_OBJECT"``; empty or ``None`` without an algorithm."""
    parts: dict[int, StoredPart] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """Completed upload, with the response to a repeated CompleteMultipartUpload."""

    bucket: str
    key: str
    listed: list[ListedPart]
    response: Answer


@dataclass(slots=True)
class Store:
    """State of the server, and the rules that all operations share."""

    provider: Provider
    region: str
    clock: Callable[[], datetime]
    page_limit: int = 1000
    forget_completed: bool = False
    accept_chunked: bool = False
    cors: CorsRule | None = None
    buckets: dict[str, datetime] = field(default_factory=dict)
    objects: dict[tuple[str, str], StoredObject] = field(default_factory=dict)
    uploads: dict[str, OpenUpload] = field(default_factory=dict)
    completed: dict[str, CompletedUpload] = field(default_factory=dict)
    sessions: dict[str, tuple[str, Credentials]] = field(default_factory=dict)
    """Bucket and credentials of every opened session, by access key id."""
    versions: dict[tuple[str, str], list[StoredVersion]] = field(default_factory=dict)
    """Versions of every key of a bucket with versions, the oldest first."""
    versioned_buckets: set[str] = field(default_factory=set)
    suspended_buckets: set[str] = field(default_factory=set)
    """Buckets that kept versions once. A new object replaces only the version ``"null"``."""
    acls: dict[str, str] = field(default_factory=dict)
    """Canned ACL by bucket; a bucket without one is private."""
    undeletable: set[tuple[str, str]] = field(default_factory=set)
    """Bucket and key of objects that DeleteObjects refuses to delete."""
    lifecycles: dict[str, bytes] = field(default_factory=dict)
    """Document with the rules of a bucket, by bucket."""
    locked_buckets: set[str] = field(default_factory=set)
    """Buckets that lock every new object, whose bodies need a digest."""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def has_sessions(self) -> bool:
        """Whether buckets are directory buckets, whose requests are signed with the keys of a session."""
        return self.provider.signing_service == "s3express"

    def opaque_etag(self) -> str | None:
        """Return a new quoted ETag that does not depend on the bytes, for directory buckets; else ``None``."""
        if not self.has_sessions:
            return None
        return f'"{hashlib.md5(b"%d" % next(self._numbers), usedforsecurity=False).hexdigest()}"'

    def new_upload_id(self) -> str:
        """Return an upload id that has to be percent-encoded, as ids of real stores may have to be."""
        return f"{next(self._numbers)}~upload.with+every/sign=&%41_-"

    def save(self, address: tuple[str, str], found: StoredObject | None) -> dict[str, str]:
        """Make an object the current one, or ``None`` to delete it; return the header with the id of its version."""
        before = self.objects.get(address)
        if found is None:
            self.objects.pop(address, None)
        else:
            self.objects[address] = found
        is_suspended = address[0] in self.suspended_buckets
        if address[0] not in self.versioned_buckets and not is_suspended:
            return {}
        history = self.versions.setdefault(address, [])
        if before is not None and not history:  # the bucket keeps versions since this object was stored
            history.append(StoredVersion(NULL_VERSION, before, before.stored_at))
        number = next(self._numbers)
        version_id = NULL_VERSION if is_suspended else f"v{number}/+ &"
        history[:] = [version for version in history if version.version_id != version_id]
        history.append(StoredVersion(version_id, found, self.clock(), number))
        if found is None:
            return {"x-amz-version-id": version_id, "x-amz-delete-marker": "true"}
        return {} if is_suspended else {"x-amz-version-id": version_id}

    def replace(self, address: tuple[str, str], found: StoredObject, changed: StoredObject) -> None:
        """Put a changed description in the place of an object, in the same version."""
        if self.objects.get(address) is found:
            self.objects[address] = changed
        if history := self.versions.get(address):
            history[:] = [dataclasses.replace(each, found=changed) if each.found is found else each for each in history]

    def remove_version(self, address: tuple[str, str], version_id: str) -> dict[str, str]:
        """Remove one version for good, and return the headers that report it. A missing version is no error."""
        history = self.versions.pop(address, None)
        if history is None and version_id != NULL_VERSION:
            return {"x-amz-version-id": version_id}
        kept = [version for version in history or () if version.version_id != version_id]
        removed = [version for version in history or () if version.version_id == version_id]
        self.objects.pop(address, None)
        if kept:
            self.versions[address] = kept
            if kept[-1].found is not None:
                self.objects[address] = kept[-1].found
        marker = {"x-amz-delete-marker": "true"} if removed and removed[0].found is None else {}
        return {"x-amz-version-id": version_id, **marker}

    def find(self, address: tuple[str, str], version_id: str | None) -> tuple[StoredObject, dict[str, str]]:
        """Return the object or one version of it, and the header with the id of the version.

        Raises:
            Refusal: there is no such object or version, or the version is the marker of a deletion.
        """
        history = self.versions.get(address, [])
        if version_id is None or (version_id == NULL_VERSION and not history):
            found = self.objects.get(address)
            if found is None:
                marker = _marker_headers(history[-1]) if history else {}
                raise Refusal(404, "NoSuchKey", "The specified key does not exist.", marker, Key=address[1])
            ids = [version.version_id for version in history if version.found is found]
            return found, {"x-amz-version-id": ids[-1]} if ids else {}
        for version in history:
            if version.version_id == version_id:
                if version.found is None:
                    message = "The specified method is not allowed against this resource."
                    raise Refusal(405, "MethodNotAllowed", message, {**_marker_headers(version), "Allow": "DELETE"})
                return version.found, {"x-amz-version-id": version_id}
        raise Refusal(404, "NoSuchVersion", "The specified version does not exist.", VersionId=version_id)

    def require_bucket(self, request: ReceivedRequest) -> str:
        """Return the name of a request's bucket.

        Raises:
            Refusal: the bucket does not exist.
        """
        if request.bucket is None or request.bucket not in self.buckets:
            message = "The specified bucket does not exist"
            raise Refusal(404, "NoSuchBucket", message, BucketName=request.bucket or "")
        return request.bucket

    def require_address(self, request: ReceivedRequest) -> tuple[str, str]:
        """Return the bucket and the key of a request to an object.

        Raises:
            Refusal: the bucket does not exist, or the key is longer than 1,024 bytes.
        """
        bucket, key = self.require_bucket(request), request.key or ""
        size = len(key.encode())
        if size > 1024:
            raise Refusal(400, "KeyTooLongError", "Your key is too long", Size=size, MaxSizeAllowed=1024)
        return bucket, key

    def require_upload(self, request: ReceivedRequest) -> OpenUpload:
        """Return the open upload that a request names by id, bucket and key.

        Raises:
            Refusal: no open upload has this id, bucket and key.
        """
        address = self.require_address(request)
        upload = self.uploads.get(request.upload_id or "")
        if upload is None or (upload.bucket, upload.key) != address:
            message = "The specified upload does not exist. It may have been aborted or completed."
            raise Refusal(404, "NoSuchUpload", message, UploadId=request.upload_id or "")
        return upload


def _marker_headers(marker: StoredVersion) -> dict[str, str]:
    return {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}


def number_of(identifier: str, absent: int = 0) -> int:
    """Return the number in the id of a version or an upload, or ``absent`` if it has none."""
    found = re.search(r"[0-9]+", identifier)
    return int(found[0]) if found else absent


def check_conditions(head: RequestHead, current: StoredObject | None) -> None:
    """Check the conditions of a write.

    Raises:
        Refusal: a condition does not hold, or S3 does not take its form.
    """
    if_none_match, if_match = head.header("If-None-Match"), head.header("If-Match")
    if (if_none_match not in {None, "*"}) or if_match == "*" or (if_none_match and if_match):
        message = "A header you provided implies functionality that is not implemented"
        raise Refusal(501, "NotImplemented", message, Header="If-Match" if if_match else "If-None-Match")
    if if_match and current is None:
        raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
    if (if_none_match and current) or (if_match and current and if_match.strip('"') != current.etag.strip('"')):
        message = "At least one of the pre-conditions you specified did not hold"
        raise Refusal(412, "PreconditionFailed", message, Condition="If-Match" if if_match else "If-None-Match")


def multipart_etag(parts: Iterable[StoredPart]) -> str:
    """Return S3's ETag of a multipart object, quoted: MD5 of the parts' MD5s, a dash, the number of parts."""
    digests = [bytes.fromhex(part.etag.strip('"')) for part in parts]
    return f'"{hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"'
