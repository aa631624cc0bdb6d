"""Every check against every endpoint."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from aios3.testing import S3Server
from aios3.testing.stores import STORES, is_available
from tests.conformance import contents, endings, housekeeping, keys  # noqa: F401 - importing them adds their checks
from tests.conformance.endpoints import (
    BUCKET,
    CONFIGURED,
    SERVER_NAMES,
    Endpoint,
    RealStores,
    is_configured,
    server_endpoint,
)
from tests.conformance.known_limits import KNOWN_LIMITS
from tests.conformance.matrix import CONFORMANCE
from tests.conformance.registry import CHECKS

NAMES = [
    *SERVER_NAMES,
    *(pytest.param(name, marks=pytest.mark.store) for name in (*STORES, *([CONFIGURED] if is_configured() else []))),
]


@pytest.fixture(scope="session")
def real_stores() -> Iterator[RealStores]:
    with RealStores() as stores:
        yield stores


@pytest.fixture
async def endpoint(request: pytest.FixtureRequest, real_stores: RealStores) -> AsyncIterator[Endpoint]:
    name = request.param
    if name in SERVER_NAMES:
        async with S3Server(provider=SERVER_NAMES[name], buckets=(BUCKET,)) as server:
            yield server_endpoint(server, name)
            assert server.protocol_errors == []
            assert server.open_uploads == []
    elif name in STORES:
        _require(name)
        yield await real_stores.endpoint(name)
    else:
        endpoint = await real_stores.endpoint(name)
        yield endpoint
        await endpoint.tidy()


def _require(name: str) -> None:
    if not is_available(name):
        message = f"the programs of {name} are not installed"
        pytest.fail(message) if os.environ.get("AIOS3_REQUIRE_STORES") == "1" else pytest.skip(message)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("endpoint", NAMES, indirect=True)
async def test_conformance(endpoint: Endpoint, check: str, record_property: Callable[[str, object], None]) -> None:
    """The check passes, or fails in the very way that the table of known limits says."""
    limit = KNOWN_LIMITS.get((endpoint.name, check))
    known = {"endpoint": endpoint.name, "version": endpoint.version, "provider": endpoint.provider, "check": check}
    record_property(CONFORMANCE, {**known, "reason": limit.reason if limit else ""})
    if limit is None:
        await CHECKS[check](endpoint)
        return
    with pytest.raises(limit.error, match=limit.match):
        await CHECKS[check](endpoint)


def test_the_table_of_known_limits_names_what_exists() -> None:
    """An entry for a check or an endpoint that was renamed would be believed for ever."""
    names = {*SERVER_NAMES, *STORES, CONFIGURED}
    assert {endpoint for endpoint, _ in KNOWN_LIMITS} <= names
    assert {check for _, check in KNOWN_LIMITS} <= set(CHECKS)
