"""A pytest fixture: enable it with ``pytest_plugins = ["aios3.testing.pytest_plugin"]``.

It is an asynchronous fixture, so it needs a plugin that runs those, for example pytest-asyncio in its auto mode.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aios3.testing.server import S3Server

__all__ = ["s3_server"]


@pytest.fixture
async def s3_server() -> AsyncIterator[S3Server]:
    """Run a server with one bucket, ``"bucket"``, for the time of one test."""
    async with S3Server() as server:
        yield server
