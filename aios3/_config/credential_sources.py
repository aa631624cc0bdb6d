"""Where credentials come from when the caller passes none: small sources, tried in order.

A source is a function that looks at one place and returns a provider, ``None``
when there is nothing, or raises when there is something that cannot be used.
It never falls through from a half-made configuration to another identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aios3._config.environment import read_environment_credentials
from aios3._config.keys import pair_keys
from aios3._config.shared_files import Profile
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import ConfigurationError

__all__ = ["Places", "StaticCredentials", "find_credentials"]

# Settings that mean credentials are to be got in a way that is not implemented, the most telling first.
_UNSUPPORTED_KEYS: Final = (
    "role_arn",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "login_session",
    "credential_process",
    "credential_source",
    "source_profile",
)


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Answers always with the same credentials."""

    credentials: Credentials

    async def get_credentials(self) -> Credentials:
        """Return them."""
        return self.credentials


@dataclass(frozen=True, slots=True)
class Places:
    """What the sources may look at."""

    environ: Mapping[str, str] = field(repr=False)
    profile: Profile


CredentialsSource = Callable[[Places], CredentialsProvider | None]


def find_credentials(places: Places) -> CredentialsProvider:
    """Return the provider of the first source that has one.

    Raises:
        ConfigurationError: no source has any, or one has some that cannot be used.
    """
    for source in _sources_in_order(places.profile):
        if (provider := source(places)) is not None:
            return provider
    raise ConfigurationError(_describe_absence(places.profile))


def _sources_in_order(profile: Profile) -> tuple[CredentialsSource, ...]:
    # Who names a profile means it, even where keys happen to be exported as well.
    return (_from_profile, _from_environment) if profile.is_named else (_from_environment, _from_profile)


def _from_environment(places: Places) -> CredentialsProvider | None:
    credentials = read_environment_credentials(places.environ)
    return None if credentials is None else StaticCredentials(credentials)


def _from_profile(places: Places) -> CredentialsProvider | None:
    profile, get = places.profile, places.profile.settings.get
    names = ("aws_access_key_id", "aws_secret_access_key")
    token = get("aws_session_token") or get("aws_security_token")
    credentials = pair_keys(f"profile {profile.name!r}", names, (get(names[0]), get(names[1])), token)
    if credentials is not None:
        return StaticCredentials(credentials)
    if (unsupported := next(filter(get, _UNSUPPORTED_KEYS), None)) is not None:
        raise ConfigurationError(
            f"profile {profile.name!r} gets its credentials by {unsupported}, which aios3 does not support yet; "
            "pass credentials=Credentials(...), or a CredentialsProvider of your own"
        )
    return None


def _describe_absence(profile: Profile) -> str:
    files = " and ".join(str(path) for path in profile.paths)
    return (
        "no credentials were found. Looked at: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, "
        f"profile {profile.name!r} in {files}. Pass credentials=Credentials(...), set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or pass credentials=ANONYMOUS for a public bucket"
    )
