"""Refusal of requests that a provider is known not to take, so a test sees when the library sends one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from aios3.providers import Provider
from aios3.testing.store.state import Store
from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.bodies import CHECKSUM_PREFIX
from aios3.testing.wire.received import ReceivedRequest

__all__ = ["ATTRIBUTE_HEADERS", "checked_region", "refuse_plain_http", "refuse_what_is_not_taken"]

ATTRIBUTE_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cache_control": "cache-control",
        "content_disposition": "content-disposition",
        "content_encoding": "content-encoding",
        "content_language": "content-language",
        "expires": "expires",
        "metadata": "x-amz-meta-*",
        "tags": "x-amz-tagging",
        "acl": "x-amz-acl",
        "storage_class": "x-amz-storage-class",
        "server_side_encryption": "x-amz-server-side-encryption",
        "sse_kms_key_id": "x-amz-server-side-encryption-aws-kms-key-id",
        "sse_kms_context": "x-amz-server-side-encryption-context",
        "sse_bucket_key": "x-amz-server-side-encryption-bucket-key-enabled",
        "sse_customer_key": "x-amz-server-side-encryption-customer-*",
        "object_lock_mode": "x-amz-object-lock-mode",
        "object_lock_retain_until": "x-amz-object-lock-retain-until-date",
        "object_lock_legal_hold": "x-amz-object-lock-legal-hold",
        "website_redirect_location": "x-amz-website-redirect-location",
        "if_none_match": "if-none-match",
        "if_match": "if-match",
        "request_payer": "x-amz-request-payer",
        "expected_bucket_owner": "x-amz-expected-bucket-owner",
    }
)
"""Header of each upload attribute. A star stands for any end. Every object has a content type, so it is left out."""

_WRITES: Final = frozenset({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
_CONDITIONS: Final = ("if-match", "if-none-match")
_SETTINGS: Final = frozenset({"algorithm", "type", "mode"})
_KINDS: Final = {"FULL_OBJECT": "full_object_checksums", "COMPOSITE": "composite_checksums"}


def checked_region(store: Store) -> str | None:
    """Return the region that a signature must name, or ``None`` if the store takes any."""
    provider = store.provider
    return None if provider.default_region == "auto" or provider.checks_region is False else store.region


def refuse_plain_http(provider: Provider, *, is_tls: bool) -> None:
    """Refuse plain http if the provider does.

    Raises:
        Refusal: the request came without TLS, and the provider takes https only.
    """
    if provider.https_only and not is_tls:
        raise Refusal(400, "InvalidRequest", "This store is reached by https only.")


def refuse_what_is_not_taken(store: Store, request: ReceivedRequest, size: int) -> None:
    """Refuse attributes, conditions, checksums and sizes that the provider is known not to take.

    If it is unknown whether the provider takes something, the server takes it.

    Args:
        store: state with the provider and the open uploads.
        request: the received request.
        size: bytes of its body.

    Raises:
        Refusal: the request has something that the provider does not take.
    """
    names = {name.lower() for name, _ in request.headers}
    for name in _refused_headers(store.provider, request.operation, names):
        message = "A header you provided implies functionality that is not implemented"
        raise Refusal(501, "NotImplemented", message, Header=name)
    _check_checksums(store.provider, request)
    _check_object_size(store, request, size)


def _refused_headers(provider: Provider, operation: str, names: set[str]) -> Iterator[str]:
    for attribute in sorted(provider.refused_attributes & ATTRIBUTE_HEADERS.keys()):
        header = ATTRIBUTE_HEADERS[attribute]
        if header not in _CONDITIONS or operation in _WRITES:  # reads have conditions of their own
            yield from (name for name in names if _is_meant(header, name))
    takes_conditions = {"PutObject": provider.conditional_put, "CompleteMultipartUpload": provider.conditional_complete}
    if takes_conditions.get(operation) is False:
        yield from names.intersection(_CONDITIONS)
    if provider.content_md5 is False:
        yield from names & {"content-md5"}


def _is_meant(header: str, name: str) -> bool:
    return name.startswith(header[:-1]) if header.endswith("*") else name == header


def _check_checksums(provider: Provider, request: ReceivedRequest) -> None:
    if _is_known(provider, "checksums"):
        for named in _named_algorithms(request):
            if named not in provider.checksums:
                raise Refusal(400, "InvalidRequest", f"The checksum algorithm {named} is not supported here.")
    kind, algorithm = request.header(CHECKSUM_PREFIX + "type"), request.header(CHECKSUM_PREFIX + "algorithm")
    field = _KINDS.get(kind or "")
    if field and algorithm and _is_known(provider, field) and algorithm.lower() not in getattr(provider, field):
        raise Refusal(400, "InvalidRequest", f"The {kind} checksum type cannot be used with {algorithm} here.")


def _is_known(provider: Provider, field: str) -> bool:
    return bool(getattr(provider, field)) or field in provider.sources


def _named_algorithms(request: ReceivedRequest) -> Iterator[str]:
    for name, value in request.headers:
        lowered = name.lower()
        if lowered in {CHECKSUM_PREFIX + "algorithm", "x-amz-sdk-checksum-algorithm"}:
            yield value.lower()
        elif lowered.startswith(CHECKSUM_PREFIX) and lowered.removeprefix(CHECKSUM_PREFIX) not in _SETTINGS:
            yield lowered.removeprefix(CHECKSUM_PREFIX)


def _check_object_size(store: Store, request: ReceivedRequest, size: int) -> None:
    most = store.provider.max_object_size
    if request.operation == "CompleteMultipartUpload":
        upload = store.uploads.get(request.upload_id or "")
        size = sum(part.size for part in upload.parts.values()) if upload else 0
    if most is not None and request.operation in _WRITES and size > most:
        message = "Your proposed upload exceeds the maximum allowed size"
        raise Refusal(400, "EntityTooLarge", message, ProposedSize=size, MaxSizeAllowed=most)
