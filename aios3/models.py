"""Results of the library and attributes of objects: frozen values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NoReturn, TypedDict, TypeVar

from aios3.timing import UploadTiming

__all__ = [
    "CommitRequest",
    "CommonPrefix",
    "Container",
    "CopyAttributes",
    "DeleteOptions",
    "DeletionFailure",
    "DeletionResult",
    "FrozenDict",
    "ListOptions",
    "ObjectVersion",
    "PartsUploaded",
    "PendingUpload",
    "ReadOptions",
    "ResponseOverrides",
    "StorageObject",
    "UploadAccess",
    "UploadAttributes",
    "UploadProgress",
    "UploadReceipt",
    "UploadedPart",
    "Verification",
]


K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """Dict that cannot be changed. Unlike a mapping proxy it can be pickled, copied and written as JSON."""

    __slots__ = ()

    def _refuse(self, *args: object, **named: object) -> NoReturn:
        raise TypeError("this mapping cannot be changed: make a dict of it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


_NO_METADATA: Final = FrozenDict[str, str]()


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """One part that the store acknowledged."""

    number: int
    """Number of the part; 1 for the first part."""
    size: int
    """Size in bytes."""
    etag: str
    """ETag as the store sent it, without the quotes."""
    checksum: str | None = None
    """Base64 of the checksum that was sent with the part; ``None`` without one."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Evidence that the store holds the bytes of the source.

    `bodies` and `whole` name values that were sent for the store to compare. A store that compares them refuses a
    difference, and the upload then raises. For the other two fields aios3 compares: ``False`` means that it
    could not compare, never that something differed. TLS is not counted. The default claims nothing.
    """

    bodies: frozenset[str] = frozenset()
    """Values sent with every body: ``"signature"`` (its SHA-256, signed), ``"content-md5"``, and the name of a
    checksum, such as ``"crc32"``."""
    whole: Literal["full-object", "composite", "size"] | None = None
    """Value that the commit had to match. ``"full-object"``: a digest of all bytes; for a PutObject any of `bodies`.
    ``"composite"``: the checksums of all parts. ``"size"``: the number of bytes. ``None``: only the list of the parts;
    for a PutObject without a length, nothing."""
    is_checksum_confirmed: bool = False
    """``True`` if the store reports the checksum of the bytes sent as the checksum of the object."""
    is_etag_confirmed: bool = False
    """``True`` if the final ETag is the MD5 of the bytes sent. A multipart upload: ``True`` if it is the ETag that S3
    makes of the parts' ETags, so the object is these parts in this order."""


@dataclass(frozen=True, slots=True)
class UploadReceipt:
    """Result of an upload that was committed."""

    bucket: str
    key: str
    size: int
    """Size in bytes."""
    etag: str
    """ETag that HEAD reports, without the quotes."""
    version_id: str | None
    """Id of the new version; ``None`` if the bucket keeps no versions."""
    upload_id: str | None
    """Id of the multipart upload; ``None`` for a single PutObject."""
    parts: tuple[UploadedPart, ...]
    """Parts in order; empty for a single PutObject."""
    checksum: str | None
    """Checksum of the object as the store reported it; ``None`` if it reported none. If checksums were sent with the
    parts, the reported one was compared with ours: a difference raises `IntegrityError`."""
    request_id: str | None
    """Id that the store gave to the commit; ``None`` if it gave none."""
    retries: int
    """Number of attempts beyond the first, over all requests of this upload."""
    elapsed: float
    """Seconds from the call to the commit: the sum of `timing`."""
    verification: Verification = field(default=Verification(), compare=False)
    """Evidence that the store holds the bytes of the source."""
    timing: UploadTiming = field(default=UploadTiming(), compare=False)
    """Division of `elapsed` by what the upload waited for."""


@dataclass(frozen=True, slots=True)
class PartsUploaded:
    """Parts of an open multipart upload that one call has stored."""

    parts: tuple[UploadedPart, ...]
    """Parts that this call has stored, in order."""
    size: int
    """Bytes of these parts."""
    tail: bytes = b""
    """Bytes at the end of the source that did not fill a part, and were not stored; empty with ``last=True``. ``repr``
    shows only their number."""

    def __repr__(self) -> str:
        return f"PartsUploaded(parts={self.parts!r}, size={self.size}, tail=<{len(self.tail)} bytes>)"


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """Object that is about to be committed, for ``before_commit``. Nothing of it is visible yet."""

    bucket: str
    key: str
    size: int
    """Size in bytes."""
    parts: tuple[UploadedPart, ...]
    """Parts in order; empty for an upload without parts."""
    checksum: str | None
    """Checksum of the object, as the store is to report it; ``None`` if none is sent, or none is known yet."""
    metadata: Mapping[str, str] | None
    """Metadata as the caller gave it, empty without any; ``None`` if another call created the upload."""


