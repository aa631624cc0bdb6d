"""Where a provider keeps its buckets in zones: one endpoint that makes them, and one for each zone."""

from __future__ import annotations

from collections.abc import Callable

from aios3._protocol.operations.directory_buckets import zone_of
from aios3._protocol.wire.uri import Endpoint
from aios3.providers import Provider

__all__ = ["control_endpoint", "zonal_endpoint"]


def control_endpoint(provider: Provider, region: str) -> Endpoint | None:
    """Return where buckets are made, removed and listed, always by path; ``None`` if that is the usual endpoint."""
    if provider.control_endpoint is None:
        return None
    return Endpoint.parse(provider.control_endpoint.replace("{region}", region), "path")


def zonal_endpoint(provider: Provider, endpoint: Endpoint, region: str) -> Callable[[str, str], Endpoint] | None:
    """Return what gives, by bucket and region, the endpoint for what is in a bucket.

    It raises a `ConfigurationError` for names that tell no zone.

    Returns:
        ``None`` where ``endpoint`` takes everything, as one of the caller's own does.
    """
    pattern = provider.endpoint
    if pattern is None or not provider.has_zones or endpoint != control_endpoint(provider, region):
        return None

    def of_bucket(bucket: str, region: str) -> Endpoint:
        url = pattern.replace("{zone}", zone_of(bucket)).replace("{region}", region)
        return Endpoint.parse(url, provider.addressing)

    return of_bucket
