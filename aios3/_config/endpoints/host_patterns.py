"""Patterns of a store's own hosts, to make the host of a region and to read the region of a host.

A pattern is a URL with names in braces, such as ``https://s3.{region}.amazonaws.com``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

__all__ = ["HostMatch", "fill_pattern", "is_below", "match_host", "read_region"]

_NAME: Final = re.compile(r"\{(\w+)\}")
_OUTSIDE_BRACES: Final = re.compile(r"[^{}]+(?=\{|$)")
_LABEL: Final = r"[a-z0-9-]{1,63}"


def fill_pattern(pattern: str, region: str) -> str:
    """Return the pattern with the region filled in. Other names in braces stay."""
    return pattern.replace("{region}", region)


def read_region(patterns: Iterable[str], host: str, bucket: str | None = None) -> str | None:
    """Return the region of a host that fits a pattern; ``None`` if no pattern fits, or if it has no region.

    If several patterns fit, the pattern with the most fixed text counts.

    Args:
        patterns: of one store.
        host: in lower case, with the port unless it is the scheme's default.
        bucket: name that may precede the host; ``None`` for none.
    """
    hosts = (host, host.removeprefix(f"{bucket}."))
    for pattern in sorted(patterns, key=_fixed_length, reverse=True):
        for each in hosts:
            if match := _compile(pattern).fullmatch(each):
                return match.groupdict().get("region")
    return None


@dataclass(frozen=True, slots=True)
class HostMatch:
    """Parts of a host that fits a pattern."""

    pattern: str
    region: str | None
    """Region that the host names; ``None`` if it names none."""
    bucket: str | None
    """Text before the pattern's host, which can only be a bucket; ``None`` for none."""
    host: str
    """Host without the bucket."""


def match_host(patterns: Iterable[str], host: str) -> HostMatch | None:
    """Return what a host says, which a bucket may precede; ``None`` if no pattern fits.

    A pattern that fits the whole host comes first, then the pattern with the most fixed text. A dot at the end of the
    host is left out.

    Args:
        patterns: of one store.
        host: in lower case, with the port unless it is the scheme's default.
    """
    host = host.removesuffix(".")
    # Few patterns have the end of the host. To compile all of the known ones would block the loop for 60 ms.
    candidates = [pattern for pattern in patterns if host.endswith(_fixed_end(pattern))]
    ordered = sorted(candidates, key=_fixed_length, reverse=True)
    for start in ("", r"(?P<bucket>[^:]+)\."):
        for pattern in ordered:
            if found := _compile(pattern, start).fullmatch(host):
                named = found.groupdict()
                bucket = named.get("bucket")
                rest = host if bucket is None else host.removeprefix(f"{bucket}.")
                return HostMatch(pattern, named.get("region"), bucket, rest)
    return None


def is_below(pattern: str, host: str) -> bool:
    """Return whether a host ends with the pattern's text after the last name in braces.

    A pattern without names fits its host and all subdomains of it.
    """
    _, varies, fixed = _host_of(pattern).rpartition("}")
    suffix = fixed if varies else f".{fixed}"
    return suffix not in ("", ".") and f".{host.removesuffix('.')}".endswith(suffix)


@lru_cache(maxsize=1024)
def _fixed_end(pattern: str) -> str:
    """Return the text of the host behind the last name in braces; the whole host if it has no names."""
    return _host_of(pattern).rpartition("}")[2]


@lru_cache(maxsize=1024)
def _host_of(pattern: str) -> str:
    """Return the host as `Endpoint` writes it: in lower case, without the default port. Names in braces stay."""
    parts = urlsplit(pattern)
    host = _OUTSIDE_BRACES.sub(lambda text: text[0].lower(), parts.netloc)
    return host.removesuffix(":443" if parts.scheme == "https" else ":80")


def _fixed_length(pattern: str) -> int:
    return len(_NAME.sub("", _host_of(pattern)))


@lru_cache(maxsize=1024)
def _compile(pattern: str, start: str = "") -> re.Pattern[str]:
    # re.split returns fixed text and names in turn.
    parts = _NAME.split(_host_of(pattern))
    for place, text in enumerate(parts):
        if place % 2 == 0:
            parts[place] = re.escape(text)
        else:
            parts[place] = f"(?P<region>{_LABEL})" if text == "region" else _LABEL
    return re.compile(start + "".join(parts), re.ASCII)
