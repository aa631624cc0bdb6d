"""Settings of a driver, combined from its arguments, the environment and the profile."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aios3._client.refreshing_credentials import RefreshingCredentials
from aios3._concurrency.threads import in_library_thread
from aios3._config.aws_files.environment import Environment, read_environment
from aios3._config.aws_files.shared_files import Profile, load_profile
from aios3._config.credentials.chain import LookupContext, StaticCredentials, find_credentials
from aios3._config.endpoints.bucket_endpoints import BucketEndpoint, choose_bucket_endpoint
from aios3._config.endpoints.endpoint import (
    CustomEndpoint,
    OwnEndpoints,
    find_custom_endpoint,
    find_own_endpoints,
    resolve_endpoint,
)
from aios3._config.endpoints.regions import check_region, choose_aws_region
from aios3._config.endpoints.variants import VariantSwitches, choose_variant
from aios3._protocol.policies.proxies import NO_PROXIES, Proxies
from aios3._protocol.wire.uri import Addressing, Endpoint
from aios3.credentials import ANONYMOUS, Anonymous, Credentials, CredentialsProvider
from aios3.errors import ConfigurationError
from aios3.providers import Provider

__all__ = ["Settings", "load_settings"]

_logger: Final = logging.getLogger("aios3")


@dataclass(frozen=True, slots=True)
class Settings:
    """Endpoint, region, credentials and trust store of a driver."""

    endpoint: Endpoint
    region: str
    credentials: CredentialsProvider | None = field(repr=False)
    """``None`` sends requests unsigned."""
    ca_bundle: str | None
    """Path of the certificates to trust instead of the system's: AWS_CA_BUNDLE, or ``ca_bundle`` of the profile."""
    owns_credentials: bool = False
    """``True`` if `load_settings` made the credentials provider; `aclose` then closes it."""
    own_endpoints: OwnEndpoints | None = None
    """The provider's endpoints in all regions; ``None`` if `endpoint` is not one of them."""
    bucket_endpoint: BucketEndpoint | None = None
    """Function that knows the endpoints of buckets; ``None`` if `endpoint` is that of all."""
    proxies: Proxies = NO_PROXIES
    """Proxies of the requests to the store."""

    async def aclose(self) -> None:
        """Close the credentials provider if `load_settings` made it. Closing twice is harmless."""
        if self.owns_credentials and isinstance(self.credentials, RefreshingCredentials):
            await self.credentials.aclose()


