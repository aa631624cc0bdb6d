"""Names of regions: what can be one, and where AWS's services for it are."""

from __future__ import annotations

import re
from typing import Final

from aios3.errors import ConfigurationError

__all__ = ["check_region", "choose_aws_region", "domain_of", "fips_sts_url"]

_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}", re.ASCII)
_AWS_REGION: Final = re.compile(r"[a-z]{2,5}(?:-[a-z]+){1,3}-\d{1,2}", re.ASCII)
_DOMAINS: Final = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
"""Of the regions whose names begin so; all others are below amazonaws.com."""


def check_region(region: str, origin: str) -> str:
    """Return the region; it becomes part of a host name and of a signature's scope.

    Raises:
        ConfigurationError: it cannot be one; ``origin`` says where it comes from.
    """
    if not _REGION.fullmatch(region):
        raise ConfigurationError(f"the region {region!r:.80} ({origin}) is not 1 to 63 letters, digits and hyphens")
    return region


def choose_aws_region(*candidates: str | None) -> str:
    """Return the first that looks like a region of AWS, which a store's own name for its region does not."""
    return next((name for name in candidates if name and _AWS_REGION.fullmatch(name)), "us-east-1")


def domain_of(region: str) -> str:
    """Return the domain that AWS's services in the region are below."""
    return next((domain for prefix, domain in _DOMAINS.items() if region.startswith(prefix)), "amazonaws.com")


def fips_sts_url(region: str) -> str:
    """Return the endpoint of STS in the region that keeps FIPS 140; not every region has one."""
    # Those of the government's regions do, without saying so in their names.
    host = "sts" if region.startswith("us-gov-") else "sts-fips"
    return f"https://{host}.{region}.{domain_of(region)}"
