"""A request as S3 understands it: which operation, on which bucket and key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from .faults import Fault
from .heads import RequestHead

__all__ = ["UNKNOWN_OPERATION", "ReceivedRequest", "understand"]

UNKNOWN_OPERATION: Final = "Unknown"

# (method, what the path names, parameters that choose the operation) -> operation
_OPERATIONS: Final = {
    ("GET", "service", ()): "ListBuckets",
    ("PUT", "bucket", ()): "CreateBucket",
    ("HEAD", "bucket", ()): "HeadBucket",
    ("DELETE", "bucket", ()): "DeleteBucket",
    ("GET", "bucket", ("list-type",)): "ListObjectsV2",
    ("GET", "bucket", ("uploads",)): "ListMultipartUploads",
    ("GET", "bucket", ("session",)): "CreateSession",
    ("PUT", "object", ()): "PutObject",
    ("GET", "object", ()): "GetObject",
    ("HEAD", "object", ()): "HeadObject",
    ("DELETE", "object", ()): "DeleteObject",
    ("POST", "object", ("uploads",)): "CreateMultipartUpload",
    ("PUT", "object", ("partNumber", "uploadId")): "UploadPart",
    ("POST", "object", ("uploadId",)): "CompleteMultipartUpload",
    ("DELETE", "object", ("uploadId",)): "AbortMultipartUpload",
    ("GET", "object", ("uploadId",)): "ListParts",
}

# Parameters that make another operation of the same path, the known ones and those of operations that are not here.
_SUBRESOURCES: Final = frozenset({
    "uploads", "uploadId", "partNumber", "list-type", "acl", "tagging", "policy", "versioning", "versions",
    "versionId", "cors", "lifecycle", "location", "delete", "restore", "select", "torrent", "encryption",
    "website", "notification", "logging", "accelerate", "requestPayment", "object-lock", "legal-hold", "retention",
    "attributes", "replication", "inventory", "metrics", "analytics", "ownershipControls", "publicAccessBlock",
    "session", "renameObject",
})  # fmt: skip
_LOOPBACK: Final = r"localhost|127\.0\.0\.1"


@dataclass(slots=True)
class ReceivedRequest:
    """One request, from its head on; what is not known yet is filled in as it comes."""

    head: RequestHead = field(repr=False)
    request_id: str
    operation: str
    """S3's name, or ``"Unknown"``."""
    bucket: str | None
    key: str | None
    """Exactly as percent-decoded from the raw path; ``None`` for requests to the bucket or the service."""
    body: bytes | None = field(default=None, repr=False)
    """What arrived, once the request is over or whole; ``None`` for object data that is not kept."""
    body_received: int = 0
    """Bytes of the body that were read so far."""
    status: int | None = None
    """The status that was answered, or ``None`` if none was."""
    fault: Fault | None = None
    """The fault that was applied."""

    @property
    def method(self) -> str:
        """The method."""
        return self.head.method

    @property
    def target(self) -> str:
        """The request target as it was on the wire."""
        return self.head.target

    @property
    def path(self) -> str:
        """The path as it was on the wire, percent-encoded."""
        return self.head.path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Decoded pairs in the order of the wire."""
        return list(self.head.query)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """In the order and the case of the wire."""
        return list(self.head.headers)

    @property
    def upload_id(self) -> str | None:
        """The upload that the request is about, or ``None``."""
        return self.head.parameter("uploadId")

    @property
    def part_number(self) -> int | None:
        """The part's number, or ``None`` if there is none or it is not a number."""
        value = self.head.parameter("partNumber")
        return int(value) if value and re.fullmatch(r"[0-9]{1,9}", value) else None

    def header(self, name: str) -> str | None:
        """Return the values of that header joined by a comma, or ``None`` without one."""
        return self.head.header(name)


def understand(head: RequestHead, request_id: str, endpoint: str | None = None) -> ReceivedRequest:
    """Find out what a request wants. Bytes of the path that are not UTF-8 become lone surrogates.

    Buckets may stand before the names of the loopback interface, and before the host of ``endpoint``: a URL in which
    names in braces stand for any label. Its path, if it has one, may stand before the bucket's.
    """
    bucket, key = _split_path(head, endpoint)
    scope = "object" if key is not None else "bucket" if bucket is not None else "service"
    chosen = tuple(sorted({name for name, _ in head.query} & _SUBRESOURCES))
    operation = _OPERATIONS.get((head.method, scope, chosen), UNKNOWN_OPERATION)
    return ReceivedRequest(head, request_id, operation, bucket, key)


@lru_cache
def _known_host(endpoint: str | None) -> re.Pattern[str]:
    # What is outside the braces is literal.
    own = "[a-z0-9-]+".join(map(re.escape, re.split(r"\{[a-z]+\}", urlsplit(endpoint or "").netloc)))
    names = f"{_LOOPBACK}|{own}" if own else _LOOPBACK
    return re.compile(rf"(?:(?P<bucket>.+)\.)?(?:{names})(?::[0-9]+)?", re.IGNORECASE)


def _split_path(head: RequestHead, endpoint: str | None) -> tuple[str | None, str | None]:
    path = unquote_to_bytes(head.path.removeprefix(urlsplit(endpoint or "").path)).decode(errors="surrogateescape")
    host = _known_host(endpoint).fullmatch(head.header("Host") or "")
    if host and host["bucket"]:
        return host["bucket"], path[1:] or None
    bucket, _, key = path[1:].partition("/")
    return bucket or None, key or None
