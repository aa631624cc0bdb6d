"""Credentials as a value, and the protocols of credentials providers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from aios3.errors import ConfigurationError

__all__ = ["ANONYMOUS", "Anonymous", "Credentials", "CredentialsProvider", "RefreshableCredentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """One set of S3 keys. ``repr`` hides the secrets.

    Raises:
        ConfigurationError: a key is empty or holds a line break or another control character.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    """Token of temporary credentials; ``None`` for long-lived credentials."""
    expires_at: datetime | None = None
    """Aware time in any zone from which the store refuses the credentials; ``None`` if they do not expire."""

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
    """Source of the credentials that sign requests."""

    async def get_credentials(self) -> Credentials:
        """Return credentials that are valid now. The call comes before every request, so cache them."""


@runtime_checkable
class RefreshableCredentials(CredentialsProvider, Protocol):
    """Credentials provider with a cache, from which a driver can remove credentials that the store refuses."""

    def invalidate(self, credentials: Credentials) -> None:
        """Never return `credentials` again. The next `get_credentials` gets fresh credentials."""


class Anonymous:
    """Type of `ANONYMOUS`, the only instance that drivers accept; for annotations."""

    def __repr__(self) -> str:
        return "ANONYMOUS"

    def __reduce__(self) -> str:
        return "ANONYMOUS"  # a copy or an unpickled value is the constant itself


ANONYMOUS: Final = Anonymous()
"""Value of ``credentials=`` with which a driver sends every request unsigned, for public buckets."""
