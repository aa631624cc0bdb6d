"""Settings of buckets that no request can change here: a reader gets what S3 sends for a bucket without them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aios3.testing.wire.answers import Answer, Refusal, xml_response
from aios3.testing.wire.bodies import Body
from aios3.testing.wire.documents import leaf, write_document
from aios3.testing.wire.received import ReceivedRequest

from .state import Store

__all__ = ["UNSET_SETTINGS", "get_unset_setting"]

_NO_POLICY: Final = ("NoSuchBucketPolicy", "The bucket policy does not exist")

_MISSING: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "GetBucketPolicy": _NO_POLICY,
        "GetBucketPolicyStatus": _NO_POLICY,
        "GetBucketCors": ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        "GetBucketTagging": ("NoSuchTagSet", "The TagSet does not exist"),
        "GetBucketWebsite": (
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
        "GetBucketEncryption": (
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        ),
        "GetBucketReplication": (
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ),
        "GetObjectLockConfiguration": (
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        "GetBucketOwnershipControls": (
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
        ),
        "GetPublicAccessBlock": (
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        ),
    }
)
"""Error code and message, by operation."""

_EMPTY: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "GetBucketAccelerateConfiguration": ("AccelerateConfiguration",),
        "GetBucketLogging": ("BucketLoggingStatus",),
        "GetBucketNotificationConfiguration": ("NotificationConfiguration",),
        "GetBucketRequestPayment": ("RequestPaymentConfiguration", leaf("Payer", "BucketOwner")),
    }
)
"""Name and content of the document, by operation."""

UNSET_SETTINGS: Final = (*_MISSING, *_EMPTY)
"""Operations that `get_unset_setting` performs."""


def get_unset_setting(store: Store, request: ReceivedRequest, body: Body) -> Answer:
    """Return the document of a setting that was never set, or refuse because S3 has none."""
    bucket = store.require_bucket(request)
    if request.operation in _EMPTY:
        return xml_response(write_document(*_EMPTY[request.operation]))
    code, message = _MISSING[request.operation]
    raise Refusal(404, code, message, BucketName=bucket)
