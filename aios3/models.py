"""What the library hands out, and the attributes an upload may carry: frozen values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NoReturn, TypedDict, TypeVar

__all__ = [
    "Container",
    "FrozenDict",
    "PendingUpload",
    "ResponseOverrides",
    "StorageObject",
    "UploadAttributes",
    "UploadProgress",
    "UploadReceipt",
    "UploadedPart",
    "Verification",
]


K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that cannot be changed. Unlike a mapping proxy it can be pickled, copied and written as JSON."""

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
    """One part as the store acknowledged it."""

    number: int
    """1 for the first part."""
    size: int
    """Bytes."""
    etag: str
    """As the store sent it, without the quotes."""
    checksum: str | None = None
    """Base64 of the checksum that was sent with the part, or ``None`` if none was."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What shows that the store holds the bytes of the source: what it was given to compare, and what came back.

    The first two are the store's to heed: one that compares refuses what differs, and the upload then raises. The last
    two were seen here; ``False`` means that it could not be seen, never that something differed. TLS is not counted.
    The default claims nothing.
    """

    bodies: frozenset[str] = frozenset()
    """What came with every body: ``"signature"`` (its SHA-256, signed), ``"content-md5"``, and the name of a checksum,
    such as ``"crc32"``."""
    whole: Literal["full-object", "composite", "size"] | None = None
    """What the commit was to match: ``"full-object"``, a digest of all bytes (of a PutObject: any of `bodies`);
    ``"composite"``, the checksums of all parts; ``"size"``, the number of bytes; ``None``: of a multipart upload the
    list of its parts, of a PutObject without a length nothing."""
    is_checksum_confirmed: bool = False
    """The checksum that the store reports of the object is that of the bytes sent."""
    is_etag_confirmed: bool = False
    """The final ETag is the MD5 of the bytes sent, or, of a multipart upload, the one that S3 makes of its parts'
    ETags: the object is those parts, in that order."""


@dataclass(frozen=True, slots=True)
class UploadReceipt:
    """What was committed, and how it went."""

    bucket: str
    key: str
    size: int
    """Bytes."""
    etag: str
    """The ETag that HEAD reports, without the quotes."""
    version_id: str | None
    """The version made, or ``None`` where the bucket keeps no versions."""
    upload_id: str | None
    """The multipart upload, or ``None`` for a single PutObject."""
    parts: tuple[UploadedPart, ...]
    """In order; empty for a single PutObject."""
    checksum: str | None
    """The object's checksum as the store reported it, or ``None`` if it reported none. Where one was sent with the
    parts it was compared with ours: a store that reports another one has raised `IntegrityError`."""
    request_id: str | None
    """The store's id of the request that committed."""
    retries: int
    """Attempts beyond the first, over all requests of this upload."""
    elapsed: float
    """Seconds from the first byte asked of the source to the commit."""
    verification: Verification = field(default=Verification(), compare=False)
    """What was compared, and by whom."""


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """A snapshot of a running upload."""

    bytes_read: int
    """Taken from the source so far."""
    bytes_stored: int
    """Acknowledged by the store: never goes down, never counts a retry twice, ends equal to the size."""
    bytes_total: int | None
    """The declared size, or ``None`` if it is unknown."""
    parts_stored: int
    """Parts acknowledged; stays 0 for a single PutObject."""
    bytes_durable: int = field(default=0, compare=False)
    """Of `bytes_stored`, those without a gap before them, from the first byte on: what the source need not give again
    if the upload goes on from a checkpoint. Never goes down."""


@dataclass(frozen=True, slots=True)
class Container:
    """A bucket."""

    name: str
    created_at: datetime | None = None
    """Aware, UTC; ``None`` where the answer does not say (HEAD does not)."""


@dataclass(frozen=True, slots=True)
class StorageObject:
    """An object as HEAD or a listing describes it."""

    bucket: str
    key: str
    size: int
    """Bytes."""
    etag: str
    """Without the quotes."""
    last_modified: datetime | None = None
    """Aware, UTC."""
    content_type: str | None = None
    """``None`` in listings, which do not carry it."""
    metadata: Mapping[str, str] = _NO_METADATA
    """User metadata by lower-case name; empty in listings."""
    version_id: str | None = None
    storage_class: str | None = None
    checksum: str | None = None
    """An additional checksum of it, base64, where the store reports one."""

    def __post_init__(self) -> None:
        if not isinstance(self.metadata, FrozenDict):
            object.__setattr__(self, "metadata", FrozenDict(self.metadata))


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that was begun and neither completed nor aborted; its parts are billed."""

    bucket: str
    key: str
    upload_id: str
    initiated_at: datetime | None
    """Aware, UTC; ``None`` where the store does not say."""


class ResponseOverrides(TypedDict, total=False):
    """Headers that the store shall answer with instead of the object's own. ``None`` is the same as leaving it out."""

    response_content_type: str | None
    response_content_disposition: str | None
    """For example ``'attachment; filename="cat.mp4"'``, so that a browser saves the object under that name."""
    response_content_encoding: str | None
    response_content_language: str | None
    response_cache_control: str | None
    response_expires: str | None


class UploadAttributes(TypedDict, total=False):
    """What an object may carry besides its bytes. ``None`` is the same as leaving it out."""

    content_type: str | None
    """``None`` guesses from the key, else ``application/octet-stream``."""
    cache_control: str | None
    content_disposition: str | None
    content_encoding: str | None
    content_language: str | None
    expires: datetime | str | None
    metadata: Mapping[str, str] | None
    """User metadata; non-ASCII values travel as RFC 2047 encoded words in UTF-8."""
    tags: Mapping[str, str] | None
    acl: str | None
    storage_class: str | None
    server_side_encryption: str | None
    """``"AES256"``, ``"aws:kms"`` or ``"aws:kms:dsse"``."""
    sse_kms_key_id: str | None
    sse_kms_context: Mapping[str, str] | None
    sse_bucket_key: bool | None
    sse_customer_key: bytes | None
    """32 bytes; https only."""
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None
    object_lock_retain_until: datetime | None
    object_lock_legal_hold: bool | None
    website_redirect_location: str | None
    if_none_match: str | None
    """``"*"`` commits only if the key does not exist."""
    if_match: str | None
    """Commits only if the key's ETag is this one."""
    request_payer: str | None
    """``"requester"``."""
    expected_bucket_owner: str | None


Seconds = float | timedelta
