"""Tasks of the workers, called without a cluster."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from aios3 import ConfigurationError, DriverClosedError, StorageError, TransferConfig
from aios3.dask._cluster.batches import upload_batch
from aios3.dask._cluster.calls import refuse_attributes
from aios3.dask._cluster.pieces import produce, send_shared_part
from aios3.dask._cluster.workers import DriverPlugin, end_call, run_in_call
from tests.conftest import PART


@pytest.fixture
async def call(make_driver):
    """Name of a call whose plugin two workers of this loop have."""
    plugin = DriverPlugin("call", make_driver)
    plugin.setup("worker 1")
    plugin.setup("worker 2")
    yield "call"
    await end_call("call")


async def test_a_driver_is_open_until_the_last_worker_of_the_loop_is_gone(call):
    async def driver_of(driver):
        return driver

    first = await run_in_call(call, driver_of)
    await DriverPlugin(call, None).teardown("worker 1")
    assert await run_in_call(call, driver_of) is first
    await DriverPlugin(call, None).teardown("worker 2")
    assert first._closed.is_set()
    with pytest.raises(DriverClosedError):
        await run_in_call(call, driver_of)
    await end_call(call)


async def test_the_end_of_a_call_stops_its_tasks_without_a_cancellation(call):
    """The engine runs tasks in a task of its own, which must survive."""
    task = asyncio.create_task(produce(call, forever))
    await asyncio.sleep(0)
    await end_call(call)
    with pytest.raises(DriverClosedError):
        await task


async def forever():
    yield b"x"
    await asyncio.Event().wait()


async def test_a_file_that_a_producer_opens_is_closed(call, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert await produce(call, lambda: path.open("rb")) == b"x" * 100  # else a ResourceWarning fails the test


async def test_the_only_part_of_an_empty_object_is_empty(call, driver, server):
    upload = await driver.create_multipart_upload("bucket", "key", transfer=TransferConfig(part_size=PART))
    sent = await send_shared_part(call, upload, 1)
    assert [(part.number, part.size) for part in sent.parts] == [(1, 0)]
    await driver.abort_multipart_upload(upload)


async def test_errors_of_a_batch_can_be_pickled(call, tmp_path):
    class LocalError(Exception):
        pass

    class BadPath:
        def __fspath__(self):
            raise LocalError("no path")

    batch = await upload_batch(call, "bucket", [(BadPath(), "key")], 1, 0, False, {})
    (failure,) = pickle.loads(pickle.dumps([each.error for each in batch.failures]))
    assert isinstance(failure, StorageError)
    assert "LocalError('no path')" in str(failure)


def test_a_refused_attribute_is_named_with_its_reason():
    refuse_attributes({"acl": "private"}, {"if_match": "why"})
    with pytest.raises(ConfigurationError, match=r"if_match .* why"):
        refuse_attributes({"if_match": "x"}, {"if_match": "why"})
