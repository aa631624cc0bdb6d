"""Errors and cancellations of the caller's own code, which must be distinguished from those of the library."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from aios3 import (
    CompletionUnknownError,
    PartLimitError,
    SizeMismatchError,
    StorageError,
    TransferConfig,
    TransportTimeoutError,
    UploadNotFoundError,
    UploadSuspendedError,
)
from aios3.testing import Fault
from tests.conftest import PART

CHUNKS = 6


class Source:
    """Source that gives some parts, runs a call before one of them, and records its closing."""

    def __init__(self, before=lambda: None):
        self.is_closed = False
        self._before = before

    async def chunks(self):
        try:
            for number in range(CHUNKS):
                if number == CHUNKS - 2:
                    self._before()
                yield bytes([number]) * PART
        finally:
            await asyncio.sleep(0)
            self.is_closed = True


OPTIONS: dict[str, dict[str, Any]] = {
    "multipart": {},
    "one at a time": {"transfer": TransferConfig(part_size=PART, concurrency=1)},
    "streamed": {"size": CHUNKS * PART, "transfer": TransferConfig(part_size=PART, mechanism="stream")},
}
every_mechanism = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)

FOREIGN = [
    asyncio.CancelledError("theirs"),
    GeneratorExit("theirs"),
    TimeoutError("theirs"),
    StorageError("theirs"),
    UploadSuspendedError("theirs"),
    UploadNotFoundError("theirs", operation="UploadPart", status=404),
    CompletionUnknownError("theirs", bucket="other", key="other", upload_id="other"),
    TransportTimeoutError("theirs"),
    SizeMismatchError("theirs"),
    PartLimitError("theirs"),
]
every_error = pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)


def raising(error, *, at, is_async):
    """Return a callback that raises when enough parts are stored. It runs in a task of the library."""

    def report(progress):
        if progress.parts_stored >= at:
            raise error

    async def report_later(progress):
        await asyncio.sleep(0)
        report(progress)

    return report_later if is_async else report


async def assert_ended(server, driver):
    """Check that nothing is open or stored, and that the caller's task is not cancelled."""
    assert server.open_uploads == []
    assert ("bucket", "key") not in server.objects
    engine = driver._engine
    assert engine is not None
    assert (engine.memory.used, engine.running, engine.known_uploads) == (0, set(), set())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


@every_error
@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
@pytest.mark.parametrize("journal", [False, True], ids=["", "journal"])
async def test_the_error_of_a_callback_is_raised_unchanged(server, make_driver, tmp_path, error, at, is_async, journal):
    """Of any type. The upload is aborted, even if the driver's own stop would leave it open."""
    driver = make_driver(journal=tmp_path / "journal") if journal else make_driver()
    source = Source()
    callback = raising(error, at=at, is_async=is_async)
    with pytest.raises(type(error)) as caught:
        await driver.upload_object_via_stream(source.chunks(), "bucket", "key", on_progress=callback)
    assert caught.value is error
    assert source.is_closed
    assert getattr(error, "checkpoint", None) is None
    await assert_ended(server, driver)


@every_error
@every_mechanism
async def test_the_error_of_a_source_is_raised_unchanged(server, make_driver, error, options):
    """From an iterator, because a generator could not raise all types."""

    class Failing:
        left = CHUNKS

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.left -= 1
            if self.left < 2:
                raise error
            return bytes(PART)

    driver = make_driver()
    with pytest.raises(type(error)) as caught:
        await driver.upload_object_via_stream(Failing(), "bucket", "key", **options)
    assert caught.value is error
    await assert_ended(server, driver)


@every_error
@every_mechanism
async def test_the_error_of_a_block_is_raised_unchanged(server, make_driver, error, options):
    driver = make_driver()
    with pytest.raises(type(error)) as caught:
        async with driver.open_upload("bucket", "key", **options) as upload:
            for _ in range(CHUNKS):
                await upload.write(bytes(PART))
            raise error
    assert caught.value is error
    await assert_ended(server, driver)


@every_error
async def test_the_error_of_a_credentials_provider_is_raised_unchanged(server, make_driver, error):
    class Provider:
        asked = 0

        async def get_credentials(self):
            self.asked += 1
            if self.asked == 4:
                raise error
            return server.credentials

    driver = make_driver(credentials=Provider())
    with pytest.raises(type(error)) as caught:
        await driver.upload_object_via_stream(Source().chunks(), "bucket", "key")
    assert caught.value is error
    await assert_ended(server, driver)


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
async def test_a_callback_that_cancels_its_task_ends_the_upload(server, make_driver, at, is_async):
    def cancel(progress):
        if progress.parts_stored >= at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    async def cancel_later(progress):
        cancel(progress)

    driver = make_driver()
    source = Source()
    callback = cancel_later if is_async else cancel
    task = asyncio.create_task(driver.upload_object_via_stream(source.chunks(), "bucket", "key", on_progress=callback))
    await asyncio.wait({task})
    assert task.cancelled()
    assert source.is_closed
    await assert_ended(server, driver)


