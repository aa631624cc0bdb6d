"""Patterns of a store's own hosts: filled with a region, or read to find one.

A pattern is a URL with names in braces, such as ``https://s3.{region}.amazonaws.com``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

__all__ = ["fill_pattern", "is_below", "read_region"]

_NAME: Final = re.compile(r"\{(\w+)\}")
_LABEL: Final = r"[a-z0-9-]{1,63}"


def fill_pattern(pattern: str, region: str) -> str:
    """Return the URL for a region; other names in braces stay."""
    return pattern.replace("{region}", region)


def read_region(patterns: Iterable[str], host: str, bucket: str | None = None) -> str | None:
    """Return the region that a host of one of these patterns is for; ``None`` if it is of none, or for no region.

    Of several patterns that fit, the one with the most fixed text counts.

    Args:
        patterns: of one store.
        host: in lower case, with the port unless it is the scheme's default.
        bucket: may stand before the host.
    """
    hosts = (host, host.removeprefix(f"{bucket}."))
    for pattern in sorted(patterns, key=_fixed_length, reverse=True):
        for each in hosts:
            if match := _compile(pattern).fullmatch(each):
                return match.groupdict().get("region")
    return None


def is_below(pattern: str, host: str) -> bool:
    """Tell whether a host ends as those of the pattern do: after the last name in braces, or whole, at a dot."""
    _, varies, fixed = _host_of(pattern).rpartition("}")
    suffix = fixed if varies else f".{fixed}"
    return suffix not in ("", ".") and f".{host}".endswith(suffix)


def _host_of(pattern: str) -> str:
    return urlsplit(pattern).netloc


def _fixed_length(pattern: str) -> int:
    return len(_NAME.sub("", _host_of(pattern)))


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    # Split at the names: fixed text and names take turns.
    parts = _NAME.split(_host_of(pattern))
    for place, text in enumerate(parts):
        if place % 2 == 0:
            parts[place] = re.escape(text)
        else:
            parts[place] = f"(?P<region>{_LABEL})" if text == "region" else _LABEL
    return re.compile("".join(parts), re.ASCII)
