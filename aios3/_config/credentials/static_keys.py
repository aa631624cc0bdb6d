"""Static keys of the environment and of profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aios3._config.aws_files.shared_files import Profile
from aios3.credentials import Credentials
from aios3.errors import ConfigurationError

__all__ = ["StaticCredentials", "pair_keys", "read_profile_keys"]


def pair_keys(
    origin: str,
    names: tuple[str, str],
    values: tuple[str | None, str | None],
    session_token: str | None,
    expires_at: datetime | None = None,
) -> Credentials | None:
    """Return credentials of an access key id and a secret, or ``None`` if both are unset.

    ``origin`` and ``names`` name the place and its two settings in errors.

    Raises:
        ConfigurationError: one is set without the other, or a value cannot be used. The message quotes no value.
    """
    key_id, secret = values
    if key_id is None and secret is None:
        return None
    if key_id is None or secret is None:
        present, missing = names if secret is None else reversed(names)
        raise ConfigurationError(f"{origin}: {present} is set but {missing} is not; they are needed together")
    try:
        return Credentials(key_id, secret, session_token, expires_at)
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Provider that always returns the same credentials."""

    credentials: Credentials

    async def get_credentials(self) -> Credentials:
        """Return the credentials."""
        return self.credentials


def read_profile_keys(profile: Profile) -> Credentials | None:
    """Return the static keys of a profile; ``None`` if it has none.

    Raises:
        ConfigurationError: one key without the other, or a value that cannot be used.
    """
    get = profile.settings.get
    names = ("aws_access_key_id", "aws_secret_access_key")
    token = get("aws_session_token") or get("aws_security_token")
    return pair_keys(f"profile {profile.name!r}", names, (get(names[0]), get(names[1])), token)
