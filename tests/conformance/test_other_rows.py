"""Every check against the test server as every row of the provider table that has one host, or any."""

from __future__ import annotations

import pytest

from aios3 import PROVIDERS
from tests.conformance import contents, endings, housekeeping, keys  # noqa: F401 - importing them adds their checks
from tests.conformance.registry import CHECKS
from tests.conformance.rows import OTHER_ROWS, row_endpoint
from tests.conformance.running import RecordProperty, run_check


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("row", OTHER_ROWS)
async def test_conformance(row: str, check: str, record_property: RecordProperty) -> None:
    async with row_endpoint(PROVIDERS[row]) as endpoint:
        await run_check(endpoint, check, record_property)
