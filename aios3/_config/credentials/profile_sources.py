"""Credential sources that a profile can configure.

Each source is a function. It returns a provider, or ``None`` if the profile does
not configure the source, or raises if the settings are incomplete.
"""

from __future__ import annotations

from typing import Final

from aios3._config.aws_files.profiles import Section
from aios3.credentials import CredentialsProvider
from aios3.errors import ConfigurationError

from .context import LookupContext
from .login import LoginCredentials
from .process import ProcessCredentials
from .profile_roles import CredentialsSource, from_profile_role, from_profile_web_identity
from .sso import SsoCredentials
from .static_keys import reread_profile_keys

__all__ = ["BELOW_WEB_IDENTITY", "first_of", "from_profile", "from_role"]

_LEFT_OVER: Final = {
    "web_identity_token_file": "but no role_arn",
    "credential_source": "but no role_arn",
    "source_profile": "but no role_arn",
    "sso_session": "but neither sso_account_id nor sso_role_name",
    "sso_start_url": "but neither sso_account_id nor sso_role_name",
}
"""Settings of a source that gave no credentials, with the reason."""


def from_profile(context: LookupContext) -> CredentialsProvider | None:
    """Return the provider that the profile alone configures, whatever the environment holds."""
    return first_of(context, (from_role, from_profile_web_identity, *BELOW_WEB_IDENTITY))


def first_of(context: LookupContext, sources: tuple[CredentialsSource, ...]) -> CredentialsProvider | None:
    """Return the provider of the first source that has one, or ``None``. Skips later sources.

    Raises:
        ConfigurationError: a source has unusable settings.
    """
    for source in sources:
        if (provider := source(context)) is not None:
            return provider
    return None


def from_role(context: LookupContext) -> CredentialsProvider | None:
    """Return the role of role_arn, assumed with the credentials of another profile or of credential_source."""
    return from_profile_role(context, from_profile)


def _from_sso(context: LookupContext) -> CredentialsProvider | None:
    """Return the role of sso_account_id and sso_role_name; the portal is set in an sso-session or beside them."""
    profile = context.profile
    account_id, role_name = profile.settings.get("sso_account_id"), profile.settings.get("sso_role_name")
    if account_id is None and role_name is None:
        return None
    session_name = profile.settings.get("sso_session")
    portal = _find_portal(context, session_name)
    found = {
        "sso_account_id": account_id,
        "sso_role_name": role_name,
        "sso_region": portal.get("sso_region"),
        "sso_start_url": portal.get("sso_start_url"),
    }
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ConfigurationError(f"profile {profile.name!r} uses SSO but {' and '.join(missing)} is missing")
    return SsoCredentials(
        account_id or "",
        role_name or "",
        region=portal.get("sso_region") or "",
        start_url=portal.get("sso_start_url") or "",
        session_name=session_name,
        cache_directory=context.home / ".aws" / "sso" / "cache",
        login_command=f"aws sso login --profile {profile.name}",
        endpoint_url=context.endpoint_url("sso"),
        oidc_url=context.endpoint_url("sso_oidc"),
        ca_bundle=context.ca_bundle,
        proxy=context.proxy,
        trust_env=context.trust_env,
        clock=context.clock,
    )


def _find_portal(context: LookupContext, session_name: str | None) -> Section:
    profile = context.profile
    if session_name is None:
        return profile.settings
    if session_name not in profile.shared.sso_sessions:
        raise ConfigurationError(f"profile {profile.name!r} names the sso-session {session_name!r}, which is missing")
    return profile.shared.sso_sessions[session_name]


def _from_credentials_file(context: LookupContext) -> CredentialsProvider | None:
    return _from_keys(context) if context.profile.has_keys_in_credentials_file else None


def _from_login(context: LookupContext) -> CredentialsProvider | None:
    """Return the credentials of a console session, which ``aws login`` has stored."""
    login_session = context.profile.settings.get("login_session")
    if login_session is None:
        return None
    return LoginCredentials(
        login_session,
        region=context.profile.settings.get("region") or context.region,
        cache_directory=context.variable("AWS_LOGIN_CACHE_DIRECTORY") or context.home / ".aws" / "login" / "cache",
        login_command=f"aws login --profile {context.profile.name}",
        endpoint_url=context.endpoint_url("signin"),
        ca_bundle=context.ca_bundle,
        proxy=context.proxy,
        trust_env=context.trust_env,
        clock=context.clock,
    )


def _from_process(context: LookupContext) -> CredentialsProvider | None:
    command = context.profile.settings.get("credential_process")
    return None if command is None else ProcessCredentials(command, clock=context.clock)


def _from_keys(context: LookupContext) -> CredentialsProvider | None:
    return reread_profile_keys(context.profile, context.clock)


def _refuse_left_over(context: LookupContext) -> CredentialsProvider | None:
    """Raise for an incomplete configuration, which must not fall through to another identity."""
    found = next(filter(context.profile.settings.get, _LEFT_OVER), None)
    if found is not None:
        raise ConfigurationError(f"profile {context.profile.name!r} has {found}, {_LEFT_OVER[found]}")
    return None


BELOW_WEB_IDENTITY: Final[tuple[CredentialsSource, ...]] = (
    _from_sso,
    _from_credentials_file,
    _from_login,
    _from_process,
    _from_keys,
    _refuse_left_over,
)
"""Sources after roles and web identities, in the order of the AWS SDKs."""
