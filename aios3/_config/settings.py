"""What a driver needs to know before its first request, put together from arguments, environment and profile."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aios3._config.credential_sources import Places, StaticCredentials, find_credentials
from aios3._config.endpoint import resolve_endpoint
from aios3._config.environment import Environment, read_environment
from aios3._config.shared_files import Profile, load_profile
from aios3._protocol.uri import Endpoint
from aios3.credentials import ANONYMOUS, Credentials, CredentialsProvider, _Anonymous
from aios3.errors import ConfigurationError
from aios3.providers import Provider

__all__ = ["Settings", "load_settings"]

_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to send requests and how to sign them."""

    endpoint: Endpoint
    region: str
    credentials: CredentialsProvider | None = field(repr=False)
    """``None`` sends requests unsigned."""
    ca_bundle: str | None
    """Path of the certificates to trust instead of the system's (AWS_CA_BUNDLE)."""


async def load_settings(
    provider: Provider,
    *,
    endpoint_url: str | None,
    region: str | None,
    credentials: Credentials | CredentialsProvider | _Anonymous | None,
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Settings:
    """Put the settings together; an argument beats the environment, which beats the profile and the provider.

    The shared files are read in a thread, and not at all when ``endpoint_url``, ``region`` and ``credentials``
    are all given. ``home`` is the user's home directory unless given.

    Raises:
        ConfigurationError: something is missing or malformed; the message says what to set. Never holds a secret.
        TypeError: ``credentials`` is none of the types it may be.
    """
    _check_credentials_type(credentials)
    environment = read_environment(environ)
    profile = Profile()
    if endpoint_url is None or region is None or credentials is None:
        profile = await asyncio.to_thread(_load_profile, environment, home)
    region = _resolve_region(provider, region, environment, profile)
    return Settings(
        endpoint=resolve_endpoint(provider, endpoint_url, region, environment, profile),
        region=region,
        credentials=_resolve_credentials(credentials, Places(environ, profile)),
        ca_bundle=environment.ca_bundle,
    )


def _load_profile(environment: Environment, home: Path | None) -> Profile:
    # Not Path.home(): it raises where a container's user has no entry and no HOME, and then there are no files.
    return load_profile(environment, home or Path(os.path.expanduser("~")))


def _resolve_region(provider: Provider, region: str | None, environment: Environment, profile: Profile) -> str:
    candidates = (
        ("region=", region),
        ("AWS_REGION or AWS_DEFAULT_REGION", environment.region),
        (f"profile {profile.name!r}", profile.settings.get("region")),
    )
    default = (f"the default of provider {provider.name!r}", provider.default_region)
    origin, found = next(((origin, value) for origin, value in candidates if value is not None), default)
    # It becomes part of the host name and of the signature's scope.
    if not _REGION.fullmatch(found):
        raise ConfigurationError(f"the region {found!r:.80} ({origin}) is not 1 to 63 letters, digits and hyphens")
    return found


def _check_credentials_type(credentials: object) -> None:
    if credentials is None or credentials is ANONYMOUS or isinstance(credentials, Credentials):
        return
    # A class has the method too, but nothing to call it on.
    if isinstance(credentials, type) or not isinstance(credentials, CredentialsProvider):
        kind = credentials.__name__ if isinstance(credentials, type) else type(credentials).__name__
        raise TypeError(f"credentials must be Credentials, a CredentialsProvider instance or ANONYMOUS, not {kind}")


def _resolve_credentials(
    credentials: Credentials | CredentialsProvider | _Anonymous | None, places: Places
) -> CredentialsProvider | None:
    if credentials is None:
        return find_credentials(places)
    if isinstance(credentials, _Anonymous):
        return None
    return StaticCredentials(credentials) if isinstance(credentials, Credentials) else credentials
