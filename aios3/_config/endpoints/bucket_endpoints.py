"""Endpoints that depend on the bucket or on the kind of request: accelerated, control, zonal."""

from __future__ import annotations

from collections.abc import Callable

from aios3._config.aws_files.shared_files import Profile
from aios3._protocol.operations.directory_buckets import zone_of
from aios3._protocol.wire.uri import Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .variants import variant_pattern

__all__ = ["accelerated_endpoint", "control_endpoint", "zonal_endpoint"]


def accelerated_endpoint(
    provider: Provider, variant: frozenset[str], profile: Profile
) -> Callable[[str, str], Endpoint] | None:
    """Return a function of bucket and region that returns the accelerated endpoint; ``None`` without acceleration.

    The function raises a `ConfigurationError` for a bucket name that cannot be a subdomain.

    Raises:
        ConfigurationError: the profile addresses buckets by path.
    """
    if "accelerate" not in variant:
        return None
    if profile.settings.get("addressing_style", within="s3") == "path":
        raise ConfigurationError(
            f"profile {profile.name!r}: addressing_style = path does not go with use_accelerate: buckets are reached "
            "by subdomain only"
        )
    endpoint = Endpoint.parse(str(variant_pattern(provider, variant)), "virtual")

    def of_bucket(bucket: str, _region: str) -> Endpoint:
        if endpoint.locate(bucket, None)[0] == endpoint.host:
            raise ConfigurationError(
                f"the bucket {bucket!r} cannot be accelerated: its name must be lower-case letters, digits and "
                "hyphens, without dots"
            )
        return endpoint

    return of_bucket


def control_endpoint(provider: Provider, region: str) -> Endpoint | None:
    """Return the endpoint that creates, deletes and lists buckets, always by path; ``None`` for the usual endpoint."""
    if provider.control_endpoint is None:
        return None
    return Endpoint.parse(provider.control_endpoint.replace("{region}", region), "path")


def zonal_endpoint(provider: Provider, endpoint: Endpoint, region: str) -> Callable[[str, str], Endpoint] | None:
    """Return a function of bucket and region that returns the endpoint of the bucket's zone.

    The function raises a `ConfigurationError` for a bucket name without a zone.

    Returns:
        ``None`` if ``endpoint`` takes all requests, as a custom endpoint does.
    """
    pattern = provider.endpoint
    if pattern is None or not provider.has_zones or endpoint != control_endpoint(provider, region):
        return None

    def of_bucket(bucket: str, region: str) -> Endpoint:
        url = pattern.replace("{zone}", zone_of(bucket)).replace("{region}", region)
        return Endpoint.parse(url, provider.addressing)

    return of_bucket
