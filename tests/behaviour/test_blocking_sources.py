"""Sources that block or raise unusual errors: the whole object or none, and no open upload."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import aiofiles
import pytest

from aios3 import ConfigurationError, StorageError, TransferConfig
from aios3.testing import Fault
from tests.conftest import PART
from tests.support.sweep import CONTENT, by_stream, by_writer


def assert_nothing_is_there(server):
    assert dict(server.objects) == {}
    assert server.open_uploads == []


# errors


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


ERRORS: list[Callable[[], BaseException]] = [
    lambda: FrozenError(7),
    concurrent.futures.CancelledError,
    concurrent.futures.TimeoutError,
    concurrent.futures.InvalidStateError,
    asyncio.CancelledError,
    GeneratorExit,
    lambda: TimeoutError(110, "timed out"),
    KeyboardInterrupt,
    lambda: SystemExit(3),
    StopAsyncIteration,
    lambda: StorageError("the caller's"),
    lambda: ExceptionGroup("several", [ValueError("one")]),
]
NAMES = ["frozen", "futures' cancelled", "futures' timeout", "futures' state", "asyncio's cancelled", "generator exit",
         "timeout", "interrupt", "exit", "stop", "ours", "group"]  # fmt: skip


class Reader:
    """Reader that gives some bytes, then raises."""

    def __init__(self, error, size):
        self.error = error
        self.left = size

    def read(self, count):
        if not self.left:
            raise self.error
        count = min(count, self.left, 1500)
        self.left -= count
        return bytes(count)

    def chunks(self):
        while chunk := self.read(1500):
            yield chunk


class Iterable:
    """Iterator that is no generator."""

    def __init__(self, reader):
        self._reader = reader

    def __iter__(self):
        return self

    def __next__(self):
        return self._reader.read(1500)


async def in_one_request(driver, source):
    transfer = TransferConfig(part_size=PART, mechanism="stream")
    await driver.upload_object_via_stream(source, "bucket", "key", size=10 * PART, transfer=transfer)


@pytest.mark.parametrize("make_error", ERRORS, ids=NAMES)
@pytest.mark.parametrize("size", [0, 100, 3 * PART + 10], ids=["at once", "in the first part", "later"])
@pytest.mark.parametrize("make_source", [lambda reader: reader, Iterable, Reader.chunks], ids=["read", "next", "yield"])
@pytest.mark.parametrize("upload", [by_stream, by_writer, in_one_request])
async def test_an_error_of_a_blocking_source_is_raised_unchanged(server, driver, make_error, size, make_source, upload):
    """The same object, even of a type with a meaning for asyncio. Nothing is committed and nothing stays open."""
    error = make_error()
    seen: BaseException | None = None
    try:
        await upload(driver, make_source(Reader(error, size)))
    except BaseException as caught:
        seen = caught
    assert seen is error
    assert_nothing_is_there(server)


@pytest.mark.parametrize("make_source", [lambda reader: reader, Reader.chunks], ids=["read", "yield"])
async def test_a_stop_iteration_of_a_reader_is_a_runtime_error(server, driver, make_source):
    """As in a generator. In an iterator it is the end."""
    error = StopIteration()
    with pytest.raises(RuntimeError) as caught:
        await by_stream(driver, make_source(Reader(error, 2 * PART)))
    assert caught.value.__cause__ is error
    assert_nothing_is_there(server)


@pytest.mark.parametrize("error", [FrozenError(1), GeneratorExit(), StopIteration(), StopAsyncIteration()], ids=repr)
async def test_any_error_in_an_upload_block_aborts_and_is_raised(server, driver, error):
    """The same object, even if it accepts no note."""
    seen: BaseException | None = None
    try:
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write(bytes(2 * PART))
            raise error
    except BaseException as caught:
        seen = caught
    assert seen is error
    assert_nothing_is_there(server)


async def test_a_frozen_error_of_an_async_source_is_raised_although_its_close_fails(server, driver):
    """The error of the close cannot be noted on it."""
    error = FrozenError(1)

    class Source:
        async def __aiter__(self):
            yield bytes(2 * PART)
            raise error

        async def aclose(self):
            raise ValueError("closing")

    with pytest.raises(FrozenError) as caught:
        await by_stream(driver, Source())
    assert caught.value is error
    assert_nothing_is_there(server)


# threads


class Stalled:
    """Source that gives more than a part, then nothing until it is released."""

    def __init__(self):
        self.release = threading.Event()
        self.is_stalled = threading.Event()
        self.gave = 0

    def read(self, count):
        if self.gave > 2 * PART:
            self.is_stalled.set()
            self.release.wait(30)
            return b""
        self.gave += count
        return bytes(count)

    def __iter__(self):
        raise AssertionError


class StalledIterator(Stalled):
    read = None  # type: ignore[assignment]

    def __iter__(self):
        while chunk := Stalled.read(self, 1000):
            yield chunk


async def until_set(event):
    async with asyncio.timeout(10):
        while not event.is_set():
            await asyncio.sleep(0.005)


@pytest.fixture
async def taken_threads():
    """Block all threads of the loop's default executor."""
    busy, threads = threading.Event(), ThreadPoolExecutor(2)
    asyncio.get_running_loop().set_default_executor(threads)
    for _ in range(2):
        threads.submit(busy.wait)
    yield
    busy.set()


