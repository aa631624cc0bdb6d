"""What a store is known not to do. Every entry is asserted: the day it does it, its entry fails the test."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

__all__ = ["KNOWN_LIMITS", "REFUSED_KEYS", "KnownLimit"]


@dataclass(frozen=True, slots=True)
class KnownLimit:
    """How a check fails on a store, and why that is the store's doing."""

    reason: str
    error: type[BaseException]
    match: str
    """A regular expression for the error's text."""


_NEVER_RAISED: tuple[type[BaseException], str] = (pytest.fail.Exception, "DID NOT RAISE")

REFUSED_KEYS: dict[str, frozenset[str]] = {
    # "Object name contains unsupported characters": they are paths of plain files there.
    "rclone": frozenset(
        {
            "double slash",
            "leading slash",
            "dot segment",
            "dot dot segment",
            "leading dot dot",
            "dot dots only",
            "dot only",
        }
    ),
}
"""By endpoint, the keys (as named in `tests.conformance.keys.KEYS`) that it refuses; all others it takes exactly."""

_NORMALISES = "its file layer finds a name by any Unicode normalisation of it; the file on disk has the exact one"

KNOWN_LIMITS: dict[tuple[str, str], KnownLimit] = {
    ("rclone", "the_key_is_exact_or_refused[NFC]"): KnownLimit(
        _NORMALISES, AssertionError, r"also found as \['.*e\\u0301.txt'\]"
    ),
    ("rclone", "the_key_is_exact_or_refused[NFD]"): KnownLimit(
        _NORMALISES, AssertionError, r"also found as \['.*\\xe9.txt'\]"
    ),
    ("rclone", "the_key_is_exact_or_refused[slash at the end]"): KnownLimit(
        "the object is the plain file of that name without the slash", AssertionError, r"also found as \['.*/folder'\]"
    ),
    ("moto", "a_wrong_secret_is_refused"): KnownLimit("it does not look at signatures", *_NEVER_RAISED),
}
"""By endpoint and check."""
