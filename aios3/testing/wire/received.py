"""Received request, with the S3 operation, bucket and key that its head names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from .faults import Fault
from .heads import RequestHead

__all__ = ["PREFLIGHT", "UNKNOWN_OPERATION", "ReceivedRequest", "understand"]

UNKNOWN_OPERATION: Final = "Unknown"
PREFLIGHT: Final = "Preflight"
"""Question of a browser, whatever the request is that it asks about."""

# (method, what the path names, parameters that choose the operation) -> operation
_OPERATIONS: Final = {
    ("GET", "service", ()): "ListBuckets",
    ("PUT", "bucket", ()): "CreateBucket",
    ("HEAD", "bucket", ()): "HeadBucket",
    ("DELETE", "bucket", ()): "DeleteBucket",
    ("GET", "bucket", ()): "ListObjects",
    ("GET", "bucket", ("list-type",)): "ListObjectsV2",
    ("GET", "bucket", ("location",)): "GetBucketLocation",
    ("GET", "bucket", ("versioning",)): "GetBucketVersioning",
    ("PUT", "bucket", ("versioning",)): "PutBucketVersioning",
    ("GET", "bucket", ("lifecycle",)): "GetBucketLifecycleConfiguration",
    ("PUT", "bucket", ("lifecycle",)): "PutBucketLifecycleConfiguration",
    ("DELETE", "bucket", ("lifecycle",)): "DeleteBucketLifecycle",
    ("GET", "bucket", ("uploads",)): "ListMultipartUploads",
    ("GET", "bucket", ("versions",)): "ListObjectVersions",
    ("GET", "bucket", ("acl",)): "GetBucketAcl",
    ("PUT", "bucket", ("acl",)): "PutBucketAcl",
    ("GET", "bucket", ("accelerate",)): "GetBucketAccelerateConfiguration",
    ("GET", "bucket", ("cors",)): "GetBucketCors",
    ("GET", "bucket", ("encryption",)): "GetBucketEncryption",
    ("GET", "bucket", ("logging",)): "GetBucketLogging",
    ("GET", "bucket", ("notification",)): "GetBucketNotificationConfiguration",
    ("GET", "bucket", ("object-lock",)): "GetObjectLockConfiguration",
    ("GET", "bucket", ("ownershipControls",)): "GetBucketOwnershipControls",
    ("GET", "bucket", ("policy",)): "GetBucketPolicy",
    ("GET", "bucket", ("policyStatus",)): "GetBucketPolicyStatus",
    ("GET", "bucket", ("publicAccessBlock",)): "GetPublicAccessBlock",
    ("GET", "bucket", ("replication",)): "GetBucketReplication",
    ("GET", "bucket", ("requestPayment",)): "GetBucketRequestPayment",
    ("GET", "bucket", ("tagging",)): "GetBucketTagging",
    ("GET", "bucket", ("website",)): "GetBucketWebsite",
    ("POST", "bucket", ("delete",)): "DeleteObjects",
    ("GET", "bucket", ("session",)): "CreateSession",
    ("PUT", "object", ()): "PutObject",
    ("GET", "object", ()): "GetObject",
    ("HEAD", "object", ()): "HeadObject",
    ("DELETE", "object", ()): "DeleteObject",
    ("GET", "object", ("partNumber",)): "GetObject",
    ("HEAD", "object", ("partNumber",)): "HeadObject",
    ("GET", "object", ("attributes",)): "GetObjectAttributes",
    ("GET", "object", ("attributes", "versionId")): "GetObjectAttributes",
    ("GET", "object", ("acl",)): "GetObjectAcl",
    ("GET", "object", ("acl", "versionId")): "GetObjectAcl",
    ("PUT", "object", ("acl",)): "PutObjectAcl",
    ("PUT", "object", ("acl", "versionId")): "PutObjectAcl",
    ("PUT", "object", ("tagging",)): "PutObjectTagging",
    ("PUT", "object", ("tagging", "versionId")): "PutObjectTagging",
    ("DELETE", "object", ("tagging",)): "DeleteObjectTagging",
    ("DELETE", "object", ("tagging", "versionId")): "DeleteObjectTagging",
    ("GET", "object", ("tagging",)): "GetObjectTagging",
    ("GET", "object", ("tagging", "versionId")): "GetObjectTagging",
    ("GET", "object", ("versionId",)): "GetObject",
    ("GET", "object", ("partNumber", "versionId")): "GetObject",
    ("HEAD", "object", ("versionId",)): "HeadObject",
    ("HEAD", "object", ("partNumber", "versionId")): "HeadObject",
    ("DELETE", "object", ("versionId",)): "DeleteObject",
    ("POST", "object", ("uploads",)): "CreateMultipartUpload",
    ("PUT", "object", ("partNumber", "uploadId")): "UploadPart",
    ("POST", "object", ("uploadId",)): "CompleteMultipartUpload",
    ("DELETE", "object", ("uploadId",)): "AbortMultipartUpload",
    ("GET", "object", ("uploadId",)): "ListParts",
}

_COPIES: Final = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
"""Operations with a copy source instead of a body."""

# Parameters that choose another operation on the same path, including operations that the server lacks.
_SUBRESOURCES: Final = frozenset({
    "uploads", "uploadId", "partNumber", "list-type", "acl", "tagging", "policy", "versioning", "versions",
    "versionId", "cors", "lifecycle", "location", "delete", "restore", "select", "torrent", "encryption",
    "website", "notification", "logging", "accelerate", "requestPayment", "object-lock", "legal-hold", "retention",
    "attributes", "replication", "inventory", "metrics", "analytics", "ownershipControls", "publicAccessBlock",
    "session", "renameObject", "policyStatus", "intelligent-tiering", "metadataConfiguration", "metadataTable",
    "abac",
})  # fmt: skip
_LOOPBACK: Final = r"localhost|127\.0\.0\.1"


@dataclass(slots=True)
class ReceivedRequest:
    """Request of a client. Its fields are filled while it is received and processed."""

    head: RequestHead = field(repr=False)
    request_id: str
    """Id that the server gives to the request."""
    operation: str
    """S3's name of the operation, ``"Preflight"`` for any OPTIONS, or ``"Unknown"``."""
    bucket: str | None
    """Bucket; ``None`` for requests to the service."""
    key: str | None
    """Key, percent-decoded from the raw path; ``None`` for requests to the bucket or the service."""
    body: bytes | None = field(default=None, repr=False)
    """Received body, once it is complete or the request has ended; ``None`` for object data that is not kept."""
    body_received: int = 0
    """Number of bytes of the body that were read so far."""
    status: int | None = None
    """Status of the response, or ``None`` without one."""
    fault: Fault | None = None
    """Fault that hit the request, or ``None``."""

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.head.method

    @property
    def target(self) -> str:
        """Request target as it was on the wire."""
        return self.head.target

    @property
    def path(self) -> str:
        """Path as it was on the wire, percent-encoded."""
        return self.head.path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Decoded parameters in the order of the wire."""
        return list(self.head.query)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Headers in the order and the case of the wire."""
        return list(self.head.headers)

    @property
    def upload_id(self) -> str | None:
        """Upload id of the request, or ``None``."""
        return self.head.parameter("uploadId")

    @property
    def part_number(self) -> int | None:
        """Part number of the request, or ``None`` if it has none or the value is not a number."""
        value = self.head.parameter("partNumber")
        return int(value) if value and re.fullmatch(r"[0-9]{1,9}", value) else None

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for ``100 Continue`` before it sends the body."""
        return (self.header("Expect") or "").lower() == "100-continue"

    def header(self, name: str) -> str | None:
        """Return the values of a header joined by a comma, or ``None`` without one."""
        return self.head.header(name)


def understand(head: RequestHead, request_id: str, endpoint: str | None = None) -> ReceivedRequest:
    """Read operation, bucket and key from a request head. Bytes of the path that are not UTF-8 become lone surrogates.

    Buckets may stand before the names of the loopback interface, and before the host of ``endpoint``. That is a URL in
    which a name in braces stands for any label. If the URL has a path, that path may stand before the bucket's.
    """
    bucket, key = _split_path(head, endpoint)
    scope = "object" if key is not None else "bucket" if bucket is not None else "service"
    chosen = tuple(sorted({name for name, _ in head.query} & _SUBRESOURCES))
    operation = _OPERATIONS.get((head.method, scope, chosen), UNKNOWN_OPERATION)
    if head.method == "OPTIONS":
        operation = PREFLIGHT
    if head.header("x-amz-copy-source") is not None:
        operation = _COPIES.get(operation, UNKNOWN_OPERATION)
    return ReceivedRequest(head, request_id, operation, bucket, key)


@lru_cache
def _known_host(endpoint: str | None) -> re.Pattern[str]:
    # Only a name in braces is a pattern.
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
