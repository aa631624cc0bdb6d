"""Checks of region names, and the hosts of AWS's services in a region."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from aios3.errors import ConfigurationError
from aios3.providers import PROVIDERS

from .provider_hosts import is_meant_for, partition_of

__all__ = ["check_region", "choose_aws_region", "domain_of", "fips_sts_url", "may_be_of_aws"]

_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}", re.ASCII)
_AWS_REGION: Final = re.compile(r"[a-z]{2,5}(?:-[a-z]+){1,3}-\d{1,2}", re.ASCII)
_AWS: Final = PROVIDERS["aws"]
"""Record with AWS's partitions, which all its services share."""


def check_region(region: str, origin: str) -> str:
    """Return the region if it can be part of a host name and of a signature's scope.

    Raises:
        ConfigurationError: it cannot. The message names ``origin``, where the region comes from.
    """
    if not _REGION.fullmatch(region):
        raise ConfigurationError(f"the region {region!r:.80} ({origin}) is not 1 to 63 letters, digits and hyphens")
    return region


def choose_aws_region(*candidates: str | None) -> str:
    """Return the first candidate formed like an AWS region, which other stores' names are not, else us-east-1."""
    return next((name for name in candidates if name and _AWS_REGION.fullmatch(name)), "us-east-1")


def may_be_of_aws(url: str) -> bool:
    """Return whether an endpoint for every service can be meant for AWS or an emulator; not if it is another store's.

    A malformed URL can be: who uses it says what is wrong.
    """
    try:
        return is_meant_for(_AWS, urlsplit(url).hostname or "")
    except ValueError:
        return True


def domain_of(region: str) -> str:
    """Return the domain of AWS's services in the region."""
    return partition_of(_AWS, region) or "amazonaws.com"


def fips_sts_url(region: str) -> str:
    """Return the FIPS 140 endpoint of STS in the region. Not every region has one."""
    # In government regions the usual host of STS keeps FIPS 140.
    host = "sts" if region.startswith("us-gov-") else "sts-fips"
    return f"https://{host}.{region}.{domain_of(region)}"
