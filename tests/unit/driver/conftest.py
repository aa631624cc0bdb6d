"""Objects that tests of downloads read, and places where drivers keep what they left open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aios3 import S3StorageDriver, TransferConfig
from aios3.testing import S3Server
from tests.conftest import MakeDriver
from tests.support.driver_scenes import CONTENT, KEY


@pytest.fixture(params=[len(CONTENT), 700], ids=["multipart", "single"])
async def stored(request: pytest.FixtureRequest, server: S3Server, driver: S3StorageDriver) -> bytes:
    """The content of an object named `KEY`. The requests that made it are forgotten."""
    content = CONTENT[: request.param]
    attributes = {"content_type": "text/x", "metadata": {"Name": "é", "plain": "x"}}
    await driver.upload_object_via_stream(content, "bucket", KEY, **attributes)
    server.requests.clear()
    return content


@pytest.fixture
async def large(server: S3Server, make_driver: MakeDriver) -> bytes:
    """The 8 MB of an object named ``large``, more than any buffer holds. No connection is left from their upload."""
    content = os.urandom(8_000_000)
    async with make_driver(transfer=TransferConfig()) as uploader:
        await uploader.upload_object_via_stream(content, "bucket", "large")
    await server.wait_for(lambda server: server.open_connections == 0)
    server.requests.clear()
    return content


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Directory of the journals of a test's drivers."""
    return tmp_path / "journal"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of five parts and a rest."""
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    return file
