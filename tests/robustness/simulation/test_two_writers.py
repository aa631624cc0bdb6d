"""Two requests at one resumable upload at once: exact, or a protocol error.

``python -m tests.robustness.simulation.two_writers SEED`` replays one schedule.
"""

from __future__ import annotations

import pytest

from .two_writers import PAIRS, simulate


@pytest.mark.parametrize("share", range(len(PAIRS)), ids=PAIRS)
def test_two_requests_at_once_never_mix_bytes(share: int) -> None:
    broken = [result for seed in range(share, 7 * len(PAIRS), len(PAIRS)) if (result := simulate(seed)).problems]
    assert not broken
