"""The static keys of a profile."""

from __future__ import annotations

from aios3._config.keys import pair_keys
from aios3._config.shared_files import Profile
from aios3.credentials import Credentials

__all__ = ["read_profile_keys"]


def read_profile_keys(profile: Profile) -> Credentials | None:
    """Return the static keys of a profile; ``None`` if it has none.

    Raises:
        ConfigurationError: one key without the other, or a value that cannot be used.
    """
    get = profile.settings.get
    names = ("aws_access_key_id", "aws_secret_access_key")
    token = get("aws_session_token") or get("aws_security_token")
    return pair_keys(f"profile {profile.name!r}", names, (get(names[0]), get(names[1])), token)
