"""Roles that profiles name, with the credentials that assume them."""

from __future__ import annotations

from collections.abc import Callable

from aios3.credentials import CredentialsProvider
from aios3.errors import ConfigurationError

from .context import LookupContext
from .environment_sources import from_container, from_environment_keys, from_metadata
from .role_providers import AssumeRoleCredentials, WebIdentityCredentials
from .static_keys import reread_profile_keys

__all__ = ["CredentialsSource", "from_profile_role", "from_profile_web_identity"]

CredentialsSource = Callable[[LookupContext], CredentialsProvider | None]

_BY_CREDENTIAL_SOURCE = {
    "Environment": from_environment_keys,
    "EcsContainer": from_container,
    "Ec2InstanceMetadata": from_metadata,
}


def from_profile_role(context: LookupContext, find: CredentialsSource) -> CredentialsProvider | None:
    """Return the role of role_arn, assumed by source_profile or credential_source; ``None`` without such a role.

    ``find`` looks for credentials in the source profile.

    Raises:
        ConfigurationError: the settings contradict each other, lead in a circle, or need a code of an MFA device.
    """
    get = context.profile.settings.get
    role_arn = get("role_arn")
    if role_arn is None or get("web_identity_token_file") is not None:
        return None
    if get("mfa_serial") is not None:
        raise _refuse(
            context,
            "has mfa_serial, and aios3 cannot ask for a code: get temporary credentials with another tool, "
            "or pass a CredentialsProvider of your own",
        )
    return AssumeRoleCredentials(
        role_arn,
        _find_source(context, find),
        region=context.region,
        session_name=get("role_session_name"),
        external_id=get("external_id"),
        duration_seconds=_read_duration(context),
        endpoint_url=context.endpoint_url("sts"),
        ca_bundle=context.ca_bundle,
        proxy=context.proxy,
        trust_env=context.trust_env,
        clock=context.clock,
    )


def from_profile_web_identity(context: LookupContext) -> CredentialsProvider | None:
    """Return the role of role_arn with web_identity_token_file; ``None`` if one of them is unset."""
    get = context.profile.settings.get
    role_arn, token_file = get("role_arn"), get("web_identity_token_file")
    if role_arn is None or token_file is None:
        return None
    return WebIdentityCredentials(
        role_arn,
        token_file,
        region=context.region,
        session_name=get("role_session_name"),
        duration_seconds=_read_duration(context),
        endpoint_url=context.endpoint_url("sts"),
        ca_bundle=context.ca_bundle,
        proxy=context.proxy,
        trust_env=context.trust_env,
        clock=context.clock,
    )


def _find_source(context: LookupContext, find: CredentialsSource) -> CredentialsProvider:
    get = context.profile.settings.get
    source_profile, credential_source = get("source_profile"), get("credential_source")
    if (source_profile is None) == (credential_source is None):
        which = "neither" if source_profile is None else "both"
        raise _refuse(context, f"has role_arn and {which} of source_profile and credential_source: it needs one")
    if source_profile is not None:
        return _from_source_profile(context, source_profile, find)
    source = _BY_CREDENTIAL_SOURCE.get(credential_source or "")
    if source is None:
        raise _refuse(context, f"has an unknown credential_source; known are {', '.join(_BY_CREDENTIAL_SOURCE)}")
    provider = source(context)
    if provider is None:
        raise _refuse(context, f"has the credential_source {credential_source}, where there are no credentials")
    return provider


def _from_source_profile(context: LookupContext, name: str, find: CredentialsSource) -> CredentialsProvider:
    below = context.below(context.profile.sibling(name))
    # A profile may name itself: then its own keys assume its role.
    keys = reread_profile_keys(below.profile, context.clock)
    if keys is not None:
        return keys
    if name in below.role_chain:
        raise _refuse(context, f"is in a circle of roles: {' -> '.join([*below.role_chain, name])}")
    provider = find(below)
    if provider is None:
        raise _refuse(context, f"has the source_profile {name!r}, which has no credentials")
    return provider


def _read_duration(context: LookupContext) -> int | None:
    text = context.profile.settings.get("duration_seconds")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise _refuse(context, "has a duration_seconds that is not a whole number")
    return int(text)


def _refuse(context: LookupContext, what: str) -> ConfigurationError:
    return ConfigurationError(f"profile {context.profile.name!r} {what}")
