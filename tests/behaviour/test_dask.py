"""One object, and many files, from the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import random
import signal
from functools import partial

import pytest
from distributed import Client, Future

from aios3 import AccessDeniedError, ConfigurationError, SizeMismatchError, StorageError
from aios3.dask import upload_files, upload_from_workers
from aios3.dask._cluster import workers
from aios3.testing import Fault
from tests.conftest import PART
from tests.support.clusters import SECRET, StoreDriver, cluster_in_loop, worker_process
from tests.support.driver_scenes import operations


@pytest.fixture
async def cluster():
    async with cluster_in_loop() as (scheduler, client):
        yield scheduler, client


@pytest.fixture
def client(cluster):
    return cluster[1]


@pytest.fixture
def factory(server):
    return StoreDriver.of(server, PART)


@pytest.fixture
def upload(client, factory):
    """`upload_from_workers` to ``bucket/key``."""
    return partial(upload_from_workers, client, factory, "bucket", "key")


def assert_nothing_remains(server):
    assert server.store.uploads == {}
    assert workers._workplaces == {}
    assert all(driver._closed.is_set() for driver in StoreDriver.made)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def in_chunks(content):
    for start in range(0, len(content), 700):
        yield content[start : start + 700]


async def in_async_chunks(content):
    for chunk in in_chunks(content):
        yield chunk


async def from_coroutine(content):
    return content


def in_one_buffer(content):
    buffer = bytearray()
    for chunk in in_chunks(content):
        buffer[:] = chunk  # also of another size
        yield buffer


PRODUCERS = [in_chunks, in_async_chunks, from_coroutine, in_one_buffer, bytes, io.BytesIO]


def pieces_of(*sizes):
    return [random.Random(index).randbytes(size) for index, size in enumerate(sizes)]


# one object


@pytest.mark.parametrize("knows_sizes", [True, False])
@pytest.mark.parametrize("sizes", [(), (300, 200, 2 * PART, 0, 700, 5000, 1, 1), (100,) * 12, (PART, 2 * PART)])
async def test_pieces_of_any_sizes_make_one_object_and_each_part_is_sent_once(server, upload, sizes, knows_sizes):
    pieces = pieces_of(*sizes)
    producers = [partial(PRODUCERS[index % len(PRODUCERS)], piece) for index, piece in enumerate(pieces)]
    reports = []
    receipt = await upload(
        producers, sizes=sizes if knows_sizes else None, content_type="text/plain", on_progress=reports.append
    )
    found = server.objects["bucket", "key"]
    assert found.body == b"".join(pieces)
    assert found.headers["content-type"] == "text/plain"
    assert (receipt.size, receipt.etag) == (sum(sizes), found.etag.strip('"'))
    assert operations(server).count("UploadPart") == max(1, -(-sum(sizes) // PART))
    stored = [report.bytes_stored for report in reports]
    assert stored == sorted(stored)
    assert stored[-1] == reports[-1].bytes_durable == sum(sizes)
    assert_nothing_remains(server)


async def test_each_loop_makes_one_driver_and_no_secret_travels(server, cluster, upload, factory):
    """Two workers share the loop of the caller; the caller has a driver of its own."""
    scheduler, _ = cluster
    task = asyncio.create_task(upload([partial(bytes, 3000), wait_for_ever], sizes=[3000, 3001]))
    await until(lambda: operations(server).count("UploadPart") > 3)
    tasks = [pickle.dumps(state.run_spec) for state in scheduler.tasks.values()]
    plugins = list(scheduler.worker_plugins.values())
    task.cancel()
    await asyncio.wait({task})
    assert len(StoreDriver.made) == 2
    assert len(tasks) > 2
    assert not [text for text in (*tasks, *plugins) if os.environ[SECRET].encode() in text]
    named = [text for text in (*tasks, *plugins) if factory.access_key_id.encode() in text]
    assert named == [text for text in plugins if b"StoreDriver" in text]
    assert len(named) == 1
    assert not [text for text in scheduler.worker_plugins.values() if b"StoreDriver" in text]


def fail(content=b"x" * 3000):
    yield content
    raise KeyError("of the producer")


async def wait_for_ever():
    yield b"x" * 3000
    await asyncio.Event().wait()


def refuse(_):
    raise ValueError("of the callback")


@pytest.mark.parametrize("knows_sizes", [True, False])
@pytest.mark.parametrize(
    ("producer", "options", "error"),
    [
        (fail, {}, KeyError),
        (lambda: "text", {}, TypeError),
        (partial(bytes, 3000), {"before_commit": refuse}, ValueError),
        (partial(bytes, 3000), {"on_progress": refuse}, ValueError),
    ],
)
async def test_a_failure_is_raised_unchanged_and_leaves_nothing(server, upload, producer, options, error, knows_sizes):
    producers = [partial(bytes, 3000), producer, *([] if options else [wait_for_ever])]
    with pytest.raises(error) as caught:
        await upload(producers, sizes=[3000] * len(producers) if knows_sizes else None, **options)
    assert "was aborted" in caught.value.__notes__[-1]
    assert server.objects == {}
    assert_nothing_remains(server)


@pytest.mark.parametrize("given", [2999, 3001, 9000])
async def test_a_piece_of_another_size_than_declared_is_refused(server, upload, given):
    with pytest.raises(SizeMismatchError, match="producer 1 gave"):
        await upload([partial(bytes, 3000), partial(bytes, given)], sizes=[3000, 3000])
    assert server.objects == {}
    assert_nothing_remains(server)


async def test_an_error_of_the_store_on_a_worker_reaches_the_caller(server, upload):
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=100))
    with pytest.raises(AccessDeniedError):
        await upload([partial(bytes, 3000)])
    assert server.objects == {}
    assert_nothing_remains(server)


@pytest.mark.parametrize("knows_sizes", [True, False])
async def test_a_cancelled_call_stops_the_workers_before_it_aborts(server, upload, knows_sizes):
    stall = Fault("stall_before", "UploadPart", part_number=2)
    server.faults.add(stall)
    task = asyncio.create_task(upload([partial(bytes, 3000), wait_for_ever], sizes=[3000] * 2 if knows_sizes else None))
    await until(lambda: "UploadPart" in operations(server))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert operations(server)[-2:] == ["AbortMultipartUpload", "ListParts"]
    assert server.objects == {}
    assert_nothing_remains(server)


async def test_tasks_that_the_cluster_drops_are_an_error_and_no_cancellation(server, client, upload):
    """Otherwise a task group would take the failure for its own cancellation, and ignore it."""
    task = asyncio.create_task(upload([wait_for_ever], sizes=[3001]))
    await until(lambda: "UploadPart" in operations(server))
    await client.cancel([Future(key, client) for key in client.futures])
    with pytest.raises(StorageError, match="the cluster dropped a task"):
        await task
    assert_nothing_remains(server)


async def test_a_blocking_client_of_another_loop_lends_its_scheduler(server, cluster, factory):
    client = await asyncio.to_thread(Client, cluster[0].address, set_as_default=False)
    try:
        receipt = await upload_from_workers(client, factory, "bucket", "key", [partial(bytes, 3000)])
    finally:
        await asyncio.to_thread(client.close)
    assert receipt.size == 3000


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"producers": [b"x"]}, TypeError),
        ({"producers": [bytes], "sizes": [1, 2]}, ConfigurationError),
        ({"producers": [bytes], "sizes": [-1]}, ConfigurationError),
        ({"producers": [bytes], "sse_customer_key": b"k" * 32}, ConfigurationError),
        ({"producers": [bytes], "colour": "red"}, TypeError),
    ],
)
async def test_wrong_arguments_are_refused_before_a_request(server, upload, arguments, error):
    with pytest.raises(error):
        await upload(**arguments)
    assert server.requests == []


def kill_own_worker_once(marker, content):
    yield content[:2000]
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield content[2000:]


async def test_a_killed_worker_is_replaced_and_the_object_is_exact(server, factory, tmp_path):
    """The new process gets the plugin too, and makes a driver of its own."""
    pieces, marker = pieces_of(5000, 300, 5000), tmp_path / "killed"
    producers = [*(partial(in_chunks, piece) for piece in pieces[:2]), partial(kill_own_worker_once, marker, pieces[2])]
    sizes = [len(piece) for piece in pieces]
    async with cluster_in_loop(workers=0) as (scheduler, client), worker_process(scheduler):
        await upload_from_workers(client, factory, "bucket", "key", producers, sizes=sizes)
    assert marker.exists()
    assert server.objects["bucket", "key"].body == b"".join(pieces)
    assert_nothing_remains(server)


# many files


@pytest.fixture
def files(tmp_path):
    """Twenty files and their keys."""
    pairs = [(tmp_path / f"{number}.bin", f"a//{number}") for number in range(20)]
    for number, (path, _) in enumerate(pairs):
        path.write_bytes(bytes([number]) * 100 * number)
    return pairs


def files_by_key(files):
    return {("bucket", key): path.read_bytes() for path, key in files}


async def in_turn(items):
    for item in items:
        yield item


@pytest.mark.parametrize("kind", [list, iter, in_turn])
async def test_every_file_becomes_its_object(server, client, factory, files, kind):
    reports, receipts = [], []
    done = await upload_files(
        client,
        factory,
        kind(files),
        "bucket",
        batch_size=3,
        on_progress=reports.append,
        on_receipt=receipts.append,
        content_type="text/plain",
    )
    assert {place: found.body for place, found in server.objects.items()} == files_by_key(files)
    assert {found.headers["content-type"] for found in server.objects.values()} == {"text/plain"}
    assert (done.files, done.size, done.failures) == (20, sum(range(20)) * 100, ())
    assert reports[-1] == done
    assert sorted(receipt.key for receipt in receipts) == sorted(key for _, key in files)
    assert_nothing_remains(server)


async def test_pairs_are_read_as_the_work_proceeds(server, client, factory, files):
    """Two workers of one thread have at most two batches each, so 8 pairs."""
    stored_at_reading = []

    def pairs():
        for pair in files:
            stored_at_reading.append(len(server.objects))
            yield pair

    await upload_files(client, factory, pairs(), "bucket", batch_size=2)
    assert all(read - stored < 12 for read, stored in enumerate(stored_at_reading))  # and two batches on their way


async def test_a_file_that_fails_is_the_error_unless_it_is_allowed(server, client, factory, files, tmp_path):
    missing = (tmp_path / "missing", "gone")
    with pytest.raises(FileNotFoundError) as caught:
        await upload_files(client, factory, [missing], "bucket")
    assert "'gone'" in caught.value.__notes__[-1]
    done = await upload_files(client, factory, [missing, *files], "bucket", batch_size=50, max_failures=1)
    (failure,) = done.failures
    assert (done.files, failure.path, failure.key) == (20, str(missing[0]), "gone")
    assert isinstance(failure.error, FileNotFoundError)
    assert_nothing_remains(server)


async def test_a_cancelled_fleet_leaves_no_upload(server, client, factory, files):
    files[10][0].write_bytes(b"x" * 5000)
    server.faults.add(Fault("stall_before", "UploadPart"))
    task = asyncio.create_task(upload_files(client, factory, files, "bucket"))
    await until(lambda: "UploadPart" in operations(server))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_nothing_remains(server)


@pytest.mark.parametrize(
    "options",
    [
        {"if_none_match": "*"},
        {"if_match": '"etag"'},
        {"sse_customer_key": b"k" * 32},
        {"batch_size": 0},
        {"files_at_once": 0},
        {"max_failures": -1},
    ],
)
async def test_what_a_second_run_would_spoil_is_refused(server, client, factory, files, options):
    with pytest.raises(ConfigurationError):
        await upload_files(client, factory, files, "bucket", **options)
    assert server.requests == []