@pytest.mark.parametrize("name", ["aios3: part", "aios3: create", "aios3: put"])
@every_mechanism
async def test_a_cancelled_task_of_the_library_ends_the_upload(server, make_driver, name, options):
    cancelled: Sequence[asyncio.Task[Any]] = []

    def cancel():
        nonlocal cancelled
        cancelled = [task for task in asyncio.all_tasks() if task.get_name().startswith(name)]
        for task in cancelled:
            task.cancel()

    driver = make_driver()
    upload = asyncio.create_task(driver.upload_object_via_stream(Source(cancel).chunks(), "bucket", "key", **options))
    await asyncio.wait({upload})
    if cancelled:
        assert upload.cancelled()
        await assert_ended(server, driver)
    else:
        assert upload.result().size == CHUNKS * PART


@pytest.mark.parametrize("closed", ["other", "both"])
@pytest.mark.parametrize("journals", [(True, True), (False, True), (True, False)], ids=str)
async def test_a_suspended_upload_in_a_source_ends_the_outer_upload(server, make_driver, tmp_path, closed, journals):
    mine, other = (
        make_driver(**({"journal": tmp_path / name} if has_journal else {}))
        for name, has_journal in zip(("mine", "other"), journals, strict=True)
    )
    closing: list[asyncio.Task[None]] = []

    async def tee(upload):
        for number in range(CHUNKS):
            await upload.write(bytes([number]) * PART)
            yield bytes([number]) * PART
            if number == CHUNKS - 3:
                await server.wait_for(lambda s: len([r for r in s.requests if r.operation == "UploadPart"]) > 4)
                drivers = [other] if closed == "other" else [other, mine]
                closing.extend(asyncio.create_task(driver.aclose()) for driver in drivers)
                await asyncio.sleep(60)

    with pytest.raises(StorageError, match="closed") as caught:
        async with mine.open_upload("bucket", "mine") as upload:
            await other.upload_object_via_stream(tee(upload), "bucket", "other")
    await asyncio.gather(*closing)
    checkpoint = getattr(caught.value, "checkpoint", None)
    if closed == "other":
        assert [left.key for left in server.open_uploads] == (["other"] if journals[1] else [])
        assert (None if checkpoint is None else checkpoint.key) == ("other" if journals[1] else None)
    else:
        assert {left.key for left in server.open_uploads} <= {"mine", "other"}
        assert checkpoint is None or checkpoint.upload_id in {left.upload_id for left in server.open_uploads}
    for driver, has_journal, name in ((mine, journals[0], "mine"), (other, journals[1], "other")):
        if has_journal and (closed == "both" or driver is other):
            async with make_driver(journal=tmp_path / name) as next_one:
                await next_one.recover()
    assert server.open_uploads == []


class UnreachableError(Exception):
    """Error of a vault, which is no error of the library."""


class Vault:
    """Credentials provider that fails once."""

    def __init__(self, credentials, fails_at):
        self.asked = 0
        self._credentials = credentials
        self._fails_at = fails_at

    async def get_credentials(self):
        self.asked += 1
        if self.asked == self._fails_at:
            raise UnreachableError
        return self._credentials


COMMITS = {
    "PutObject": (1, {}),
    "CompleteMultipartUpload": (3, {}),
    "streamed": (3, {"size": 3 * PART, "transfer": TransferConfig(part_size=PART, mechanism="stream")}),
}


@pytest.mark.parametrize("name", COMMITS)
@pytest.mark.parametrize("lost", [0, 1, 9], ids="{} answers lost".format)
async def test_a_credentials_error_at_any_request_hides_no_commit(server, make_driver, name, lost):
    parts, options = COMMITS[name]
    operation = "PutObject" if name == "streamed" else name
    for fails_at in range(1, 16):
        server.objects.pop(("bucket", "key"), None)
        server.faults.clear()
        if lost:
            server.faults.add(Fault("drop_after", operation, times=lost))
        driver = make_driver(credentials=Vault(server.credentials, fails_at))
        is_known_to_fail = True
        try:
            await driver.upload_object_via_stream(bytearray(parts * PART), "bucket", "key", **options)
            is_known_to_fail = False
        except CompletionUnknownError:
            is_known_to_fail = ("bucket", "key") not in server.objects
        except (StorageError, UnreachableError):
            pass
        assert (("bucket", "key") in server.objects) is not is_known_to_fail, fails_at
        assert server.open_uploads == []
        await driver.aclose()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks cannot be eager before Python 3.12")
@pytest.mark.parametrize("size", [0, 1, 6], ids="{} parts".format)
@pytest.mark.parametrize("is_declared", [False, True])
async def test_an_error_of_an_eager_task_is_raised_unchanged(server, make_driver, size, is_declared):
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    options = {"size": size * PART} if is_declared else {}
    for fails_at in range(1, size + 5):
        driver = make_driver(credentials=Vault(server.credentials, fails_at))
        try:
            await driver.upload_object_via_stream(bytearray(size * PART), "bucket", "key", **options)
        except UnreachableError:
            await asyncio.sleep(0)
        assert server.open_uploads == []
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)
        await driver.aclose()
