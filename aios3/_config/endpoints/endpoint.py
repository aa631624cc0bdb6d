"""Choice of the endpoint and of its addressing of buckets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from aios3._config.aws_files.environment import Environment
from aios3._config.aws_files.shared_files import Profile
from aios3._protocol.wire.uri import Addressing, Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .bucket_endpoints import control_endpoint
from .host_patterns import fill_pattern, read_region
from .provider_hosts import (
    fill_region,
    find_host,
    is_meant_for,
    is_own_host,
    lacking_switches,
    own_patterns,
    partition_of,
    separate_bucket,
)
from .variants import variant_pattern

__all__ = ["CustomEndpoint", "OwnEndpoints", "find_custom_endpoint", "find_own_endpoints", "resolve_endpoint"]

_logger: Final = logging.getLogger("aios3")


@dataclass(frozen=True, slots=True)
class CustomEndpoint:
    """Endpoint from an argument, a variable or a profile, used instead of the provider's own."""

    endpoint: Endpoint
    origin: str
    """Name of that place, for messages."""
    is_argument: bool

    def region(self, provider: Provider) -> str | None:
        """Return the region that the host names; ``None`` if it names none, or is not one of the provider's hosts."""
        found = find_host(provider, self.endpoint.host)
        return None if found is None else found.region


@dataclass(frozen=True, slots=True)
class OwnEndpoints:
    """Regional endpoints of a provider, all of one variant, without acceleration."""

    provider: Provider
    variant: frozenset[str]
    addressing: Addressing
    home: str
    """Region of the driver. Only regions of its partition are reached."""

    def of_region(self, region: str) -> Endpoint | None:
        """Return the endpoint of a region; ``None`` if the region is in another partition, and so another party's."""
        if partition_of(self.provider, region) != partition_of(self.provider, self.home):
            return None
        return _own_endpoint(self.provider, self.variant, region, self.addressing)

    def read_region(self, host: str, bucket: str | None) -> str | None:
        """Return the region of a host, which ``bucket`` may precede; ``None`` if the host is not one of these."""
        return read_region(own_patterns(self.provider), host, bucket)


def find_custom_endpoint(
    provider: Provider, endpoint_url: str | None, environment: Environment, profile: Profile
) -> CustomEndpoint | None:
    """Return the endpoint of the argument, else of the environment, else of the profile; ``None`` if none is set.

    A variable or a profile may mean another store (see `is_meant_for`). Then it is passed over for the next, with a
    warning to the logger ``aios3``.

    Raises:
        ConfigurationError: the endpoint cannot be used. The message names its origin and never holds the URL.
    """
    if endpoint_url is not None:
        return CustomEndpoint(_parse(endpoint_url, "endpoint_url="), "endpoint_url=", is_argument=True)
    for origin, url in _configured(environment, profile):
        endpoint = _parse(url, origin)
        if is_meant_for(provider, endpoint.host):
            return CustomEndpoint(endpoint, origin, is_argument=False)
        _logger.warning(
            "%s is passed over: %s is no host of provider %r. To use it, pass endpoint_url=",
            origin,
            endpoint.host,
            provider.name,
        )
    return None


def _parse(url: str, origin: str) -> Endpoint:
    try:
        return Endpoint.parse(url, "path")
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None


def resolve_endpoint(
    provider: Provider,
    custom: CustomEndpoint | None,
    variant: frozenset[str],
    region: str,
    profile: Profile,
    asked: Addressing | None = None,
) -> Endpoint:
    """Return the custom endpoint, else the provider's endpoint of the variant, without acceleration.

    ``asked`` sets the addressing, else ``addressing_style`` of the profile, else the provider. A custom endpoint that
    holds a bucket is returned without it, and takes no other bucket.

    Raises:
        ConfigurationError: no endpoint is known, or a configured value cannot be used.
    """
    addressing = asked or _read_addressing(profile)
    if custom is not None:
        return _resolve_custom(provider, custom, addressing, is_explained=asked is not None)
    if asked == "cname":
        raise ConfigurationError("addressing='cname' needs endpoint_url=, the host that stands for one bucket")
    if (control := control_endpoint(provider, region)) is not None:
        if asked == "path":
            raise ConfigurationError(f"provider {provider.name!r} reaches buckets by subdomain only, not by path")
        return control
    return _own_endpoint(provider, variant, region, addressing or provider.addressing)


