"""Credentials as a value, and the protocol for one's own source of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from aios3.errors import ConfigurationError

__all__ = ["ANONYMOUS", "Anonymous", "Credentials", "CredentialsProvider", "RefreshableCredentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of S3 keys. The secrets do not show in ``repr``.

    Raises:
        ConfigurationError: a key is empty or holds a line break or another control character.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    """The token of temporary credentials, or ``None`` for long-lived ones."""
    expires_at: datetime | None = None
    """When the store stops accepting them (aware, any zone), or ``None`` if they last."""

    def __post_init__(self) -> None:
        if not self.access_key_id or not self.secret_access_key:
            raise ConfigurationError("credentials need both an access key id and a secret access key")
        values = (self.access_key_id, self.secret_access_key, self.session_token or "")
        if any(not value.isprintable() for value in values):
            raise ConfigurationError("credentials hold a line break or another control character")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise ConfigurationError("expires_at needs a time zone")


@runtime_checkable
class CredentialsProvider(Protocol):
    """Whatever can say, at any moment, which credentials to sign with."""

    async def get_credentials(self) -> Credentials:
        """Return credentials that are valid now; called before every request, so cache inside."""
        ...  # pragma: no cover - a protocol has no body


@runtime_checkable
class RefreshableCredentials(CredentialsProvider, Protocol):
    """A source that keeps what it got, and can be told that the store does not take it any more."""

    def invalidate(self, credentials: Credentials) -> None:
        """Never return `credentials` again: the next `get_credentials` gets fresh ones."""
        ...  # pragma: no cover - a protocol has no body


class Anonymous:
    """Type of `ANONYMOUS`, the only instance that drivers accept; for annotations."""

    def __repr__(self) -> str:
        return "ANONYMOUS"

    def __reduce__(self) -> str:
        return "ANONYMOUS"  # a copy or an unpickled value is the constant itself


ANONYMOUS: Final = Anonymous()
"""Value of ``credentials=`` with which a driver sends every request unsigned, for public buckets."""
