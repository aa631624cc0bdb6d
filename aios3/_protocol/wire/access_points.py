"""Access points of Amazon S3, which ARNs name in the place of a bucket.

Source: Amazon S3 user guide, "Access points" and "Multi-Region Access Points".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aios3.errors import ConfigurationError

__all__ = ["AccessPoint", "is_arn", "read_access_point", "region_in_name"]

_ARN: Final = re.compile(
    r"arn:[a-z0-9-]{1,63}:s3[a-z-]{0,63}:[a-z0-9-]{0,63}:[0-9]{0,63}:[A-Za-z0-9:/._-]{1,512}", re.ASCII
)
_PARTS: Final = re.compile(
    r"arn:[a-z0-9-]+:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>[0-9]*):"
    r"(?P<kind>[A-Za-z-]+)[/:](?P<name>.+)",
    re.ASCII,
)
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?", re.ASCII)
_MULTI_REGION: Final = ".mrap"
_OTHERS: Final = {
    "s3-object-lambda": "Object Lambda has a signature of its own",
    "s3-outposts": "Outposts have a signature of their own",
}


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """Access point of a bucket in one region."""

    region: str
    label: str
    """Label of its host: name and account."""


@lru_cache(maxsize=256)
def is_arn(bucket: str) -> bool:
    """Return whether a bucket name has the form of an ARN of S3 or a service of its family."""
    return _ARN.fullmatch(bucket) is not None


def region_in_name(bucket: str | None) -> str | None:
    """Return the region that an ARN names; ``None`` if the bucket is no ARN, or its ARN names none."""
    found = _PARTS.fullmatch(bucket) if bucket is not None and is_arn(bucket) else None
    return None if found is None else found["region"] or None


def read_access_point(bucket: str) -> AccessPoint | None:
    """Return the access point that an ARN in the place of a bucket names; ``None`` for the name of a bucket.

    Raises:
        ConfigurationError: the ARN names something else, or an access point that cannot be reached. The message says
            what is missing.
    """
    if not is_arn(bucket):
        if bucket.endswith(_MULTI_REGION):
            raise _cannot_sign(bucket)
        return None
    found = _PARTS.fullmatch(bucket)
    service, region, kind, name = (
        ("", "", "", "") if found is None else found.group("service", "region", "kind", "name")
    )
    if (why := _OTHERS.get(service)) is not None:
        raise ConfigurationError(f"{bucket!r:.200} cannot be used: {why}, which aios3 does not make")
    if kind == "accesspoint" and (name.endswith(_MULTI_REGION) or not region):
        raise _cannot_sign(bucket)
    if found is None or service != "s3" or kind != "accesspoint" or not found["account"] or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{bucket!r:.200} does not name an access point, as arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME does; "
            "name a bucket by its name alone"
        )
    return AccessPoint(region, f"{name}-{found['account']}")


def _cannot_sign(bucket: str) -> ConfigurationError:
    return ConfigurationError(
        f"{bucket!r:.200} is a multi-region access point, which needs signatures of the kind SigV4A that aios3 does "
        "not make: name an access point of one region, or a bucket"
    )
