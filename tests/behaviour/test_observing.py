"""Observer and timing over the wire: every way of upload accounts for its time, and no observer changes an upload."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections import Counter
from typing import Any

import pytest

from aios3 import ConfigurationError, Observer, S3StorageDriver, TransferConfig, UploadReceipt
from aios3._driver import uploads
from aios3.testing import Fault
from tests.conftest import PART
from tests.support.documents import page_block
from tests.support.driver_scenes import CONTENT, leave_stream


async def _chunks():
    for start in range(0, len(CONTENT), 700):
        yield CONTENT[start : start + 700]


async def _stream(driver: S3StorageDriver, path) -> UploadReceipt:
    return await driver.upload_object_via_stream(_chunks(), "bucket", "key")


async def _small_bytes(driver: S3StorageDriver, path) -> UploadReceipt:
    return await driver.upload_object_via_stream(b"small", "bucket", "key")


async def _bytes(driver: S3StorageDriver, path) -> UploadReceipt:
    return await driver.upload_object_via_stream(CONTENT, "bucket", "key")


async def _one_put(driver: S3StorageDriver, path) -> UploadReceipt:
    transfer = TransferConfig(part_size=PART, mechanism="stream")
    return await driver.upload_object_via_stream(_chunks(), "bucket", "key", size=len(CONTENT), transfer=transfer)


async def _file(driver: S3StorageDriver, path) -> UploadReceipt:
    path.write_bytes(CONTENT)
    return await driver.upload_object(path, "bucket", "key")


async def _copy(driver: S3StorageDriver, path) -> UploadReceipt:
    return await driver.copy_object("bucket", "source", "bucket", "key")


async def _writer(driver: S3StorageDriver, path) -> UploadReceipt:
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write(CONTENT)
    return upload.receipt


async def _open_multipart_upload(driver: S3StorageDriver, path) -> UploadReceipt:
    upload = await driver.create_multipart_upload("bucket", "key")
    await driver.upload_parts(upload, CONTENT)
    return await driver.complete_multipart_upload(upload)


async def _prepare(driver: S3StorageDriver) -> None:
    """Put the object that is copied."""
    await driver.upload_object_via_stream(CONTENT, "bucket", "source")


WAYS = [_stream, _small_bytes, _bytes, _one_put, _file, _copy, _writer, _open_multipart_upload]


class Counting:
    """Clock that moves by one second each time it is read."""

    def __init__(self, driver: S3StorageDriver) -> None:
        self.now = 0.0
        driver._clock = dataclasses.replace(driver._clock, monotonic=self._read)

    def _read(self) -> float:
        self.now += 1
        return self.now


class Recorder(Observer):
    """Notes the name and the arguments of every call, then fails."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error = error

    def __getattribute__(self, name: str) -> Any:
        if name not in vars(Observer) or name.startswith("_"):
            return super().__getattribute__(name)

        def note(*arguments: Any) -> None:
            self.calls.append((name, *arguments))
            if self.error is not None:
                raise type(self.error)(*self.error.args)

        note.__name__ = name
        return note

    def told(self, name: str) -> list[Any]:
        return [arguments for called, *arguments in self.calls if called == name]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_a_receipt_accounts_for_every_second_of_its_call(make_driver, tmp_path, way):
    """A second passes whenever the clock is read; the few that are read after the commit are missing."""
    await _prepare(make_driver())
    driver = make_driver()
    clock = Counting(driver)
    receipt = await way(driver, tmp_path / "file")
    assert receipt.timing.total == receipt.elapsed
    if way is not _open_multipart_upload:  # whose receipt is about the last of three calls
        assert 0 <= clock.now - receipt.elapsed <= 5
    assert (receipt.timing.commit > 0) == (len(receipt.parts) > 0)
    if way in (_small_bytes, _one_put):
        assert receipt.timing.sending > 0
        assert receipt.timing.response > 0


async def test_the_time_to_open_a_file_is_preparing(make_driver, tmp_path, monkeypatch):
    driver = make_driver()
    clock = Counting(driver)

    def identify_slowly(*arguments):
        clock.now += 100
        return identify(*arguments)

    identify = uploads.identify_file
    monkeypatch.setattr(uploads, "identify_file", identify_slowly)
    receipt = await _file(driver, tmp_path / "file")
    assert receipt.timing.preparing > 100


async def test_a_resumed_upload_accounts_for_its_own_time(make_driver, tmp_path):
    checkpoint = await leave_stream(make_driver(journal=tmp_path), CONTENT, 3)
    driver = make_driver()
    clock = Counting(driver)
    rest = CONTENT[checkpoint.offset :]
    receipt = await driver.upload_object_via_stream(rest, "bucket", "key", resume=checkpoint)
    assert 0 <= clock.now - receipt.elapsed <= 5
    assert receipt.timing.preparing > 0


