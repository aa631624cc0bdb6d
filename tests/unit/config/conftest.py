"""What the tests of credentials share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.credential_stand_in import StandIn
from tests.support.fakes import FakeClock


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """An endpoint that gives credentials, on the loopback interface."""
    async with StandIn() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """Time that moves only when told to, or when somebody sleeps."""
    return FakeClock()
