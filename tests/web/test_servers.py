"""Real servers: clients that vanish, clients that upload on after a 413, and SIGTERM while uploads run."""

from __future__ import annotations

import asyncio

import pytest

from .servers import STEPS, measure

SAMPLE = {"granian": STEPS, "gunicorn": STEPS, "hypercorn": ("vanish", "SIGTERM")}
"""Steps by server. ``tests/robustness/test_shutdown.py`` has uvicorn. After a 413 hypercorn may wait for its own
timeout, as ``docs/shutdown.md`` says."""


@pytest.mark.timeout(180)
async def test_no_server_logs_a_traceback_or_leaves_a_plain_upload_open(tmp_path):
    """Behind Starlette's middleware. An unfinished resumable upload stays open, because its client may come back."""
    measured = [measure(server, "behind", tmp_path / server, steps) for server, steps in SAMPLE.items()]
    for found in await asyncio.gather(*measured):
        assert found.tracebacks() == 0, found.log
        assert not [line for lines in found.log.values() for line in lines if "failed" in line]
        assert found.open_after == {"vanished": ["resumable"], "SIGTERM": ["resumable", "resumable"]}
        assert [found.statuses[name] for name in ("short", "long", "resumable")] == [200, 503, 503]
        assert found.statuses.get("413 reading", (413,))[0] in (413, None)  # a reset may overtake the response