@pytest.mark.parametrize("error", [ValueError("observer"), asyncio.CancelledError()], ids=type)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_an_observer_that_always_fails_changes_no_upload(server, make_driver, tmp_path, caplog, way, error):
    await _prepare(make_driver())
    recorder = Recorder(error)
    server.faults.add(Fault("answer", "UploadPart", status=503, code="SlowDown"))
    receipt = await way(make_driver(observer=recorder), tmp_path / "file")
    assert len(server.objects["bucket", "key"].body) == receipt.size
    lines = [record.message for record in caplog.records if " raised " in record.message]
    assert len(lines) == len(set(lines)) == len({name for name, *_ in recorder.calls})


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_every_begin_has_an_end(server, make_driver, tmp_path, way):
    await _prepare(make_driver())
    recorder = Recorder()
    server.faults.add(Fault("answer", status=503, code="SlowDown", nth=2))
    receipt = await way(make_driver(observer=recorder), tmp_path / "file")
    for what in ("upload", "operation", "attempt"):
        begun = [arguments[0] for arguments in recorder.told(f"{what}_began")]
        ended = [arguments[0] for arguments in recorder.told(f"{what}_ended")]
        assert begun
        assert Counter(map(id, begun)) == Counter(map(id, ended))
    assert recorder.told("upload_ended")[-1][1].receipt == receipt
    owners = {operation.upload for operation, *_ in recorder.told("operation_began") if operation.name != "ListParts"}
    assert owners == {upload for (upload,) in recorder.told("upload_began")}
    assert sum(part.size for _, part, _ in recorder.told("part_stored")) in (0, receipt.size)


async def test_a_cancelled_upload_reports_its_end_after_its_abort(server, make_driver):
    recorder = Recorder()
    server.faults.add(Fault("stall_before", "UploadPart"))
    driver = make_driver(observer=recorder)
    task = asyncio.create_task(driver.upload_object_via_stream(CONTENT, "bucket", "key"))
    while not recorder.told("part_stored"):
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ((_, end),) = recorder.told("upload_ended")
    assert isinstance(end.error, asyncio.CancelledError)
    assert recorder.calls[-1][0] == "upload_ended"
    named = {operation.name: operation for operation, *_ in recorder.told("operation_ended")}
    assert named["AbortMultipartUpload"].upload is named["ListParts"].upload is recorder.told("upload_began")[0][0]


async def test_a_download_is_observed_until_its_bytes_begin(make_driver, tmp_path):
    recorder = Recorder()
    driver = make_driver(observer=recorder)
    await _small_bytes(driver, tmp_path)
    recorder.calls.clear()
    async for _ in driver.download_object_as_stream("bucket", "key"):
        assert [name for name, *_ in recorder.calls] == [
            *("operation_began", "attempt_began", "attempt_ended", "operation_ended")
        ]
    ((operation, _, error),) = recorder.told("operation_ended")
    assert (operation.name, operation.upload, error) == ("GetObject", None, None)


async def test_a_cancelled_download_ends_its_operation(server, make_driver):
    recorder = Recorder()
    server.faults.add(Fault("stall_before", "GetObject"))
    driver = make_driver(observer=recorder)
    task = asyncio.create_task(anext(aiter(driver.download_object_as_stream("bucket", "key"))))
    while not server.requests:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [name for name, *_ in recorder.calls] == [
        *("operation_began", "attempt_began", "attempt_ended", "operation_ended")
    ]


async def test_an_interrupt_of_an_observer_is_raised(make_driver):
    driver = make_driver(observer=Recorder(SystemExit(3)))
    with pytest.raises(SystemExit):
        await driver.upload_object_via_stream(b"x", "bucket", "key")


def test_an_observer_that_cannot_work_is_refused():
    class Wrong(Observer):
        async def part_stored(self, *_):
            """Be awaited by no one."""

    with pytest.raises(TypeError, match="observer must be"):
        S3StorageDriver(observer=print)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="plain function"):
        S3StorageDriver(observer=Wrong())


OBSERVERS = {
    "LogSlowParts": page_block("docs/observing.md", "LogSlowParts("),
    "StatsD": page_block("docs/observing.md", "StatsD("),
}


@pytest.mark.parametrize("name", OBSERVERS)
async def test_an_observer_of_the_page_works_as_it_stands(server, make_driver, caplog, name):
    observer = OBSERVERS[name].run()[name]()
    with contextlib.closing(observer) if name == "StatsD" else contextlib.nullcontext():
        server.faults.add(Fault("answer", "UploadPart", status=500, code="InternalError"))
        await make_driver(observer=observer).upload_object_via_stream(CONTENT, "bucket", "key")
    assert "observer" not in caplog.text


async def test_the_receipt_says_where_the_time_went_as_the_page_shows(driver, server, capsys):
    await driver.create_container("videos")
    names = {"dataclasses": dataclasses, "driver": driver, "source": b"film"}
    await page_block("docs/observing.md", "receipt.timing").run_in_task(**names)
    assert re.fullmatch(r"\d+\.\d s, most of them for \w+\n", capsys.readouterr().out)


async def test_the_driver_with_opentelemetry_can_be_made():
    assert isinstance(page_block("docs/observing.md", "OpenTelemetryObserver(").run()["driver"], S3StorageDriver)
