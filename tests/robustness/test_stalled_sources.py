"""Stalled sources: they do not stop other uploads, and `Timeouts.source` ends them."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from aios3 import S3StorageDriver, SourceStalledError, Timeouts, TransferConfig
from aios3._upload.memory import spill as spill_file
from aios3._upload.source import silence_watch
from aios3.options import MIB
from aios3.testing import S3Server
from tests.conftest import PART

CHUNK = bytes(256 * 1024)


class Crowd:
    """Uploads with stalled sources, which are cancelled at the end."""

    def __init__(self, driver):
        self._driver = driver
        self._tasks: list[asyncio.Task[Any]] = []
        self.stalled = 0

    async def _source(self, count, chunk):
        for start in range(0, count, chunk):
            yield bytes(min(chunk, count - start))
        self.stalled += 1
        await asyncio.Event().wait()

    def add(self, number, count, *, chunk=256 * 1024, **options):
        for _ in range(number):
            source = self._source(count, chunk)
            upload = self._driver.upload_object_via_stream(source, "bucket", f"stalled {len(self._tasks)}", **options)
            self._tasks.append(asyncio.create_task(upload))

    async def until_stalled(self):
        while self.stalled + self.ended < len(self._tasks):
            await asyncio.sleep(0.01)

    @property
    def ended(self):
        return sum(task.done() for task in self._tasks)

    @property
    def errors(self):
        return [task.exception() for task in self._tasks if task.done() and not task.cancelled()]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def moving(size):
    for start in range(0, size, len(CHUNK)):
        yield CHUNK[: min(len(CHUNK), size - start)]


@pytest.mark.parametrize(("number", "count"), [(60, 4_900_000), (60, 5 * MIB), (300, 4_900_000)])
async def test_stalled_uploads_with_the_default_options_stop_no_other_upload(number, count):
    async with (
        S3Server(keep_bodies=False, accept_chunked=True) as server,
        S3StorageDriver(
            endpoint_url=server.endpoint_url, region=server.region, credentials=server.credentials
        ) as driver,
        Crowd(driver) as crowd,
    ):
        crowd.add(number, count)
        await crowd.until_stalled()
        async with asyncio.timeout(10):
            for name, source, options in (
                ("small", moving(100), {}),
                ("large", moving(8 * MIB), {}),
                ("bytes", bytes(8 * MIB), {}),
                ("streamed", moving(8 * MIB), {"transfer": TransferConfig(mechanism="stream")}),
            ):
                await driver.upload_object_via_stream(source, "bucket", name, **options)  # type: ignore[arg-type]
        assert {key for _, key in server.objects} == {"small", "large", "bytes", "streamed"}
        assert crowd.ended == 0
        assert driver._engine is not None
        assert driver._engine.memory.used <= driver._engine.memory.limit == 256 * MIB


def small(parts, **options):
    return TransferConfig(**{"part_size": PART, "concurrency": 2, "memory_limit": parts * PART, **options})


@pytest.mark.parametrize("options", [{"spill_directory": None}, {"spill_limit": 2 * PART}])
@pytest.mark.parametrize("mechanism", ["multipart", "stream"])
@pytest.mark.parametrize("count", [1, PART - 1, PART, PART + 1, 3 * PART - 1])
async def test_without_memory_and_disk_the_upload_silent_longest_is_ended(
    server, make_driver, monkeypatch, options, mechanism, count
):
    monkeypatch.setattr(silence_watch, "MOST_SILENCE", 0.2)
    server.store.accept_chunked = True
    driver = make_driver(transfer=small(4, **options))
    async with Crowd(driver) as crowd:
        crowd.add(12, count, chunk=PART // 2, transfer=small(4, mechanism=mechanism))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(20):
            for size in (100, 5 * PART):
                await driver.upload_object_via_stream(moving(size), "bucket", str(size))
        assert set(map(type, crowd.errors)) == {SourceStalledError}
        assert "memory was needed" in str(crowd.errors[0])
    assert server.open_uploads == []
    assert {key for _, key in server.objects} == {"100", str(5 * PART)}


async def test_a_stalled_upload_block_is_ended_for_other_uploads(server, make_driver, monkeypatch):
    monkeypatch.setattr(silence_watch, "MOST_SILENCE", 0.2)
    driver = make_driver(transfer=small(1))
    has_written = asyncio.Event()

    async def block():
        async with driver.open_upload("bucket", "stalled") as upload:
            await upload.write(bytes(PART - 1))
            has_written.set()
            await asyncio.Event().wait()

    stalled = asyncio.create_task(block())
    await has_written.wait()
    async with asyncio.timeout(20):
        await driver.upload_object_via_stream(moving(10 * PART), "bucket", "moving")
    with pytest.raises(SourceStalledError, match="memory was needed"):
        await stalled


@pytest.mark.parametrize("trouble", ["no directory", "full", "files"])
async def test_an_unusable_default_spill_directory_is_logged_once(
    server, make_driver, monkeypatch, caplog, tmp_path, trouble
):
    monkeypatch.setattr(silence_watch, "MOST_SILENCE", 0.2)
    if trouble == "no directory":
        monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
        monkeypatch.setattr(spill_file.tempfile, "gettempdir", lambda: str(tmp_path / "missing"))
    elif trouble == "full":
        monkeypatch.setattr(spill_file.shutil, "disk_usage", lambda path: Free())
    else:
        monkeypatch.setattr("aios3._upload.shared.engine.most_files", lambda: 0)
    driver = make_driver(transfer=small(4))
    with caplog.at_level(logging.WARNING, "aios3"):
        async with Crowd(driver) as crowd, asyncio.timeout(20):
            crowd.add(8, PART - 1)
            await crowd.until_stalled()
            await driver.upload_object_via_stream(moving(3 * PART), "bucket", "moving")
            assert set(map(type, crowd.errors)) == {SourceStalledError}
    said = [record.getMessage() for record in caplog.records if "on the disk" in record.getMessage()]
    assert len(said) == (0 if trouble == "files" else 1)


class Free:
    free = 0


# Timeouts.source


class Reader:
    """Reader that gives some bytes, then waits in a thread."""

    def __init__(self):
        self.may_end = threading.Event()
        self._left = [b"x" * (PART + 1)]

    def read(self, count):
        if self._left:
            return self._left.pop()
        self.may_end.wait()
        return b""


def source_of(kind, reader):
    async def stalls():
        yield b"x" * (PART + 1)
        await asyncio.Event().wait()

    async def gives_nothing():
        yield b"x" * (PART + 1)
        while True:
            await asyncio.sleep(0.001)
            yield b""

    def blocks():
        yield b"x" * (PART + 1)
        reader.may_end.wait()

    return {"stalls": stalls, "gives nothing": gives_nothing, "blocks": blocks, "reader": lambda: reader}[kind]()


@pytest.mark.parametrize("kind", ["stalls", "gives nothing", "blocks", "reader"])
@pytest.mark.parametrize("way", ["stream", "writer"])
@pytest.mark.parametrize("mechanism", ["multipart", "stream"])
async def test_a_source_without_bytes_ends_with_a_timeout(server, make_driver, kind, way, mechanism):
    server.store.accept_chunked = True
    driver = make_driver(timeouts=Timeouts(source=0.2), transfer=small(50, mechanism=mechanism))
    reader = Reader()
    rescue = threading.Timer(30, reader.may_end.set)
    rescue.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(SourceStalledError, match=r"gave nothing for 0\.2 s") as caught:
        if way == "stream":
            await driver.upload_object_via_stream(source_of(kind, reader), "bucket", "key")
        else:
            async with driver.open_upload("bucket", "key") as upload:
                await upload.write_from(source_of(kind, reader))
    assert isinstance(caught.value, TimeoutError)
    assert loop.time() - began >= 0.2
    assert (server.open_uploads, server.objects) == ([], {})
    if mechanism == "multipart":
        assert any("it was aborted" in note for note in caught.value.__notes__)
    rescue.cancel()
    reader.may_end.set()


async def test_the_source_timeout_ignores_slow_stores_and_pauses_between_writes(server, make_driver, loop_clock):
    driver = make_driver(timeouts=Timeouts(source=5, read=10_000, send=10_000), transfer=small(2, concurrency=1))
    server.hold("UploadPart")
    slow = asyncio.create_task(driver.upload_object_via_stream(moving(9 * PART), "bucket", "slow"))
    async with driver.open_upload("bucket", "block") as upload:
        await upload.write(b"x")
        await server.wait_for(lambda server: server.held_requests)
        for _ in range(100):
            await loop_clock.advance(1)
        await upload.write(b"x")
    server.release("UploadPart")
    assert (await slow).size == 9 * PART


async def test_a_pipe_without_bytes_ends_with_a_timeout(server, make_driver, tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    driver = make_driver(timeouts=Timeouts(source=0.2))
    uploading = asyncio.create_task(driver.upload_object(tmp_path / "pipe", "bucket", "key"))
    with await asyncio.to_thread(open, tmp_path / "pipe", "wb"), pytest.raises(SourceStalledError):
        await uploading
    assert server.objects == {}