async def load_settings(
    provider: Provider,
    *,
    endpoint_url: str | None,
    region: str | None,
    credentials: Credentials | CredentialsProvider | Anonymous | None,
    addressing: Addressing | None = None,
    variants: VariantSwitches = VariantSwitches(),  # noqa: B008 - frozen
    proxy: str | None = None,
    trust_env: bool = False,
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Settings:
    """Combine the settings: an argument comes before the environment, then the profile, then the provider.

    Sends no request. Reads the shared files in a thread; if ``endpoint_url``, ``region`` and ``credentials`` are all
    given, only for ``ca_bundle``, and malformed files do not matter. ``home=None`` takes the user's home directory.

    If ``endpoint_url`` has one of the provider's hosts, the host sets the region unless ``region`` does. A host from
    the environment or the profile sets the region only if they name none. A provider with one region has that region
    unless ``region`` names another. A provider with regional hosts has no region ``auto``, so that one is passed over.

    Raises:
        ConfigurationError: a setting is missing or malformed. The message says what to set and never holds a secret.
        TypeError: ``credentials`` is of the wrong type.
    """
    _check_credentials_type(credentials)
    environment = read_environment(environ)
    profile, directory = Profile(), Path()
    if endpoint_url is None or region is None or credentials is None:
        profile, directory = await in_library_thread(_load_profile, environment, home)
        ca_bundle = profile.settings.get("ca_bundle")
    else:
        ca_bundle = await in_library_thread(_find_ca_bundle, environment, home)
    custom = find_custom_endpoint(provider, endpoint_url, environment, profile)
    variant = choose_variant(provider, variants, environment, profile, None if custom is None else custom.origin)
    region = _resolve_region(provider, region, environment, profile, custom)
    sts_region = choose_aws_region(environment.region, profile.settings.get("region"), region)
    endpoint = resolve_endpoint(provider, custom, variant, region, profile, addressing)
    _check_reach(provider, endpoint)
    own = find_own_endpoints(provider, endpoint, region)
    host_region = None if custom is None else custom.region(provider)
    at_host = own if host_region is None else find_own_endpoints(provider, endpoint, host_region)
    return Settings(
        endpoint=endpoint,
        region=region,
        credentials=_resolve_credentials(
            credentials,
            LookupContext(
                environ,
                profile,
                sts_region,
                directory,
                uses_fips=bool(variants.over_configured(environment, profile).fips),
                proxy=proxy,
                trust_env=trust_env,
            ),
        ),
        ca_bundle=environment.ca_bundle or ca_bundle,
        proxies=Proxies.choose(proxy, trust_env=trust_env, environ=environ),
        owns_credentials=credentials is None,
        own_endpoints=own,
        bucket_endpoint=choose_bucket_endpoint(
            provider, endpoint, variant if at_host is None else variant | at_host.variant, region, profile, addressing
        ),
    )


def _load_profile(environment: Environment, home: Path | None) -> tuple[Profile, Path]:
    # Path.home() raises if a container's user has no passwd entry and no HOME. Such a user has no files.
    home = home or Path(os.path.expanduser("~"))
    return load_profile(environment, home), home


def _find_ca_bundle(environment: Environment, home: Path | None) -> str | None:
    """Return the profile's ``ca_bundle``; ``None`` if the files cannot be used, of which nothing else is needed."""
    try:
        profile, _ = _load_profile(environment, home)
    except ConfigurationError as error:
        _logger.debug("no ca_bundle is looked for in the profile: %s", error)
        return None
    return profile.settings.get("ca_bundle")


def _check_reach(provider: Provider, endpoint: Endpoint) -> None:
    """Raise `ConfigurationError` if the store would refuse the endpoint's scheme."""
    if provider.https_only and endpoint.scheme != "https":
        raise ConfigurationError(f"provider {provider.name!r} is reached by https only")


def _resolve_region(
    provider: Provider,
    region: str | None,
    environment: Environment,
    profile: Profile,
    custom: CustomEndpoint | None,
) -> str:
    if region is None and provider.has_one_region:
        region = provider.default_region
    of_host = None if custom is None else custom.region(provider)
    is_argument = custom is not None and custom.is_argument
    candidates = (
        ("region=", region),
        # The host of the argument comes before the variables, which may be set for AWS.
        ("endpoint_url=", of_host if is_argument else None),
        ("AWS_REGION or AWS_DEFAULT_REGION", _meant_for(provider, environment.region)),
        (f"profile {profile.name!r}", _meant_for(provider, profile.settings.get("region"))),
        ("the configured endpoint", of_host),
    )
    if provider.region_required and custom is None and all(value is None for _, value in candidates):
        raise ConfigurationError(
            f"provider {provider.name!r} has an endpoint for every region: pass region=, or set AWS_REGION"
        )
    default = (f"the default of provider {provider.name!r}", provider.default_region)
    origin, found = next(((origin, value) for origin, value in candidates if value is not None), default)
    return check_region(found, origin)


def _meant_for(provider: Provider, configured: str | None) -> str | None:
    """Return a region of a variable or of the profile; ``None`` if it is ``auto`` and the provider has regional hosts.

    Platforms export ``auto`` for a store of theirs that has one region only.
    """
    has_hosts = "{region}" in (provider.endpoint or provider.endpoint_form or "")
    return None if has_hosts and configured == "auto" else configured


def _check_credentials_type(credentials: object) -> None:
    if credentials is None or credentials is ANONYMOUS or isinstance(credentials, Credentials):
        return
    # A class has the method too, so isinstance accepts it.
    if isinstance(credentials, type) or not isinstance(credentials, CredentialsProvider):
        kind = credentials.__name__ if isinstance(credentials, type) else type(credentials).__name__
        raise TypeError(f"credentials must be Credentials, a CredentialsProvider instance or ANONYMOUS, not {kind}")


def _resolve_credentials(
    credentials: Credentials | CredentialsProvider | Anonymous | None, context: LookupContext
) -> CredentialsProvider | None:
    if credentials is None:
        return find_credentials(context)
    if isinstance(credentials, Anonymous):
        return None
    return StaticCredentials(credentials) if isinstance(credentials, Credentials) else credentials
