"""Sources that block, raise unusual errors or are of unusual kinds: the whole object or none, and no open upload."""

from __future__ import annotations

import array
import asyncio
import concurrent.futures
import ctypes
import io
import mmap
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiofiles
import pytest

from aios3 import ConfigurationError, S3StorageDriver, StorageError, TransferConfig
from aios3.testing import Fault, S3Server
from tests.support.sweep import CONTENT, PART, SMALL_PARTS


@pytest.fixture
async def server() -> AsyncIterator[S3Server]:
    async with S3Server(SMALL_PARTS) as server:
        yield server


@pytest.fixture
async def driver(server: S3Server) -> AsyncIterator[S3StorageDriver]:
    transfer = TransferConfig(part_size=PART, concurrency=2)
    async with S3StorageDriver(
        SMALL_PARTS,
        endpoint_url=server.endpoint_url,
        region=server.region,
        credentials=server.credentials,
        transfer=transfer,
    ) as driver:
        yield driver


def assert_nothing_is_there(server: S3Server) -> None:
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

    def __init__(self, error: BaseException, size: int) -> None:
        self.error = error
        self.left = size

    def read(self, count: int) -> bytes:
        if not self.left:
            raise self.error
        count = min(count, self.left, 1500)
        self.left -= count
        return bytes(count)

    def chunks(self) -> Iterator[bytes]:
        while chunk := self.read(1500):
            yield chunk


class Iterable:
    """Iterator that is no generator."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __iter__(self) -> Iterable:
        return self

    def __next__(self) -> bytes:
        return self._reader.read(1500)


async def by_stream(driver: S3StorageDriver, source: Any) -> None:
    await driver.upload_object_via_stream(source, "bucket", "key")


async def by_writer(driver: S3StorageDriver, source: Any) -> None:
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write_from(source)


async def in_one_request(driver: S3StorageDriver, source: Any) -> None:
    transfer = TransferConfig(part_size=PART, mechanism="stream")
    await driver.upload_object_via_stream(source, "bucket", "key", size=10 * PART, transfer=transfer)


@pytest.mark.parametrize("make_error", ERRORS, ids=NAMES)
@pytest.mark.parametrize("size", [0, 100, 3 * PART + 10], ids=["at once", "in the first part", "later"])
@pytest.mark.parametrize("make_source", [lambda reader: reader, Iterable, Reader.chunks], ids=["read", "next", "yield"])
@pytest.mark.parametrize("upload", [by_stream, by_writer, in_one_request])
async def test_an_error_of_a_blocking_source_is_raised_unchanged(
    server: S3Server,
    driver: S3StorageDriver,
    make_error: Callable[[], BaseException],
    size: int,
    make_source: Callable[[Reader], Any],
    upload: Callable[[S3StorageDriver, Any], Any],
) -> None:
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
async def test_a_stop_iteration_of_a_reader_is_a_runtime_error(
    server: S3Server, driver: S3StorageDriver, make_source: Callable[[Reader], Any]
) -> None:
    """As in a generator. In an iterator it is the end."""
    error = StopIteration()
    with pytest.raises(RuntimeError) as caught:
        await by_stream(driver, make_source(Reader(error, 2 * PART)))
    assert caught.value.__cause__ is error
    assert_nothing_is_there(server)


@pytest.mark.parametrize("error", [FrozenError(1), GeneratorExit(), StopIteration(), StopAsyncIteration()], ids=repr)
async def test_any_error_in_an_upload_block_aborts_and_is_raised(
    server: S3Server, driver: S3StorageDriver, error: BaseException
) -> None:
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


async def test_a_frozen_error_of_an_async_source_is_raised_although_its_close_fails(
    server: S3Server, driver: S3StorageDriver
) -> None:
    """The error of the close cannot be noted on it."""
    error = FrozenError(1)

    class Source:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield bytes(2 * PART)
            raise error

        async def aclose(self) -> None:
            raise ValueError("closing")

    with pytest.raises(FrozenError) as caught:
        await by_stream(driver, Source())
    assert caught.value is error
    assert_nothing_is_there(server)


# threads


class Stalled:
    """Source that gives more than a part, then nothing until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.is_stalled = threading.Event()
        self.gave = 0

    def read(self, count: int) -> bytes:
        if self.gave > 2 * PART:
            self.is_stalled.set()
            self.release.wait(30)
            return b""
        self.gave += count
        return bytes(count)

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError


class StalledIterator(Stalled):
    read = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[bytes]:
        while chunk := Stalled.read(self, 1000):
            yield chunk


async def until_set(event: threading.Event) -> None:
    async with asyncio.timeout(10):
        while not event.is_set():
            await asyncio.sleep(0.005)


@pytest.fixture
async def taken_threads() -> AsyncIterator[None]:
    """Block all threads of the loop's default executor."""
    busy, threads = threading.Event(), ThreadPoolExecutor(2)
    asyncio.get_running_loop().set_default_executor(threads)
    for _ in range(2):
        threads.submit(busy.wait)
    yield
    busy.set()


@pytest.mark.usefixtures("taken_threads")
@pytest.mark.parametrize("kind", [Stalled, StalledIterator])
async def test_stalled_blocking_sources_delay_no_other_upload(
    server: S3Server, driver: S3StorageDriver, tmp_path: Path, kind: type[Stalled]
) -> None:
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
async def test_an_upload_of_a_pipe_without_a_writer_can_be_cancelled(
    server: S3Server, driver: S3StorageDriver, tmp_path: Path
) -> None:
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

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.reads = 0
        self.may_read = threading.Event()
        self.is_reading = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads == 2:
            self.is_reading.set()
            self.may_read.wait(30)
        return super().read(size)


