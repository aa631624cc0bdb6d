"""Credential sources of the environment variables and of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from aios3._config.aws_files.environment import first_set, is_true
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import ConfigurationError

from .container import ContainerCredentials
from .context import LookupContext
from .instance_metadata import InstanceMetadataCredentials
from .role_providers import WebIdentityCredentials
from .static_keys import RereadKeys, pair_keys

__all__ = [
    "find_metadata_url",
    "from_container",
    "from_environment_keys",
    "from_environment_web_identity",
    "from_metadata",
    "read_environment_credentials",
]

_IPV6_METADATA_URL: Final = "http://[fd00:ec2::254]"


def from_environment_keys(context: LookupContext) -> CredentialsProvider | None:
    """Return the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; ``None`` if both are unset."""
    credentials = read_environment_credentials(context.environ)
    if credentials is None:
        return None
    read = partial(read_environment_credentials, context.environ)
    return RereadKeys(credentials, read, clock=context.clock, origin="the environment")


def from_environment_web_identity(context: LookupContext) -> CredentialsProvider | None:
    """Return the role AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE; ``None`` without a token file."""
    token_file = context.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
    if token_file is None:
        return None
    role_arn = context.variable("AWS_ROLE_ARN")
    if role_arn is None:
        raise ConfigurationError("AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not; they are needed together")
    return WebIdentityCredentials(
        role_arn,
        token_file,
        region=context.region,
        session_name=context.variable("AWS_ROLE_SESSION_NAME"),
        endpoint_url=context.endpoint_url("sts"),
        ca_bundle=context.ca_bundle,
        proxy=context.proxy,
        trust_env=context.trust_env,
        clock=context.clock,
    )


def from_container(context: LookupContext) -> CredentialsProvider | None:
    """Return the endpoint AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI; ``None`` if both are unset."""
    relative = context.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    uri = relative or context.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if uri is None:
        return None
    if relative is not None and not relative.startswith("/"):
        # Without the slash the value would extend the host name.
        raise ConfigurationError("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with a slash")
    return ContainerCredentials(
        uri,
        token=context.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        token_file=context.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        ca_bundle=context.ca_bundle,
        clock=context.clock,
    )


def from_metadata(context: LookupContext) -> InstanceMetadataCredentials | None:
    """Return the metadata service; ``None`` if AWS_EC2_METADATA_DISABLED is on."""
    if context.is_on("AWS_EC2_METADATA_DISABLED"):
        return None
    return InstanceMetadataCredentials(
        endpoint_url=find_metadata_url(context),
        seconds=_read_number(context, "AWS_METADATA_SERVICE_TIMEOUT"),
        attempts=int(_read_number(context, "AWS_METADATA_SERVICE_NUM_ATTEMPTS")),
        allows_v1=not is_true(_read_setting(context, "AWS_EC2_METADATA_V1_DISABLED")),
        clock=context.clock,
    )


def find_metadata_url(context: LookupContext) -> str | None:
    """Return the configured URL of the metadata service; ``None`` for the usual URL."""
    mode = _read_setting(context, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") or ""
    by_mode = _IPV6_METADATA_URL if mode.lower() == "ipv6" else None
    return _read_setting(context, "AWS_EC2_METADATA_SERVICE_ENDPOINT") or by_mode


def _read_setting(context: LookupContext, variable: str) -> str | None:
    """Return a setting of the metadata service: the variable, else the profile's, which has the same name."""
    return context.variable(variable) or context.profile.settings.get(variable.removeprefix("AWS_").lower())


def _read_number(context: LookupContext, name: str) -> float:
    text = _read_setting(context, name) or "1"
    # The limits suit both seconds and attempts.
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
        raise ConfigurationError(f"{name} must be a whole number in 1..100")
    return int(text)


def read_environment_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """Read the keys of the environment; ``None`` if there are none.

    Raises:
        ConfigurationError: a key id without its secret or the reverse, an unusable value, or an
            AWS_CREDENTIAL_EXPIRATION that is not a time with a zone.
    """
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    values = (first_set(environ, names[0]), first_set(environ, names[1]))
    if values == (None, None):
        # An expiration without keys is harmless.
        return None
    token = first_set(environ, "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
    return pair_keys("the environment", names, values, token, _read_expiration(environ))


def _read_expiration(environ: Mapping[str, str]) -> datetime | None:
    text = first_set(environ, "AWS_CREDENTIAL_EXPIRATION")
    if text is None:
        return None
    try:
        expires_at = datetime.fromisoformat(text)
    except ValueError:
        expires_at = None
    if expires_at is None or expires_at.tzinfo is None:
        raise ConfigurationError(
            "AWS_CREDENTIAL_EXPIRATION is not an ISO 8601 time with a zone, such as 2030-01-31T12:00:00Z"
        )
    return expires_at