class UploadAccess(TypedDict, total=False):
    """Attributes that requests about an open upload must repeat. ``None`` leaves the upload's own value."""

    sse_customer_key: bytes | None
    """Key of 32 bytes that the upload was created with; a secret, so no `MultipartUpload` holds it."""
    request_payer: str | None
    """``"requester"``: the caller pays instead of the bucket's owner."""
    expected_bucket_owner: str | None
    """Id of an account: the store refuses if another account owns the bucket."""


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """Snapshot of a running upload."""

    bytes_read: int
    """Bytes taken from the source so far."""
    bytes_stored: int
    """Bytes acknowledged by the store: never goes down, never counts a retry twice, ends equal to the size."""
    bytes_total: int | None
    """Declared size in bytes; ``None`` if it is unknown."""
    parts_stored: int
    """Number of acknowledged parts; stays 0 for a single PutObject."""
    bytes_durable: int = field(default=0, compare=False)
    """Stored bytes without a gap from the first byte on. The source need not give them again if the upload resumes from
    a checkpoint. Never goes down."""


@dataclass(frozen=True, slots=True)
class Container:
    """Bucket."""

    name: str
    created_at: datetime | None = None
    """Aware time, UTC; ``None`` if the response does not have it (HEAD does not)."""


@dataclass(frozen=True, slots=True)
class StorageObject:
    """Object as HEAD or a listing describes it."""

    bucket: str
    key: str
    size: int
    """Size in bytes."""
    etag: str
    """ETag without the quotes."""
    last_modified: datetime | None = None
    """Aware time, UTC; ``None`` if the store does not say."""
    content_type: str | None = None
    """Content type; ``None`` in listings, which do not have it."""
    metadata: Mapping[str, str] = _NO_METADATA
    """User metadata by lower-case name; empty in listings."""
    version_id: str | None = None
    """Id of the version; ``None`` in listings, and if the bucket keeps no versions."""
    storage_class: str | None = None
    """Storage class; ``None`` if the store names none, as HEAD of Amazon S3 does for STANDARD."""
    checksum: str | None = None
    """Additional checksum of the object, base64; ``None`` if the store reports none."""

    def __post_init__(self) -> None:
        if not isinstance(self.metadata, FrozenDict):
            object.__setattr__(self, "metadata", FrozenDict(self.metadata))


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """Beginning that the keys of hidden objects share, such as a folder."""

    bucket: str
    prefix: str
    """Beginning of the keys, up to and including the delimiter of the listing."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """Version of an object, or the marker of its deletion."""

    bucket: str
    key: str
    version_id: str
    """Id to pass as ``version_id=``; ``"null"`` for an object from a time without versions."""
    is_latest: bool
    """``True`` if this is what the key holds now."""
    is_delete_marker: bool
    """``True`` if the object was deleted then, so there are no bytes."""
    size: int
    """Size in bytes; 0 for the marker of a deletion."""
    etag: str
    """ETag without the quotes; empty for the marker of a deletion."""
    last_modified: datetime | None = None
    """Aware time, UTC; ``None`` if the store does not say."""
    storage_class: str | None = None
    """Storage class; ``None`` if the store names none."""


@dataclass(frozen=True, slots=True)
class DeletionFailure:
    """Object that could not be deleted, and the reason."""

    key: str
    version_id: str | None
    """Version that was to be removed; ``None`` for the object itself."""
    code: str | None
    """Error code of the store; ``None`` if it gave none."""
    message: str
    """Message of the store, or of aios3 if no response came."""


@dataclass(frozen=True, slots=True)
class DeletionResult:
    """Result of the deletion of many objects."""

    deleted: int
    """Number of objects that are gone. Objects that did not exist count, too."""
    failures: tuple[DeletionFailure, ...]
    """Objects that are still there, in no particular order; empty if all are gone."""


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """Multipart upload that was begun and neither completed nor aborted; its parts are billed."""

    bucket: str
    key: str
    upload_id: str
    initiated_at: datetime | None
    """Aware time, UTC; ``None`` if the store does not say."""


class ResponseOverrides(TypedDict, total=False):
    """Headers of the response that replace the object's own, and the version. ``None`` is the same as no entry."""

    response_content_type: str | None
    response_content_disposition: str | None
    """For example ``'attachment; filename="cat.mp4"'``: a browser then saves the object under that name."""
    response_content_encoding: str | None
    response_content_language: str | None
    response_cache_control: str | None
    response_expires: str | None
    version_id: str | None
    """Version to read, which is no header; ``None`` for the current one."""


