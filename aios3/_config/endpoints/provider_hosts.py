"""Hosts of one provider: all its patterns, in every partition, and what an endpoint with one of these hosts holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlsplit

from aios3._protocol.wire.uri import Endpoint, check_bucket
from aios3.errors import ConfigurationError
from aios3.providers import PROVIDERS, Provider

from .host_patterns import HostMatch, fill_pattern, is_below, match_host

__all__ = [
    "fill_region",
    "find_host",
    "is_host_of_points",
    "is_meant_for",
    "is_own_host",
    "lacking_switches",
    "own_patterns",
    "partition_of",
    "separate_bucket",
]


def partition_of(provider: Provider, region: str) -> str | None:
    """Return the domain of the region's partition; ``None`` for the usual domain."""
    return next((domain for start, domain, _ in provider.partitions if region.startswith(start)), None)


def fill_region(provider: Provider, pattern: str, region: str) -> str:
    """Return a pattern of the provider with the region filled in, and with the domain of the region's partition."""
    return fill_pattern(_with_domain(provider, pattern, partition_of(provider, region)), region)


def lacking_switches(provider: Provider, variant: frozenset[str], region: str) -> frozenset[str]:
    """Return the switches of the variant that the region's partition lacks."""
    return next((lacks & variant for start, _, lacks in provider.partitions if region.startswith(start)), frozenset())


def is_meant_for(provider: Provider, host: str) -> bool:
    """Return whether an endpoint of the environment or of a profile with this host can be meant for the provider.

    A provider without hosts of its own can be anywhere.
    """
    if not own_patterns(provider) or is_own_host(provider, host):
        return True
    return provider.owns_variables and not any(is_own_host(other, host) for other in PROVIDERS.values())


def is_own_host(provider: Provider, host: str) -> bool:
    """Return whether ``host`` is a host of the provider, in any region, or a subdomain of one."""
    return any(is_below(pattern, host) for pattern in own_patterns(provider))


def is_host_of_points(provider: Provider, host: str) -> bool:
    """Return whether access points precede ``host``."""
    return (
        match_host(_in_all_partitions(provider, (pattern for _, pattern in provider.access_points)), host) is not None
    )


def find_host(provider: Provider, host: str) -> HostMatch | None:
    """Return what a host of the provider says; ``None`` if no pattern fits."""
    return match_host(own_patterns(provider), host)


def separate_bucket(provider: Provider, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint without the bucket that it holds in its host or path, and restricted to that bucket.

    The provider's own patterns show the bucket, then those of every known provider, whose driver the caller may not
    have named. At any other host the path may be the store's own, so the endpoint refuses the bucket with which the
    path ends. At a host below a known domain it also refuses the bucket with which the host begins.

    Raises:
        ConfigurationError: the path goes on after the bucket.
    """
    found = find_host(provider, endpoint.host) or match_host(_known_patterns(), endpoint.host)
    if found is None and _is_below_known(provider, endpoint.host):
        endpoint = replace(endpoint, may_begin_with_bucket=True)
    base, rest = (endpoint.base_path, "") if found is None else _split_path(found.pattern, endpoint.base_path)
    if found is None or (found.bucket is None and not rest):
        is_expected = found is not None and base == urlsplit(found.pattern).path.rstrip("/")
        return endpoint if is_expected else replace(endpoint, refused_bucket=base.rpartition("/")[2] or None)
    bucket, _, rest = rest.partition("/") if found.bucket is None else (found.bucket, "", rest)
    whole = replace(endpoint, host=found.host, base_path=base)
    if rest or not _is_bucket(bucket):
        raise ConfigurationError(
            f"its path is more than the bucket {bucket!r:.80}, but an endpoint has no prefix of keys: use {whole.url}, "
            "and put the prefix into the keys"
        )
    return replace(whole, bucket=bucket)


@lru_cache(maxsize=64)
def own_patterns(provider: Provider) -> tuple[str, ...]:
    """Return the patterns of all hosts of the provider, in every partition."""
    named = (provider.endpoint, provider.control_endpoint, provider.endpoint_form)
    forms = [pattern for pattern in named if pattern is not None]
    forms += [pattern for _, pattern in (*provider.endpoint_variants, *provider.access_points)]
    forms += provider.endpoint_aliases
    return _in_all_partitions(provider, forms)


def _in_all_partitions(provider: Provider, patterns: Iterable[str]) -> tuple[str, ...]:
    domains = (None, *(domain for _, domain, _ in provider.partitions))
    found = [_with_domain(provider, pattern, domain) for pattern in patterns for domain in domains]
    return tuple(dict.fromkeys(found))


def _is_below_known(provider: Provider, host: str) -> bool:
    """Return whether the host is below the domain of the provider, or of any known one."""
    return is_own_host(provider, host) or any(is_below(pattern, host) for pattern in _known_patterns())


@lru_cache(maxsize=1)
def _known_patterns() -> tuple[str, ...]:
    return tuple(pattern for provider in PROVIDERS.values() for pattern in own_patterns(provider))


def _with_domain(provider: Provider, pattern: str, domain: str | None) -> str:
    """Return the pattern below another domain; unchanged if it is not below the usual domain, or without one."""
    usual = urlsplit(provider.endpoint or "").netloc.rpartition("}")[2]
    if domain is None or not usual or not pattern.endswith(usual):
        return pattern
    return f"{pattern.removesuffix(usual)}.{domain}"


def _split_path(pattern: str, path: str) -> tuple[str, str]:
    """Return the part of the path that belongs to the store, and what follows it without its first slash."""
    own = urlsplit(pattern).path.rstrip("/")
    if path != own and not path.startswith(f"{own}/"):
        return path, ""
    return own, path[len(own) :].lstrip("/")


def _is_bucket(bucket: str) -> bool:
    try:
        check_bucket(bucket)
    except ConfigurationError:
        return False
    return True
