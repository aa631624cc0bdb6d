"""A store in a thread, and filesystems on it: fsspec has an event loop of its own.

The battery of fsspec takes half a minute, so a run takes a sample of it. ``python -m tests.unit.fsspec`` takes all.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("fsspec")

from aios3.fsspec import Aios3FileSystem
from aios3.fsspec.files import WriteFile
from aios3.providers import Provider
from aios3.testing import S3Server
from tests.conftest import PART

_EVERY = 12
"""One test of the battery in so many is taken."""

MakeFileSystem = Callable[..., Aios3FileSystem]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave most of the battery out, unless all is asked for."""
    battery = [item for item in items if item.path.name == "test_battery.py"]
    if "AIOS3_WHOLE_BATTERY" not in os.environ and not any("::" in arg for arg in config.args):
        left_out = {item for number, item in enumerate(battery) if number % _EVERY}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def options_for(server: S3Server) -> dict[str, Any]:
    """Return storage options for small parts and no waits, as a configuration file could have them."""
    return {
        "provider": server.store.provider,
        "endpoint_url": server.endpoint_url,
        "region": server.region,
        "credentials": {
            "access_key_id": server.credentials.access_key_id,
            "secret_access_key": server.credentials.secret_access_key,
        },
        "transfer": {"part_size": PART, "concurrency": 4},
        "retry": {"base_delay": 0, "throttle_base_delay": 0},
    }


@pytest.fixture
def store(small_provider: Provider) -> Iterator[S3Server]:
    """A store with one bucket, ``"bucket"``, in a thread."""
    with S3Server(small_provider) as running:
        yield running


@pytest.fixture
def make_fs(store: S3Server) -> Iterator[MakeFileSystem]:
    """Make filesystems on `store`, which are closed after the test."""
    made: list[Aios3FileSystem] = []

    def make(**options: Any) -> Aios3FileSystem:
        made.append(Aios3FileSystem(**(options_for(store) | options)))
        return made[-1]

    yield make
    for each in made:
        if not each.asynchronous:
            each.close()
    Aios3FileSystem.clear_instance_cache()


@pytest.fixture
def fs(make_fs: MakeFileSystem) -> Aios3FileSystem:
    """A filesystem on `store`."""
    return make_fs()


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files pass on what fills a part, so that few bytes open a multipart upload."""
    monkeypatch.setattr(WriteFile, "DEFAULT_BLOCK_SIZE", PART)


def wait_for(store: S3Server, predicate: Callable[[S3Server], object]) -> None:
    """Wait until the store, which runs in a thread, is as `predicate` says."""
    asyncio.run(store.wait_for(predicate))
