"""Which endpoint counts, and how buckets are named there."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from aios3._config.environment import Environment
from aios3._config.shared_files import Profile
from aios3._protocol.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider

__all__ = ["resolve_endpoint"]


def resolve_endpoint(
    provider: Provider, endpoint_url: str | None, region: str, environment: Environment, profile: Profile
) -> Endpoint:
    """Return the endpoint of the argument, else of the environment, else of the profile, else of the provider.

    ``addressing_style`` of the profile says how buckets are named. Without it the provider does, on its own
    hosts; on any other host it is by path.

    Raises:
        ConfigurationError: no endpoint is known, or what is configured cannot be used. Never holds the URL.
    """
    origin, custom = "endpoint_url=", endpoint_url
    if custom is None:
        origin, custom = _find_configured(environment, profile)
    addressing = _read_addressing(profile)
    if custom is None:
        return Endpoint.parse(_own_url(provider, region), addressing or provider.addressing)
    try:
        endpoint = Endpoint.parse(custom, "path")
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None
    # Behind a host that is not the provider's own there is rarely a wildcard DNS entry for its buckets.
    usual = provider.addressing if _is_own_host(provider, endpoint.host) else "path"
    return Endpoint.parse(custom, addressing or usual)


def _find_configured(environment: Environment, profile: Profile) -> tuple[str, str | None]:
    origin = f"the endpoint_url of profile {profile.name!r}"
    if environment.ignores_endpoints or profile.ignores_endpoints:
        return origin, None
    if environment.endpoint_url is not None:
        return "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL", environment.endpoint_url
    return origin, profile.find_endpoint_url()


def _own_url(provider: Provider, region: str) -> str:
    if provider.endpoint is None:
        raise ConfigurationError(
            f"provider {provider.name!r} has no endpoint of its own: pass endpoint_url=, or set AWS_ENDPOINT_URL"
        )
    return provider.endpoint.replace("{region}", region)


def _is_own_host(provider: Provider, host: str) -> bool:
    """Tell whether ``host`` is the provider's, in any region, or a name below it."""
    _, varies, fixed = urlsplit(provider.endpoint or "").netloc.rpartition("{region}")
    suffix = fixed if varies else f".{fixed}"
    return suffix not in ("", ".") and f".{host}".endswith(suffix)


def _read_addressing(profile: Profile) -> Literal["virtual", "path"] | None:
    style = profile.settings.get("addressing_style", within="s3")
    if style in (None, "auto"):
        return None
    if style == "virtual":
        return "virtual"
    if style == "path":
        return "path"
    raise ConfigurationError(f"profile {profile.name!r}: addressing_style of s3 must be path, virtual or auto")
