"""A pytest fixture: enable it with ``pytest_plugins = ["aios3.testing.pytest_plugin"]``.

It is a plain fixture, and the server runs in a thread of its own. So it serves tests without an event loop, and tests
of any plugin that runs coroutines, in each of its modes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aios3.testing.server.server import S3Server

__all__ = ["s3_server"]


@pytest.fixture
def s3_server() -> Iterator[S3Server]:
    """Run a server with one bucket, ``"bucket"``, for the time of one test."""
    with S3Server() as server:
        yield server
