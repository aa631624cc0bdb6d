"""Endpoints that depend on the bucket or on the kind of request: accelerated, control, zonal, of one bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aios3._config.aws_files.shared_files import Profile
from aios3._protocol.operations.directory_buckets import zone_of
from aios3._protocol.wire.access_points import read_access_point
from aios3._protocol.wire.uri import Addressing, Endpoint
from aios3.errors import ConfigurationError
from aios3.providers import Provider

from .provider_hosts import fill_region, is_host_of_points, is_own_host, partition_of
from .variants import variant_pattern

__all__ = ["BucketEndpoint", "accelerated_endpoint", "choose_bucket_endpoint", "control_endpoint", "zonal_endpoint"]

BucketEndpoint = Callable[[str, str], Endpoint | None]
"""Function of bucket and region that returns the endpoint for objects; ``None`` is the endpoint that makes buckets. It
raises a `ConfigurationError` for a bucket that cannot be reached."""


def choose_bucket_endpoint(
    provider: Provider,
    endpoint: Endpoint,
    variant: frozenset[str],
    region: str,
    profile: Profile,
    asked: Addressing | None,
) -> BucketEndpoint | None:
    """Return the function that knows the endpoints of buckets; ``None`` if ``endpoint`` is that of all.

    Args:
        provider: the store's provider.
        endpoint: endpoint that makes buckets.
        variant: switches of ``endpoint``; of a custom endpoint those of its host.
        region: region of the driver.
        profile: may set the addressing.
        asked: the caller's addressing; ``None`` if it is unset.

    Raises:
        ConfigurationError: the settings contradict each other.
    """
    if endpoint.addressing == "cname":
        return _OneBucket(endpoint)
    accelerated = accelerated_endpoint(provider, variant, profile, asked)
    zonal = zonal_endpoint(provider, endpoint, region)
    return accelerated or zonal or _access_point_endpoint(provider, endpoint, variant, region, asked)


def accelerated_endpoint(
    provider: Provider, variant: frozenset[str], profile: Profile, asked: Addressing | None = None
) -> Callable[[str, str], Endpoint] | None:
    """Return a function of bucket and region that returns the accelerated endpoint; ``None`` without acceleration.

    The function raises a `ConfigurationError` for a bucket name that cannot be a subdomain.

    Raises:
        ConfigurationError: the caller or the profile addresses buckets by path.
    """
    if "accelerate" not in variant:
        return None
    origin = "addressing='path'"
    if asked is None and profile.settings.get("addressing_style", within="s3") == "path":
        asked, origin = "path", f"profile {profile.name!r}: addressing_style = path"
    if asked == "path":
        raise ConfigurationError(
            f"{origin} cannot be combined with use_accelerate: buckets are reached by subdomain only"
        )
    pattern = str(variant_pattern(provider, variant))

    def of_bucket(bucket: str, region: str) -> Endpoint:
        endpoint = Endpoint.parse(fill_region(provider, pattern, region), "virtual")
        if not endpoint.takes_subdomain(bucket):
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
    return Endpoint.parse(fill_region(provider, provider.control_endpoint, region), "path")


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
        url = fill_region(provider, pattern.replace("{zone}", zone_of(bucket)), region)
        return Endpoint.parse(url, provider.addressing)

    return of_bucket


class _OneBucket:
    """Endpoint whose host stands for one bucket: the first that is named. Any other name would reach that bucket, too.

    Raises a `ConfigurationError` when a call names another bucket.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def __call__(self, bucket: str, region: str) -> Endpoint:
        if self._endpoint.bucket is None:
            self._endpoint = replace(self._endpoint, bucket=bucket)
        return self._endpoint


def _access_point_endpoint(
    provider: Provider, endpoint: Endpoint, variant: frozenset[str], region: str, asked: Addressing | None
) -> BucketEndpoint | None:
    """Return a function that knows the hosts of access points; ``None`` if the store has none."""
    if not provider.access_points:
        return None

    def of_bucket(bucket: str, _region: str) -> Endpoint | None:
        point = read_access_point(bucket)
        # An endpoint of one bucket refuses all others itself.
        if point is None or endpoint.bucket not in (None, point.label):
            return None
        if asked == "path":
            raise ConfigurationError(
                "addressing='path' cannot be combined with an access point, which has a host of its own"
            )
        if partition_of(provider, point.region) != partition_of(provider, region):
            raise ConfigurationError(
                f"{bucket!r:.200} is in another partition than region {region!r}: pass region={point.region!r}"
            )
        below = _host_of_points(provider, endpoint, variant, point.region)
        if not below.takes_subdomain(point.label):
            raise ConfigurationError(f"{bucket!r:.200} is reached by subdomain, which {below.url} does not have")
        return replace(below, host=f"{point.label}.{below.host}", addressing="cname", bucket=bucket)

    return of_bucket


def _host_of_points(provider: Provider, endpoint: Endpoint, variant: frozenset[str], region: str) -> Endpoint:
    """Return the endpoint that access points precede: the provider's, or a custom one."""
    is_foreign = not is_own_host(provider, endpoint.host)
    if is_foreign or is_host_of_points(provider, endpoint.host):
        return endpoint
    pattern = dict(provider.access_points).get(variant)
    if pattern is None:
        raise ConfigurationError(f"provider {provider.name!r} has no access points for {' and '.join(sorted(variant))}")
    return replace(endpoint, host=Endpoint.parse(fill_region(provider, pattern, region), "cname").host)
