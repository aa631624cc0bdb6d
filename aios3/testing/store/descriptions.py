"""Headers that describe an object, as they are taken from a request."""

from __future__ import annotations

from typing import Final

from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.heads import RequestHead

__all__ = ["CONTENT_HEADERS", "CUSTOMER_KEY", "described"]

CUSTOMER_KEY: Final = "x-amz-server-side-encryption-customer-key-md5"
"""Header with the MD5 of a customer key, which is all that is kept of the key."""


CONTENT_HEADERS: Final = frozenset({
    "content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
})  # fmt: skip
_NOT_DESCRIBING: Final = frozenset({
    "x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-mp-object-size", "x-amz-request-payer",
    "x-amz-expected-bucket-owner", "x-amz-sdk-checksum-algorithm", "x-amz-user-agent", "x-amz-s3session-token",
    "x-amz-metadata-directive", "x-amz-tagging-directive", "x-amz-source-expected-bucket-owner",
    "x-amz-decoded-content-length", "x-amz-trailer",
})  # fmt: skip
_MAX_METADATA: Final = 2048


def described(head: RequestHead) -> dict[str, str]:
    """Return the headers that describe an object, by lower-case name.

    Raises:
        Refusal: the user metadata is over 2 KiB.
    """
    names = dict.fromkeys(name.lower() for name, _ in head.headers)
    chosen = {name: head.header(name) or "" for name in names if name in CONTENT_HEADERS or _is_description(name)}
    chosen |= _without_framing(chosen.pop("content-encoding", ""))
    size = sum(
        len(name.removeprefix("x-amz-meta-")) + len(value)
        for name, value in chosen.items()
        if name.startswith("x-amz-meta-")
    )
    if size > _MAX_METADATA:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise Refusal(400, "MetadataTooLarge", message, Size=size, MaxSizeAllowed=_MAX_METADATA)
    return chosen


def _without_framing(encoding: str) -> dict[str, str]:
    """Return the content encoding that S3 stores: without the framing of the body."""
    stored = [word for word in encoding.split(",") if word.strip() not in {"", "aws-chunked"}]
    return {"content-encoding": ",".join(stored).strip()} if stored else {}


def _is_description(name: str) -> bool:
    if name in _NOT_DESCRIBING or name.startswith(("x-amz-checksum-", "x-amz-copy-source")):
        return False
    # The customer key is a secret, and no store returns it.
    return name.startswith("x-amz-") and name != "x-amz-server-side-encryption-customer-key"
