"""Choice of the endpoint and of its addressing of buckets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from aios3._config.aws_files.environment import Environment
from aios3._config.aws_files.shared_files import Profile
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .bucket_endpoints import control_endpoint
from .host_patterns import fill_pattern, is_below, read_region
from .variants import variant_pattern

__all__ = ["CustomEndpoint", "OwnEndpoints", "find_custom_endpoint", "find_own_endpoints", "resolve_endpoint"]

Addressing = Literal["virtual", "path"]


@dataclass(frozen=True, slots=True)
class CustomEndpoint:
    """Endpoint from an argument, a variable or a profile, used instead of the provider's own."""

    endpoint: Endpoint
    origin: str
    """Name of that place, for messages."""
    is_argument: bool

    def region(self, provider: Provider) -> str | None:
        """Return the region that the host names; ``None`` if it names none, or is not one of the provider's hosts."""
        return read_region(_patterns(provider), self.endpoint.host)


@dataclass(frozen=True, slots=True)
class OwnEndpoints:
    """Regional endpoints of a provider, all of one variant, without acceleration."""

    provider: Provider
    variant: frozenset[str]
    addressing: Addressing

    def of_region(self, region: str) -> Endpoint:
        """Return the endpoint of a region."""
        return Endpoint.parse(_own_url(self.provider, self.variant - {"accelerate"}, region), self.addressing)

    def read_region(self, host: str, bucket: str | None) -> str | None:
        """Return the region of a host, which ``bucket`` may precede; ``None`` if the host is not one of these."""
        return read_region(_patterns(self.provider), host, bucket)


def find_custom_endpoint(endpoint_url: str | None, environment: Environment, profile: Profile) -> CustomEndpoint | None:
    """Return the endpoint of the argument, else of the environment, else of the profile; ``None`` if none is set.

    Raises:
        ConfigurationError: the endpoint cannot be used. The message names its origin and never holds the URL.
    """
    origin, url = "endpoint_url=", endpoint_url
    if url is None:
        origin, url = _find_configured(environment, profile)
    if url is None:
        return None
    try:
        return CustomEndpoint(Endpoint.parse(url, "path"), origin, is_argument=endpoint_url is not None)
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None


def resolve_endpoint(
    provider: Provider, custom: CustomEndpoint | None, variant: frozenset[str], region: str, profile: Profile
) -> Endpoint:
    """Return the custom endpoint, else the provider's endpoint of the variant, without acceleration.

    ``addressing_style`` of the profile sets the addressing. The default is the provider's addressing on the provider's
    hosts, and addressing by path on any other host.

    Raises:
        ConfigurationError: no endpoint is known, or a configured value cannot be used.
    """
    addressing = _read_addressing(profile)
    if custom is None and (control := control_endpoint(provider, region)) is not None:
        return control
    if custom is not None:
        # Hosts of others rarely have a wildcard DNS entry for their buckets.
        usual = provider.addressing if _is_own_host(provider, custom.endpoint.host) else "path"
        return replace(custom.endpoint, addressing=addressing or usual)
    return OwnEndpoints(provider, variant, addressing or provider.addressing).of_region(region)


def find_own_endpoints(provider: Provider, endpoint: Endpoint, region: str) -> OwnEndpoints | None:
    """Return the provider's regional endpoints of the variant that `endpoint` has.

    Returns:
        ``None`` if `endpoint` is not the provider's in that region, or if all regions share one endpoint.
    """
    if "{region}" not in (provider.endpoint or "") or provider.has_zones:
        return None
    variants = (frozenset[str](), *(variant for variant, _ in provider.endpoint_variants))
    candidates = (OwnEndpoints(provider, variant, endpoint.addressing) for variant in variants)
    return next((own for own in candidates if own.of_region(region) == endpoint), None)


def _find_configured(environment: Environment, profile: Profile) -> tuple[str, str | None]:
    origin = f"the endpoint_url of profile {profile.name!r}"
    if environment.ignores_endpoints or profile.ignores_endpoints:
        return origin, None
    if environment.endpoint_url is not None:
        return "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL", environment.endpoint_url
    return origin, profile.find_endpoint_url()


def _own_url(provider: Provider, variant: frozenset[str], region: str) -> str:
    pattern = variant_pattern(provider, variant)
    if pattern is None:
        form = provider.endpoint_form
        example = "" if form is None else f" of the form {fill_pattern(form, region)}"
        raise ConfigurationError(
            f"provider {provider.name!r} has no endpoint of its own: pass endpoint_url={example}, "
            "or set AWS_ENDPOINT_URL"
        )
    return fill_pattern(pattern, region)


def _patterns(provider: Provider) -> tuple[str, ...]:
    """Return the patterns of all hosts of the provider."""
    named = (provider.endpoint, provider.control_endpoint, provider.endpoint_form)
    forms = tuple(pattern for pattern in named if pattern is not None)
    return (*forms, *(pattern for _, pattern in provider.endpoint_variants), *provider.endpoint_aliases)


def _is_own_host(provider: Provider, host: str) -> bool:
    """Return whether ``host`` is a host of the provider, in any region, or a subdomain of one."""
    return any(is_below(pattern, host) for pattern in _patterns(provider))


def _read_addressing(profile: Profile) -> Addressing | None:
    style = profile.settings.get("addressing_style", within="s3")
    if style in (None, "auto"):
        return None
    if style == "virtual":
        return "virtual"
    if style == "path":
        return "path"
    raise ConfigurationError(f"profile {profile.name!r}: addressing_style of s3 must be path, virtual or auto")
