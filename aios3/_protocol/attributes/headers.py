"""Conversion of upload attributes to the headers of each request of an upload.

The steps: find the given attributes, check that the provider takes them, convert
each to headers, and choose the requests that carry each header.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from aios3._protocol.parts.part_plan import PartPlan
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .encoding import (
    read_context,
    read_customer_key,
    read_etag,
    read_expires,
    read_flag,
    read_legal_hold,
    read_metadata,
    read_retain_until,
    read_tags,
    read_text,
)

__all__ = ["ObjectHeaders", "check_conditions", "possible_commits", "read_attributes"]

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
_COMPRESSED_TYPES: Final = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}

# The first guess reads tables of the operating system from files. Do that at import, not during an upload.
mimetypes.guess_type("")

_HEADERS_BY_ATTRIBUTE: Final[Mapping[str, Callable[[str, object], Mapping[str, str]]]] = {
    "content_type": read_text("content-type"),
    "cache_control": read_text("cache-control"),
    "content_disposition": read_text("content-disposition"),
    "content_encoding": read_text("content-encoding"),
    "content_language": read_text("content-language"),
    "expires": read_expires,
    "metadata": read_metadata,
    "tags": read_tags,
    "acl": read_text("x-amz-acl"),
    "storage_class": read_text("x-amz-storage-class"),
    "server_side_encryption": read_text("x-amz-server-side-encryption"),
    "sse_kms_key_id": read_text("x-amz-server-side-encryption-aws-kms-key-id"),
    "sse_kms_context": read_context,
    "sse_bucket_key": read_flag("x-amz-server-side-encryption-bucket-key-enabled"),
    "sse_customer_key": read_customer_key,
    "object_lock_mode": read_text("x-amz-object-lock-mode"),
    "object_lock_retain_until": read_retain_until,
    "object_lock_legal_hold": read_legal_hold,
    "website_redirect_location": read_text("x-amz-website-redirect-location"),
    "if_none_match": read_etag("if-none-match"),
    "if_match": read_etag("if-match"),
    "request_payer": read_text("x-amz-request-payer"),
    "expected_bucket_owner": read_text("x-amz-expected-bucket-owner"),
}

_ON_EVERY_REQUEST: Final = frozenset({"request_payer", "expected_bucket_owner"})
_ON_PARTS: Final = _ON_EVERY_REQUEST | {"sse_customer_key"}
_CONDITIONS: Final = frozenset({"if_match", "if_none_match"})
_ON_COMMIT: Final = _ON_PARTS | _CONDITIONS
_DESCRIBING: Final = frozenset(_HEADERS_BY_ATTRIBUTE) - _CONDITIONS
_CONDITION_HEADERS: Final = frozenset({"if-match", "if-none-match"})
_LOCK_HEADERS: Final = frozenset({
    "x-amz-object-lock-legal-hold", "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObjectHeaders:
    """Headers of an upload, by request. Fields that may hold a customer key are not shown in ``repr``.

    A PutObject carries ``create | commit``.
    """

    create: Mapping[str, str] = field(repr=False)
    """Headers of CreateMultipartUpload: the whole description of the object."""
    part: Mapping[str, str] = field(repr=False)
    """Headers of UploadPart and HeadObject: the payer, the expected bucket owner, and the customer's own key."""
    commit: Mapping[str, str] = field(repr=False)
    """Headers of CompleteMultipartUpload: the conditions, and those of `part`."""
    every: Mapping[str, str]
    """Headers of requests that touch no data: AbortMultipartUpload, ListParts, ListMultipartUploads."""

    is_locked: bool = field(init=False, repr=False, compare=False)
    """Whether the attributes ask for an object lock. The bucket may lock the object even if they do not."""
    has_conditions: bool = field(init=False, repr=False, compare=False)
    """Whether the commit depends on the object that the key holds."""

    def __post_init__(self) -> None:
        # Once for the headers that many objects share: an upload asks for both several times.
        object.__setattr__(self, "is_locked", not _LOCK_HEADERS.isdisjoint(self.create))
        object.__setattr__(self, "has_conditions", not _CONDITION_HEADERS.isdisjoint(self.commit))


