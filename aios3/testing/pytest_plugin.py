"""Pytest fixture ``s3_server``, enabled by ``pytest_plugins = ["aios3.testing.pytest_plugin"]``.

The fixture is synchronous, and its server runs in a thread of its own. It works in tests without an event loop, and
with every mode of every plugin that runs coroutines.
"""

from __future__ import annotations

from collections.abc import Iterator

from aios3._extras import of_extra
from aios3.testing.server.server import S3Server

with of_extra("testing", "pytest"):
    import pytest

__all__ = ["s3_server"]


@pytest.fixture
def s3_server() -> Iterator[S3Server]:
    """Run a server with one bucket, ``"bucket"``, during one test."""
    with S3Server() as server:
        yield server
