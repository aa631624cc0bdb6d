"""Headers that describe an object, as they are taken from a request."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from aios3.testing.wire.answers import Refusal
from aios3.testing.wire.heads import RequestHead

__all__ = ["CONTENT_HEADERS", "CUSTOMER_KEY", "check_tags", "described"]

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
_MAX_TAGS: Final = 10
_MAX_TAG_KEY: Final = 128
_MAX_TAG_VALUE: Final = 256


def described(head: RequestHead) -> dict[str, str]:
    """Return the headers that describe an object, by lower-case name.

    Raises:
        Refusal: the user metadata is over 2 KiB, or S3 does not take the tags.
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
    _check_tag_header(chosen.get("x-amz-tagging", ""))
    return chosen


def _check_tag_header(value: str) -> None:
    tags = parse_qsl(value, keep_blank_values=True)
    if len(dict(tags)) < len(tags):
        message = (
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates."
        )
        raise Refusal(400, "InvalidArgument", message, ArgumentName="x-amz-tagging", ArgumentValue=value)
    check_tags(tags)


def check_tags(tags: list[tuple[str, str]]) -> None:
    """Check the number and the lengths of tags.

    Raises:
        Refusal: S3 does not take these tags.
    """
    if len(tags) > _MAX_TAGS:
        raise Refusal(400, "BadRequest", f"Object tags cannot be greater than {_MAX_TAGS}")
    for key, value in tags:
        if not 1 <= len(key) <= _MAX_TAG_KEY:
            raise Refusal(400, "InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > _MAX_TAG_VALUE:
            raise Refusal(400, "InvalidTag", "The TagValue you have provided is invalid", TagKey=key, TagValue=value)


def _without_framing(encoding: str) -> dict[str, str]:
    """Return the content encoding that S3 stores: without the framing of the body."""
    stored = [word for word in encoding.split(",") if word.strip() not in {"", "aws-chunked"}]
    return {"content-encoding": ",".join(stored).strip()} if stored else {}


def _is_description(name: str) -> bool:
    if name in _NOT_DESCRIBING or name.startswith(("x-amz-checksum-", "x-amz-copy-source")):
        return False
    # The customer key is a secret, and no store returns it.
    return name.startswith("x-amz-") and name != "x-amz-server-side-encryption-customer-key"
