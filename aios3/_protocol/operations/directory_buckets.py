"""Directory buckets of S3 Express One Zone, whose names contain their zone.

Source: Amazon S3 user guide, "Directory bucket naming rules".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from aios3._protocol.wire.messages import Request, Response
from aios3._protocol.wire.uri import Endpoint
from aios3._protocol.wire.xml_bodies import Element, read_time, write_create_directory_bucket
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

from .base import build_request, is_success, parse_result, refusal, unusable

__all__ = ["CreateDirectoryBucket", "CreateSession", "folder_of", "zone_of"]


_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?--(?P<zone>[a-z0-9]+(?:-[a-z0-9]+)+)--x-s3", re.ASCII)
_MAX_NAME: Final = 63


def zone_of(bucket: str) -> str:
    """Return the id of the zone that a directory bucket is in, for example ``"use1-az4"``.

    Raises:
        ConfigurationError: the name is not that of a directory bucket.
    """
    found = _NAME.fullmatch(bucket) if len(bucket) <= _MAX_NAME else None
    if found is None:
        raise ConfigurationError(
            f"{bucket!r:.80} is not the name of a directory bucket, which is like 'base-name--use1-az4--x-s3' and has "
            f"up to {_MAX_NAME} characters"
        )
    return found["zone"]


def folder_of(prefix: str) -> str:
    """Return the prefix up to its last slash: the longest prefix that can list a directory bucket."""
    return prefix[: prefix.rfind("/") + 1]


@dataclass(frozen=True, slots=True)
class CreateDirectoryBucket:
    """Create a directory bucket in the zone of its name."""

    name: ClassVar[str] = "CreateBucket"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned.

        Raises:
            ConfigurationError: the name is not that of a directory bucket.
        """
        body = write_create_directory_bucket(zone_of(self.bucket))
        return build_request(self, endpoint, "PUT", headers={"content-type": "application/xml"}, body=(body,))

    def read(self, response: Response) -> None:
        """Return if the bucket was created.

        Raises:
            ResponseError: the store refused; `ConflictError` if the name is taken.
        """
        if not is_success(response):
            raise refusal(self, response)


_NOTHING = Element("")


@dataclass(frozen=True, slots=True)
class CreateSession:
    """Request keys that may read and write in a bucket for some minutes. The ordinary keys sign the request."""

    name: ClassVar[str] = "CreateSession"
    key: ClassVar[None] = None
    upload_id: ClassVar[None] = None
    part_number: ClassVar[None] = None

    bucket: str

    def build(self, endpoint: Endpoint) -> Request:
        """Return the request, unsigned."""
        headers = {"x-amz-create-session-mode": "ReadWrite"}
        return build_request(self, endpoint, "GET", query=(("session", ""),), headers=headers)

    def read(self, response: Response) -> Credentials:
        """Return the session's keys, which expire by the store's clock.

        Raises:
            ResponseError: the store refused, or the response lacks a key, the token or the expiry.
        """
        document = parse_result(self, response, "CreateSessionResult", "CreateSessionOutput")
        given = document.child("Credentials") or _NOTHING
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        key_id, secret, token = ((given.text(name) or "").strip() for name in names)
        expires_at = read_time(given.text("Expiration"))
        if not token or expires_at is None:
            raise unusable(self, response, "the store opened a session without saying its token, or when it ends")
        try:
            return Credentials(key_id, secret, token, expires_at)
        except ConfigurationError:
            raise unusable(self, response, "the store opened a session whose keys cannot be used") from None