def find_own_endpoints(provider: Provider, endpoint: Endpoint, region: str) -> OwnEndpoints | None:
    """Return the provider's regional endpoints of the variant that `endpoint` has.

    Returns:
        ``None`` if `endpoint` is not the provider's in that region, or if all regions share one endpoint.
    """
    if "{region}" not in (provider.endpoint or "") or provider.has_zones:
        return None
    variants = (frozenset[str](), *(variant for variant, _ in provider.endpoint_variants))
    usual = [variant for variant in variants if "accelerate" not in variant]
    candidates = (OwnEndpoints(provider, variant, endpoint.addressing, region) for variant in usual)
    whole = replace(endpoint, bucket=None)
    return next((own for own in candidates if _is_at(own, whole, region)), None)


def _is_at(own: OwnEndpoints, endpoint: Endpoint, region: str) -> bool:
    has_variant = not lacking_switches(own.provider, own.variant, region)
    return has_variant and own.of_region(region) == endpoint


def _configured(environment: Environment, profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield the origin and the URL of each configured endpoint, in the order in which they count."""
    if environment.ignores_endpoints or profile.ignores_endpoints:
        return
    if environment.endpoint_url is not None:
        yield "AWS_ENDPOINT_URL_S3", environment.endpoint_url
    if environment.general_endpoint_url is not None:
        yield "AWS_ENDPOINT_URL", environment.general_endpoint_url
    # Looked up last, because a services section that does not exist matters only then.
    if (url := profile.find_endpoint_url()) is not None:
        yield f"the endpoint_url of profile {profile.name!r}", url


def _resolve_custom(
    provider: Provider, custom: CustomEndpoint, addressing: Addressing | None, *, is_explained: bool
) -> Endpoint:
    given = replace(custom.endpoint, has_tenants=provider.has_tenants)
    if addressing == "cname":
        return replace(given, addressing="cname")
    try:
        found = separate_bucket(provider, given)
    except ConfigurationError as error:
        raise ConfigurationError(f"{custom.origin}: {error}") from None
    if is_explained:
        found = replace(found, refused_bucket=None, may_begin_with_bucket=False)
    return replace(found, addressing=addressing or _usual_addressing(provider, given, found))


def _usual_addressing(provider: Provider, given: Endpoint, found: Endpoint) -> Addressing:
    """Return the addressing that the record sets, or that the bucket in the host of the URL shows."""
    if found.host != given.host:
        return "virtual"
    if is_own_host(provider, given.host):
        return provider.addressing
    return provider.foreign_addressing or provider.addressing


def _own_endpoint(provider: Provider, variant: frozenset[str], region: str, addressing: Addressing) -> Endpoint:
    if lacking := lacking_switches(provider, variant, region):
        names = " and ".join(sorted(lacking))
        raise ConfigurationError(f"provider {provider.name!r} has no endpoint for {names} in region {region!r}")
    pattern = variant_pattern(provider, variant - {"accelerate"})
    if pattern is None:
        form = provider.endpoint_form
        example = "" if form is None else f" of the form {fill_pattern(form, region)}"
        raise ConfigurationError(
            f"provider {provider.name!r} has no endpoint of its own: pass endpoint_url={example}, "
            "or set AWS_ENDPOINT_URL"
        )
    endpoint = Endpoint.parse(fill_region(provider, pattern, region), addressing)
    return replace(endpoint, has_tenants=provider.has_tenants)


def _read_addressing(profile: Profile) -> Addressing | None:
    style = profile.settings.get("addressing_style", within="s3")
    if style in (None, "auto"):
        return None
    if style == "virtual":
        return "virtual"
    if style == "path":
        return "path"
    raise ConfigurationError(f"profile {profile.name!r}: addressing_style of s3 must be path, virtual or auto")
