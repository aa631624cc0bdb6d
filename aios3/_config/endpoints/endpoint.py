"""Which endpoint counts, and how buckets are named there."""

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
    """An endpoint that somebody wrote down, where the provider's own would be."""

    endpoint: Endpoint
    origin: str
    """Who did, for messages."""
    is_argument: bool

    def region(self, provider: Provider) -> str | None:
        """Return the region that the host itself names, if it is one of the provider's."""
        return read_region(_patterns(provider), self.endpoint.host)


@dataclass(frozen=True, slots=True)
class OwnEndpoints:
    """The endpoints of a provider that has one for every region, all of one variant; none accelerates."""

    provider: Provider
    variant: frozenset[str]
    addressing: Addressing

    def of_region(self, region: str) -> Endpoint:
        """Return the endpoint of a region."""
        return Endpoint.parse(_own_url(self.provider, self.variant - {"accelerate"}, region), self.addressing)

    def read_region(self, host: str, bucket: str | None) -> str | None:
        """Return the region whose host this is; ``bucket`` may stand before it. ``None`` for any other host."""
        return read_region(_patterns(self.provider), host, bucket)


def find_custom_endpoint(endpoint_url: str | None, environment: Environment, profile: Profile) -> CustomEndpoint | None:
    """Return the endpoint of the argument, else of the environment, else of the profile; ``None`` if all are silent.

    Raises:
        ConfigurationError: it cannot be used. The message says whose it is, and never holds the URL.
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
    """Return the custom endpoint, or the provider's own of the variant, which accelerates nothing by itself.

    ``addressing_style`` of the profile says how buckets are named. Without it the provider does, on its own
    hosts; on any other host it is by path.

    Raises:
        ConfigurationError: no endpoint is known, or what is configured cannot be used.
    """
    addressing = _read_addressing(profile)
    if custom is None and (control := control_endpoint(provider, region)) is not None:
        return control
    if custom is not None:
        # Behind a host that is not the provider's own there is rarely a wildcard DNS entry for its buckets.
        usual = provider.addressing if _is_own_host(provider, custom.endpoint.host) else "path"
        return replace(custom.endpoint, addressing=addressing or usual)
    return OwnEndpoints(provider, variant, addressing or provider.addressing).of_region(region)


def find_own_endpoints(provider: Provider, endpoint: Endpoint, region: str) -> OwnEndpoints | None:
    """Return the provider's endpoints of the variant that `endpoint` is.

    ``None`` if it is not the provider's own in that region, or the provider's is the same in every region.
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
    """Return the patterns of all hosts that are the provider's."""
    named = (provider.endpoint, provider.control_endpoint, provider.endpoint_form)
    forms = tuple(pattern for pattern in named if pattern is not None)
    return (*forms, *(pattern for _, pattern in provider.endpoint_variants), *provider.endpoint_aliases)


def _is_own_host(provider: Provider, host: str) -> bool:
    """Tell whether ``host`` is the provider's, in any region, or a name below it."""
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
