"""Credential chain for callers that pass no credentials: small sources, tried in order.

A source is a function that looks at one place. It returns a provider, or
``None`` if the place is empty, or raises if its content cannot be used. An
incomplete configuration never falls through to another identity. No request is
sent and no program is run before the first request needs credentials.
"""

from __future__ import annotations

import logging
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3.credentials import Credentials, CredentialsProvider
from aios3.errors import ConfigurationError, StorageError

from .context import LookupContext
from .environment_sources import (
    find_metadata_url,
    from_container,
    from_environment_keys,
    from_environment_web_identity,
    from_metadata,
    read_environment_credentials,
)
from .instance_metadata import DEFAULT_METADATA_URL, InstanceMetadataCredentials
from .profile_roles import CredentialsSource, from_profile_web_identity
from .profile_sources import BELOW_WEB_IDENTITY, first_of, from_role
from .static_keys import StaticCredentials

__all__ = ["LookupContext", "StaticCredentials", "find_credentials"]

_logger: Final = logging.getLogger("aios3")


def find_credentials(context: LookupContext) -> CredentialsProvider:
    """Return the provider of the first source that has one. The machine's metadata service is the last source.

    Raises:
        ConfigurationError: no source has credentials, or a source has unusable ones.
    """
    provider = first_of(context, _SOURCES)
    if provider is not None:
        _logger.debug("credentials are looked up: %r%s", provider, _passed_over(context))
        return provider
    metadata = from_metadata(context)
    if metadata is None:
        raise _absence(context, "the instance metadata service is not asked (AWS_EC2_METADATA_DISABLED)")
    return _LastResort(context, metadata)


def _refuse_unread(context: LookupContext) -> CredentialsProvider | None:
    """Raise if a file that was asked for could not be read, because it may hold the keys."""
    if context.profile.needs_files:
        raise ConfigurationError("; ".join(context.profile.unread))
    return None


_SOURCES: Final[tuple[CredentialsSource, ...]] = (
    from_environment_keys,
    from_role,
    from_environment_web_identity,
    from_profile_web_identity,
    *BELOW_WEB_IDENTITY,
    _refuse_unread,
    from_container,
)
"""The order of boto3. So keys that an MFA tool has exported come before the profile of AWS_PROFILE."""


def _passed_over(context: LookupContext) -> str:
    """Return that the environment's keys come before a named profile, if it has both."""
    has_both = context.profile.is_named and read_environment_credentials(context.environ) is not None
    return f", before profile {context.profile.name!r} of AWS_PROFILE" if has_both else ""


class _LastResort(RefreshingCredentials):
    """Instance metadata service as the last source, although nothing shows that the machine has one.

    Until it has returned credentials, any failure of it means that no source has credentials: a missing response, a
    refusal, or an unusable response.
    """

    def __init__(self, context: LookupContext, metadata: InstanceMetadataCredentials) -> None:
        super().__init__(self._ask, clock=context.clock, name="instance metadata credentials")
        self._context = context
        self._metadata = metadata
        self._has_succeeded = False

    async def _ask(self) -> Credentials:
        try:
            credentials = await self._metadata.look_up()
        except StorageError as error:
            if self._has_succeeded:
                raise
            url = find_metadata_url(self._context) or DEFAULT_METADATA_URL
            raise _absence(self._context, f"the instance metadata service at {url} ({error})") from error
        self._has_succeeded = True
        return credentials


def _absence(context: LookupContext, metadata: str) -> ConfigurationError:
    profile = context.profile
    files = " and ".join(str(path) for path in profile.paths)
    unread = "".join(f" ({why})" for why in profile.unread)
    return ConfigurationError(
        "no credentials were found. Looked at: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, "
        f"AWS_WEB_IDENTITY_TOKEN_FILE, profile {profile.name!r} in {files}{unread}, "
        f"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI, {metadata}. "
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass credentials=Credentials(...). For a public bucket "
        "pass credentials=ANONYMOUS, or --anonymous to the command"
    )
