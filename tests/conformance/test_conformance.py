"""Every check against every store that others wrote."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conformance import contents, endings, housekeeping, keys  # noqa: F401 - importing them adds their checks
from tests.conformance.endpoints import CONFIGURED, Endpoint, RealStores, is_configured
from tests.conformance.known_limits import KNOWN_LIMITS
from tests.conformance.registry import CHECKS
from tests.conformance.running import RecordProperty, run_check
from tests.stores.stores import STORES, is_available

pytestmark = pytest.mark.store

NAMES = [*STORES, *([CONFIGURED] if is_configured() else [])]


@pytest.fixture(scope="session")
def real_stores() -> Iterator[RealStores]:
    with RealStores() as stores:
        yield stores


@pytest.fixture
async def endpoint(request: pytest.FixtureRequest, real_stores: RealStores) -> AsyncIterator[Endpoint]:
    if request.param in STORES:
        _require(request.param)
    endpoint = await real_stores.endpoint(request.param)
    yield endpoint
    if request.param == CONFIGURED:
        await endpoint.tidy()


def _require(name: str) -> None:
    if not is_available(name):
        message = f"the programs of {name} are not installed"
        pytest.fail(message) if os.environ.get("AIOS3_REQUIRE_STORES") == "1" else pytest.skip(message)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("endpoint", NAMES, indirect=True)
async def test_conformance(endpoint: Endpoint, check: str, record_property: RecordProperty) -> None:
    await run_check(endpoint, check, record_property)


def test_the_table_of_known_limits_names_what_exists() -> None:
    """An entry for a check or an endpoint that was renamed would be believed for ever."""
    assert {endpoint for endpoint, _ in KNOWN_LIMITS} <= {*STORES, CONFIGURED}
    assert {check for _, check in KNOWN_LIMITS} <= set(CHECKS)
