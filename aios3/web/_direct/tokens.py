"""Authenticated tokens: values that a client holds and cannot change, make, or use as another owner."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from aios3.errors import ConfigurationError

__all__ = ["TokenSealer"]

_LEAST_SECRET: Final = 16
_MOST_TOKEN: Final = 16 * 1024
"""Characters of a token; longer ones are refused unread."""
_LABEL: Final = b"aios3.web tokens 1"


class TokenSealer:
    """Seals values into tokens by HMAC-SHA256. The values are readable to the client, but cannot be changed."""

    def __init__(self, secret: bytes | str | None) -> None:
        """Derive the key of the tokens, so that `secret` may be the secret of other things too.

        Raises:
            ConfigurationError: `secret` has less than 16 bytes. ``None`` takes random bytes, good for this process.
        """
        if secret is None:
            secret = secrets.token_bytes(32)
        known = secret.encode() if isinstance(secret, str) else bytes(secret)
        if len(known) < _LEAST_SECRET:
            raise ConfigurationError(f"secret must have at least {_LEAST_SECRET} bytes")
        self._key = hmac.digest(known, _LABEL, hashlib.sha256)

    def seal(self, value: Mapping[str, Any], *context: str | None) -> str:
        """Return a token for a value that JSON can hold. It opens only with the same context, which it hides."""
        payload = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return f"{_encode(payload)}.{_encode(self._mac(payload, context))}"

    def open(self, token: str, *context: str | None) -> dict[str, Any] | None:
        """Return the value of a token; ``None`` if the token is not of this secret, or of another context."""
        if len(token) > _MOST_TOKEN or not token.isascii():
            return None
        payload, _, mac = token.partition(".")
        try:
            content, known = _decode(payload), _decode(mac)
        except binascii.Error:
            return None
        if not hmac.compare_digest(known, self._mac(content, context)):
            return None
        value: dict[str, Any] = json.loads(content)
        return value

    def _mac(self, payload: bytes, context: tuple[str | None, ...]) -> bytes:
        # JSON keeps the borders of the context's values apart
        return hmac.digest(self._key, json.dumps(context).encode() + b"\n" + payload, hashlib.sha256)

    def __repr__(self) -> str:
        return "TokenSealer()"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
