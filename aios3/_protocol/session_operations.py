"""The operation that opens a session: temporary keys for one directory bucket of S3 Express One Zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aios3._protocol.messages import Request, Response
from aios3._protocol.operation import build_request, parse_result, unusable
from aios3._protocol.uri import Endpoint
from aios3._protocol.xml_bodies import Element, read_time
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["CreateSession"]

_NOTHING = Element("")


@dataclass(frozen=True, slots=True)
class CreateSession:
    """Ask for keys that may read and write in a bucket for some minutes; signed with the ordinary keys."""

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
        """Return the session's keys; they end by the store's clock.

        Raises:
            ResponseError: the store refused, or the answer lacks a key, the token or the end.
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
