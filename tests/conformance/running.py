"""How one check is run on one endpoint, and what the matrix is told of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.endpoints import Endpoint
from tests.conformance.known_limits import KNOWN_LIMITS
from tests.conformance.matrix import CONFORMANCE
from tests.conformance.registry import CHECKS

__all__ = ["RecordProperty", "run_check"]

RecordProperty = Callable[[str, object], None]


async def run_check(endpoint: Endpoint, check: str, record_property: RecordProperty) -> None:
    """Run the check; it passes, or fails in the very way that the table of known limits says."""
    limit = KNOWN_LIMITS.get((endpoint.name, check))
    known = {"endpoint": endpoint.name, "version": endpoint.version, "provider": endpoint.provider, "check": check}
    record_property(CONFORMANCE, {**known, "reason": limit.reason if limit else ""})
    if limit is None:
        await CHECKS[check](endpoint)
        return
    with pytest.raises(limit.error, match=limit.match):
        await CHECKS[check](endpoint)
