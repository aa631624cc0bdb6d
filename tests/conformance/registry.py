"""What a check is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.conformance.endpoints import Endpoint

__all__ = ["CHECKS", "Check", "check"]

Check = Callable[[Endpoint], Awaitable[None]]

CHECKS: dict[str, Check] = {}
"""Every check by name, in the order of their definition. It passes by returning."""


def check(function: Check) -> Check:
    """Add a function to the checks; its name is the promise."""
    CHECKS[function.__name__] = function  # type: ignore[attr-defined]
    return function