class ListOptions(TypedDict, total=False):
    """Options of listings, and of every request that reads or deletes. ``None`` is the same as no entry."""

    request_payer: str | None
    """``"requester"``: the caller pays instead of the bucket's owner."""
    expected_bucket_owner: str | None
    """Id of an account: the store refuses if another account owns the bucket."""


class DeleteOptions(ListOptions, total=False):
    """Options of a deletion. ``None`` is the same as no entry."""

    version_id: str | None
    """Version that is removed for good; ``None`` for the object itself."""
    if_match: str | None
    """Deletes only if the object has this ETag."""


class ReadOptions(ListOptions, total=False):
    """Options of reads of one object. ``None`` is the same as no entry."""

    version_id: str | None
    """Version to read; ``None`` for the current one."""
    if_match: str | None
    """Reads only if the object has this ETag."""
    sse_customer_key: bytes | None
    """Key of 32 bytes that the object was encrypted with; https only."""


class UploadAttributes(TypedDict, total=False):
    """Attributes of an object besides its bytes, and conditions of its upload. ``None`` is the same as no entry."""

    content_type: str | None
    """Content type; ``None`` guesses it from the key, else takes ``application/octet-stream``."""
    cache_control: str | None
    content_disposition: str | None
    content_encoding: str | None
    """Encoding that the bytes already have, such as ``"gzip"``. aios3 does not encode them."""
    content_language: str | None
    expires: datetime | str | None
    """Value of the header ``Expires`` of the object; it deletes nothing."""
    metadata: Mapping[str, str] | None
    """User metadata; non-ASCII values are sent as RFC 2047 encoded words in UTF-8."""
    tags: Mapping[str, str] | None
    acl: str | None
    """Canned ACL, for example ``"public-read"``."""
    storage_class: str | None
    """Storage class as the store names it, for example ``"STANDARD_IA"``."""
    server_side_encryption: str | None
    """``"AES256"``, ``"aws:kms"`` or ``"aws:kms:dsse"``."""
    sse_kms_key_id: str | None
    """Id or ARN of the KMS key; ``None`` takes the default key of the store."""
    sse_kms_context: Mapping[str, str] | None
    sse_bucket_key: bool | None
    """``True`` lets the store use a key of the bucket instead of a KMS request for each object."""
    sse_customer_key: bytes | None
    """Key of 32 bytes that encrypts the object, and that each read needs; https only. The store does not keep it."""
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None
    """Mode of the lock, which also needs `object_lock_retain_until`."""
    object_lock_retain_until: datetime | None
    """Aware time until which the version cannot be deleted."""
    object_lock_legal_hold: bool | None
    """``True`` locks the version until the hold is removed."""
    website_redirect_location: str | None
    if_none_match: str | None
    """``"*"`` commits only if the key does not exist."""
    if_match: str | None
    """Commits only if the object at the key has this ETag."""
    request_payer: str | None
    """``"requester"``: the caller pays instead of the bucket's owner."""
    expected_bucket_owner: str | None
    """Id of an account: the store refuses if another account owns the bucket."""


class CopyAttributes(UploadAttributes, total=False):
    """Attributes of a copy, and what its source needs. ``None`` is the same as no entry.

    The copy keeps the headers, metadata and tags of its source that are not given. If `metadata` is given, none of the
    source's metadata is kept. The payer, and the conditions, are those of the copy.
    """

    source_version_id: str | None
    """Version to copy; ``None`` for the current one."""
    source_if_match: str | None
    """Copies only if the source has this ETag."""
    source_sse_customer_key: bytes | None
    """Key of 32 bytes that the source was encrypted with; https only."""
    source_expected_bucket_owner: str | None
    """Id of an account: the store refuses if another account owns the bucket of the source."""


Seconds = float | timedelta