async def end_in_a_read(driver: S3StorageDriver, source: Any, file: SlowFile) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            upload = asyncio.ensure_future(until_set(file.is_reading))
            upload.add_done_callback(lambda _: limit.reschedule(asyncio.get_running_loop().time()))
            await by_stream(driver, source)


@pytest.mark.parametrize("wraps", [False, True], ids=["file", "of aiofiles"])
async def test_a_source_whose_blocking_read_still_runs_is_refused(
    server: S3Server, driver: S3StorageDriver, wraps: bool
) -> None:
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

    def __init__(self) -> None:
        self.ended_in: list[str] = []

    def _end(self) -> None:
        self.ended_in.append(threading.current_thread().name)


class OpenedInLoop(Opened):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)
                yield bytes(1000)
        finally:
            await asyncio.sleep(0)
            self._end()


class OpenedInThread(Opened):
    def __iter__(self) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1000)
        finally:
            self._end()


class OpenedByHand(Opened):
    """Iterable whose iterator is no generator, but has `close`."""

    def __iter__(self) -> Iterator[bytes]:
        source = self

        class Iterating:
            def __iter__(self) -> Iterator[bytes]:
                return self

            def __next__(self) -> bytes:
                return bytes(1000)

            def close(self) -> None:
                source._end()

        return Iterating()


@pytest.mark.parametrize(
    ("make", "thread"), [(OpenedInLoop, "MainThread"), (OpenedInThread, "aios3-source"), (OpenedByHand, "aios3-source")]
)
@pytest.mark.parametrize("upload", [by_stream, by_writer])
@pytest.mark.parametrize("ending", ["refused", "cancelled", "too long"])
async def test_the_iterator_of_an_object_is_closed_when_the_call_ends(
    server: S3Server,
    driver: S3StorageDriver,
    make: type[Opened],
    thread: str,
    upload: Callable[[S3StorageDriver, Any], Any],
    ending: str,
) -> None:
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


async def test_a_generator_is_closed_and_a_file_is_not(server: S3Server, driver: S3StorageDriver) -> None:
    """Blocking or not. A file can be used again."""
    opened = OpenedInThread()
    with pytest.raises(StorageError):
        await driver.upload_object_via_stream(iter(opened), "bucket", "key", max_size=2 * PART)
    assert opened.ended_in == ["aios3-source"]

    class GivesItsFile:
        file = io.BytesIO(b"a\nb\n")

        def __iter__(self) -> Iterator[bytes]:
            return self.file

    await driver.upload_object_via_stream(GivesItsFile(), "bucket", "key")
    assert not GivesItsFile.file.closed
    assert server.objects["bucket", "key"].body == b"a\nb\n"


# kinds


class ArrayLike:
    """Array of numbers, as of numpy or torch. `bytes` would take an item for a count of zeros."""

    def __init__(self, *items: int) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return (self._Scalar(item) for item in self.items)

    class _Scalar:
        def __init__(self, value: int) -> None:
            self.value = value

        def __index__(self) -> int:
            return self.value

        def __bytes__(self) -> bytes:
            return bytes(self.value)


def mapped(content: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


MATRIX = memoryview(bytes(range(24))).cast("B", (4, 6))


@pytest.mark.parametrize(
    ("make", "content"),
    [
        (lambda: array.array("B", [3, 200, 7]), bytes([3, 200, 7])),
        (lambda: array.array("H", [0x0303, 0x0404]), bytes([3, 3, 4, 4])),
        (lambda: array.array("d", [0.0]), bytes(8)),
        (lambda: mapped(CONTENT), CONTENT),
        (lambda: (ctypes.c_ubyte * 3)(3, 200, 7), bytes([3, 200, 7])),
        (lambda: MATRIX, bytes(range(24))),
        (lambda: memoryview(bytes(range(24)))[::5], bytes(range(0, 24, 5))),
        (lambda: [ctypes.c_ubyte(3), ctypes.c_ubyte(200)], bytes([3, 200])),
        (lambda: iter([array.array("B", CONTENT), MATRIX]), CONTENT + bytes(range(24))),
        (lambda: iter([memoryview(CONTENT)[::-1]]), CONTENT[::-1]),
    ],
)
async def test_an_object_with_the_buffer_protocol_is_uploaded_as_its_bytes(
    server: S3Server, driver: S3StorageDriver, make: Callable[[], Any], content: bytes
) -> None:
    """As a source, and as a chunk."""
    await by_stream(driver, make())
    assert server.objects["bucket", "key"].body == content


@pytest.mark.parametrize(
    "make",
    [
        lambda: ArrayLike(3, 200, 7),
        lambda: ArrayLike(),
        lambda: iter([3]),
        lambda: iter(["text"]),
        lambda: range(3),
        lambda: iter([[1, 2]]),
        lambda: iter([b"a", None]),
        lambda: iter(list(ArrayLike(5))),
        lambda: iter([b"small", *ArrayLike(5)]),
    ],
)
async def test_a_value_without_a_buffer_is_a_type_error(
    server: S3Server, driver: S3StorageDriver, make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a source and as a chunk. An integer is not a number of zero bytes."""
    monkeypatch.setattr(ArrayLike, "__array__", None, raising=False)
    for upload in (by_stream, by_writer):
        with pytest.raises(TypeError):
            await upload(driver, make())
    assert_nothing_is_there(server)