def read_attributes(key: str, attributes: Mapping[str, object], provider: Provider) -> ObjectHeaders:
    """Return the headers for these `aios3.models.UploadAttributes`, which are not changed.

    ``None`` and empty mappings count as absent. A missing content type is guessed from the key.

    Raises:
        TypeError: an attribute is unknown.
        ConfigurationError: the provider does not take an attribute, or its value cannot be sent.
    """
    if not attributes:
        return _of_content_type(_guess_content_type(key))
    by_name = {name: _HEADERS_BY_ATTRIBUTE[name](name, value) for name, value in _given(attributes, provider).items()}
    by_name.setdefault("content_type", {"content-type": _guess_content_type(key)})
    return ObjectHeaders(
        create=_pick(by_name, _DESCRIBING),
        part=_pick(by_name, _ON_PARTS),
        commit=_pick(by_name, _ON_COMMIT),
        every=_pick(by_name, _ON_EVERY_REQUEST),
    )


# Most small objects have no attributes, and one of few content types.
@lru_cache(maxsize=64)
def _of_content_type(content_type: str) -> ObjectHeaders:
    nothing: Mapping[str, str] = MappingProxyType({})
    return ObjectHeaders(MappingProxyType({"content-type": content_type}), nothing, nothing, nothing)


def _given(attributes: Mapping[str, object], provider: Provider) -> dict[str, object]:
    for name in attributes:
        if name not in _HEADERS_BY_ATTRIBUTE:
            raise TypeError(
                f"there is no upload attribute {name!r}; known are: {', '.join(sorted(_HEADERS_BY_ATTRIBUTE))}"
            )
    given = {name: value for name, value in attributes.items() if value is not None and value != {}}
    for name in given:
        if name in provider.refused_attributes:
            raise ConfigurationError(f"provider {provider.name!r} does not take the attribute {name!r}")
    return given


def _pick(by_name: Mapping[str, Mapping[str, str]], names: frozenset[str]) -> dict[str, str]:
    return {header: value for name, headers in by_name.items() if name in names for header, value in headers.items()}


def _guess_content_type(key: str) -> str:
    # Only the last segment, after a slash: mimetypes would parse a key that looks like a URL.
    name = key.rpartition("/")[2]
    if "." not in name:
        return DEFAULT_CONTENT_TYPE
    content_type, encoding = mimetypes.guess_type("/" + name)
    if encoding is not None:
        # "a.html.gz" is HTML only with a Content-Encoding, which is for the caller to set.
        return _COMPRESSED_TYPES.get(encoding, DEFAULT_CONTENT_TYPE)
    return content_type or DEFAULT_CONTENT_TYPE


def possible_commits(plan: PartPlan, size: int | None) -> frozenset[str]:
    """Return the names of the operations that may commit an upload of `size` bytes, ``None`` if unknown."""
    if plan.is_streamed or (size is not None and size <= plan.first_size):
        return frozenset({"PutObject"})
    if size is not None:
        return frozenset({"CompleteMultipartUpload"})
    return frozenset({"PutObject", "CompleteMultipartUpload"})


def check_conditions(headers: ObjectHeaders, provider: Provider, commits: Collection[str]) -> None:
    """Refuse conditions that one of the operations would ignore: the object would be overwritten silently.

    Raises:
        ConfigurationError: there are conditions, and the provider is known to ignore them in one of `commits`.
    """
    if not headers.has_conditions:
        return
    obeys = {"PutObject": provider.conditional_put, "CompleteMultipartUpload": provider.conditional_complete}
    for name in sorted(commits):
        if obeys[name] is False:
            raise ConfigurationError(
                f"{provider.name} ignores if_match and if_none_match at {name}, which may commit this upload"
            )