@pytest.mark.usefixtures("taken_threads")
@pytest.mark.parametrize("kind", [Stalled, StalledIterator])
async def test_stalled_blocking_sources_delay_no_other_upload(server, driver, tmp_path, kind):
    """Even if the loop's threads are all blocked. A cancelled upload is aborted at once."""
    sources = [kind() for _ in range(6)]
    uploads = [
        asyncio.create_task(driver.upload_object_via_stream(source, "bucket", f"stalled-{number}"))
        for number, source in enumerate(sources)
    ]
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    try:
        for source in sources:
            await until_set(source.is_stalled)
        async with asyncio.timeout(10):
            await driver.upload_object_via_stream([CONTENT * 40], "bucket", "async", transfer=TransferConfig())
            await driver.upload_object_via_stream(io.BytesIO(CONTENT), "bucket", "blocking")
            await driver.upload_object(path, "bucket", "file")
            assert len(server.open_uploads) == 6
            for upload in uploads:
                upload.cancel()
            await asyncio.wait(uploads)
        assert all(upload.cancelled() for upload in uploads)
        assert server.open_uploads == []
        assert {key for _, key in server.objects} == {"async", "blocking", "file"}
    finally:
        for source in sources:
            source.release.set()


@pytest.mark.usefixtures("taken_threads")
async def test_an_upload_of_a_pipe_without_a_writer_can_be_cancelled(server, driver, tmp_path):
    """While the pipe is opened, and while it is read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opening = asyncio.create_task(driver.upload_object(pipe, "bucket", "key"))
    await asyncio.sleep(0.05)
    opening.cancel()
    await asyncio.wait({opening})
    assert opening.cancelled()
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, CONTENT[: 3 * PART])
    reading = asyncio.create_task(driver.upload_object(pipe, "bucket", "key"))
    await server.wait_for(lambda s: len(s.requests) >= 2)
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()
    assert_nothing_is_there(server)
    os.close(writer)


class SlowFile(io.BytesIO):
    """File whose second read can block."""

    def __init__(self, content):
        super().__init__(content)
        self.reads = 0
        self.may_read = threading.Event()
        self.is_reading = threading.Event()

    def read(self, size=-1):
        self.reads += 1
        if self.reads == 2:
            self.is_reading.set()
            self.may_read.wait(30)
        return super().read(size)


async def end_in_a_read(driver, source, file):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            upload = asyncio.ensure_future(until_set(file.is_reading))
            upload.add_done_callback(lambda _: limit.reschedule(asyncio.get_running_loop().time()))
            await by_stream(driver, source)


@pytest.mark.parametrize("wraps", [False, True], ids=["file", "of aiofiles"])
async def test_a_source_whose_blocking_read_still_runs_is_refused(server, driver, wraps):
    """The second upload would lack the bytes of that read. After the read it works, if the caller seeks back."""
    file = SlowFile(CONTENT)
    source: Any = aiofiles.threadpool.AsyncBufferedReader(file, None, None) if wraps else file  # type: ignore[attr-defined]
    await end_in_a_read(driver, source, file)
    assert_nothing_is_there(server)
    requests = len(server.requests)
    with pytest.raises(ConfigurationError, match="SlowFile, begun for an earlier upload, is still running"):
        await by_stream(driver, source)
    with pytest.raises(ConfigurationError, match="is still running"):
        async with driver.open_upload("bucket", "key") as upload:
            await upload.write_from(source)
    assert len(server.requests) == requests
    file.may_read.set()
    async with asyncio.timeout(10):
        while True:
            try:
                file.seek(0)
                await by_stream(driver, source)
                break
            except ConfigurationError:
                await asyncio.sleep(0.001)
    assert server.objects["bucket", "key"].body == CONTENT


# what was opened


class Opened:
    """Iterable that records where each of its generators ended."""

    def __init__(self):
        self.ended_in: list[str] = []

    def _end(self):
        self.ended_in.append(threading.current_thread().name)


class OpenedInLoop(Opened):
    async def __aiter__(self):
        try:
            while True:
                await asyncio.sleep(0)
                yield bytes(1000)
        finally:
            await asyncio.sleep(0)
            self._end()


class OpenedInThread(Opened):
    def __iter__(self):
        try:
            while True:
                yield bytes(1000)
        finally:
            self._end()


class OpenedByHand(Opened):
    """Iterable whose iterator is no generator, but has `close`."""

    def __iter__(self):
        source = self

        class Iterating:
            def __iter__(self):
                return self

            def __next__(self):
                return bytes(1000)

            def close(self):
                source._end()

        return Iterating()


@pytest.mark.parametrize(
    ("make", "thread"), [(OpenedInLoop, "MainThread"), (OpenedInThread, "aios3-source"), (OpenedByHand, "aios3-source")]
)
@pytest.mark.parametrize("upload", [by_stream, by_writer])
@pytest.mark.parametrize("ending", ["refused", "cancelled", "too long"])
async def test_the_iterator_of_an_object_is_closed_when_the_call_ends(server, driver, make, thread, upload, ending):
    """Its ``finally`` runs in the thread that read it."""
    source = make()
    if ending == "too long":
        with pytest.raises(StorageError):
            await driver.upload_object_via_stream(source, "bucket", "key", max_size=2 * PART)
    else:
        if ending == "refused":
            server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
        task = asyncio.create_task(upload(driver, source))
        await server.wait_for(lambda s: any(r.operation == "UploadPart" for r in s.requests))
        if ending == "cancelled":
            server.hold("UploadPart")
            await asyncio.sleep(0.05)
            task.cancel()
        await asyncio.wait({task})
        server.release("UploadPart")
        assert task.cancelled() or isinstance(task.exception(), StorageError)
    assert_nothing_is_there(server)
    async with asyncio.timeout(10):
        while not source.ended_in:  # a call that still runs in the thread is not waited for
            await asyncio.sleep(0.001)
    assert source.ended_in == [thread]
