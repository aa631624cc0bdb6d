"""How S3-compatible stores differ, as data.

A difference in a number or a yes/no is a field of `Provider`; a user's own
store is a `Provider` of their own, or ``dataclasses.replace`` of a known one.
A field of which nothing is known holds the careful value.

Sources: the vendors' documentation as read in November 2026; for moto, rclone
and Swift also what the servers did in this project's own conformance tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from aios3.errors import ConfigurationError
from aios3.options import GIB, MIB

__all__ = ["PROVIDERS", "Provider", "find_provider"]


@dataclass(frozen=True, slots=True)
class Provider:
    """What one kind of store takes and how it is reached. All sizes are bytes."""

    name: str
    endpoint: str | None = None
    """URL pattern with ``{region}``, or ``None`` where only the caller can know the host."""
    default_region: str = "us-east-1"
    """The region to sign for when the caller names none."""
    addressing: Literal["virtual", "path"] = "path"
    """``"virtual"`` puts the bucket into the host name. Buckets with dots, IP addresses and localhost are always
    addressed by path."""
    min_part_size: int = 5 * MIB
    """Least size of a part that is not the last."""
    max_part_size: int = 5 * GIB
    max_parts: int = 10_000
    equal_parts: bool = False
    """All parts but the last must have one size, so parts cannot grow."""
    needs_location: bool = False
    """CreateBucket must name the region in its body, unless it is `default_region`."""
    complete_etag_is_final: bool = False
    """CompleteMultipartUpload answers with the ETag that HEAD will report. Otherwise the receipt looks it up, which
    costs one HEAD per multipart upload."""
    signs_payload_over_tls: bool = False
    """UNSIGNED-PAYLOAD is not taken over https either."""
    checksums: frozenset[str] = frozenset()
    """Additional checksum headers that are known to be taken."""
    refused_attributes: frozenset[str] = frozenset()
    """Upload attributes that the store refuses or silently ignores; asking for one is a `ConfigurationError`."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_part_size <= self.max_part_size:
            raise ConfigurationError("min_part_size must be positive and not above max_part_size")
        if self.max_parts < 1:
            raise ConfigurationError("max_parts must be at least 1")


_ALL_CHECKSUMS: Final = frozenset({"crc32", "sha1", "sha256"})

_TABLE: Final = (
    Provider("generic"),
    Provider(
        "aws",
        endpoint="https://s3.{region}.amazonaws.com",
        addressing="virtual",
        needs_location=True,
        complete_etag_is_final=True,
        checksums=_ALL_CHECKSUMS,
    ),
    # XML API with HMAC keys; no preconditions on multipart requests, own names for locks.
    Provider(
        "google",
        endpoint="https://storage.googleapis.com",
        default_region="auto",
        complete_etag_is_final=True,
        refused_attributes=frozenset(
            {
                "if_match",
                "if_none_match",
                "object_lock_mode",
                "object_lock_retain_until",
                "object_lock_legal_hold",
                "tags",
            }
        ),
    ),
    # Complete answers InvalidPart (10048) unless all parts but the last have one size; 5 MiB below 5 GiB at most.
    Provider(
        "cloudflare",
        default_region="auto",
        max_part_size=5 * GIB - 5 * MIB,
        equal_parts=True,
        complete_etag_is_final=True,
        refused_attributes=frozenset(
            {
                "acl",
                "tags",
                "server_side_encryption",
                "sse_kms_key_id",
                "sse_kms_context",
                "sse_bucket_key",
                "object_lock_mode",
                "object_lock_retain_until",
                "object_lock_legal_hold",
                "request_payer",
                "expected_bucket_owner",
                "website_redirect_location",
            }
        ),
    ),
    Provider("minio", complete_etag_is_final=True, checksums=_ALL_CHECKSUMS),
    Provider("moto", complete_etag_is_final=True),
    # Complete's ETag has the multipart form, HEAD's is the MD5 of the whole; If-None-Match is ignored on Complete.
    Provider("rclone", refused_attributes=frozenset({"if_match", "if_none_match"})),
    # max_upload_part_num is 1,000 unless the operator raised it.
    Provider("swift", max_parts=1_000, complete_etag_is_final=True, checksums=_ALL_CHECKSUMS),
)

PROVIDERS: Final = MappingProxyType({provider.name: provider for provider in _TABLE})
"""Every provider known by name."""


def find_provider(provider: Provider | str) -> Provider:
    """Return the provider of that name, or the record itself.

    Raises:
        ConfigurationError: the name is unknown.
    """
    if isinstance(provider, Provider):
        return provider
    try:
        return PROVIDERS[provider]
    except KeyError:
        known = ", ".join(sorted(PROVIDERS))
        raise ConfigurationError(f"unknown provider {provider!r}; known are: {known}") from None
