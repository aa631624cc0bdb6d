"""Sources that do not end in time: they are logged and interrupted, and the call ends with its first error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aios3 import (
    AccessDeniedError,
    ObjectTooLargeError,
    StorageError,
    Timeouts,
)
from aios3._upload.source.closing_deadline import ClosingDeadline
from aios3.testing import Fault
from tests.conftest import PART
from tests.support.fakes import turns

CLEANUP = 0.3


async def unending():
    await asyncio.Event().wait()


class Source:
    """Gives chunks of half a part, at most `chunks` of them. Then it waits without end, or ends."""

    def __init__(self, *, chunks=10**6, ends=False, error=None):
        self._left = chunks
        self._ends = ends
        self._error = error

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        if self._left:
            self._left -= 1
            return bytes(PART // 2)
        if self._error is not None:
            raise self._error
        if self._ends:
            raise StopAsyncIteration
        await unending()
        raise AssertionError


class NeverCloses(Source):
    async def aclose(self):
        await unending()


class IgnoresCancellation(Source):
    async def __anext__(self):
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            await unending()
            raise

    async def aclose(self):
        try:
            await unending()
        except asyncio.CancelledError:
            await unending()


async def never_finishes(**options):
    """The shape of a generator that kills a process and waits for it."""
    try:
        async for chunk in Source(**options):
            yield chunk
    finally:
        await unending()


SOURCES: list[Callable[..., Any]] = [NeverCloses, IgnoresCancellation, never_finishes]


async def refused_while_the_source_waits(driver, server, make):
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    await driver.upload_object_via_stream(make(chunks=5), "bucket", "key")


async def too_large(driver, server, make):
    await driver.upload_object_via_stream(make(), "bucket", "key", max_size=3 * PART)


async def source_error(driver, server, make):
    await driver.upload_object_via_stream(make(chunks=5, error=LookupError("mine")), "bucket", "key")


async def timed_out(driver, server, make):
    async with asyncio.timeout(0.1):
        await driver.upload_object_via_stream(make(chunks=5), "bucket", "key")


async def cancelled(driver, server, make, end=None):
    upload = asyncio.create_task(driver.upload_object_via_stream(make(chunks=5), "bucket", "key"))
    await server.wait_for(lambda s: s.open_uploads and s.open_uploads[0].parts)
    await asyncio.sleep(0.01)
    if end is None:
        upload.cancel()
    else:
        await end()
    await upload


async def driver_closed(driver, server, make):
    await cancelled(driver, server, make, driver.aclose)


async def written_from(driver, server, make):
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied"))
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write_from(make(chunks=5))


ENDS: dict[Callable[..., Awaitable[None]], type[BaseException]] = {
    refused_while_the_source_waits: AccessDeniedError,
    too_large: ObjectTooLargeError,
    source_error: LookupError,
    timed_out: TimeoutError,
    cancelled: asyncio.CancelledError,
    driver_closed: StorageError,
    written_from: AccessDeniedError,
}


@pytest.mark.parametrize(
    ("make", "end"),
    # A generator that hangs after an error of its own has neither been closed nor cancelled: it gives nothing, no more.
    [(make, end) for make in SOURCES for end in ENDS if (make, end) != (never_finishes, source_error)],
)
async def test_a_call_whose_source_does_not_end_ends_with_its_first_error(server, make_driver, caplog, make, end):
    """In bounded time, with a warning, and nothing is open. The task owes no cancellation."""
    driver = make_driver(timeouts=Timeouts(cleanup=CLEANUP))
    caller = asyncio.current_task()
    assert caller is not None
    async with asyncio.timeout(15):
        with pytest.raises(ENDS[end]) as caught:
            await end(driver, server, make)
    assert caller.cancelling() == 0
    assert (server.open_uploads, server.objects) == ([], {})
    records = [record for record in caplog.records if record.name == "aios3"]
    assert {record.levelno for record in records} == {logging.WARNING}
    assert "has not ended, although" in records[0].message
    assert "is interrupted" in records[-1].message
    if end not in (timed_out, written_from):  # where the error that is noted on becomes another's cause
        assert any("did not end within 0.3 s" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("make", [NeverCloses, IgnoresCancellation])
async def test_a_source_that_does_not_close_commits_nothing(server, make_driver, make):
    driver = make_driver(timeouts=Timeouts(cleanup=CLEANUP))
    with pytest.raises(TimeoutError, match=r"did not end within 0.3 s"):
        await driver.upload_object_via_stream(make(chunks=5, ends=True), "bucket", "key")
    assert (server.open_uploads, server.objects) == ([], {})


async def test_a_source_that_swallows_a_cancellation_and_gives_more_is_not_interrupted(server, make_driver, caplog):
    async def source():
        yield bytes(PART)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # as `asyncio.TaskGroup` before Python 3.12 leaves one behind
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        for _ in range(6):
            await asyncio.sleep(CLEANUP / 3)
            yield bytes(PART)
        task.uncancel()

    driver = make_driver(timeouts=Timeouts(cleanup=CLEANUP))
    assert (await driver.upload_object_via_stream(source(), "bucket", "key")).size == 7 * PART
    assert not [record for record in caplog.records if "is interrupted" in record.message]


async def test_a_slow_abort_does_not_count_as_time_of_the_source(server, make_driver, caplog):
    driver = make_driver(timeouts=Timeouts(cleanup=0.6))
    server.hold("AbortMultipartUpload")
    upload = asyncio.create_task(driver.upload_object_via_stream(Source(chunks=5), "bucket", "key"))
    await server.wait_for(lambda s: s.open_uploads and s.open_uploads[0].parts)
    upload.cancel()
    await asyncio.wait({upload}, timeout=0.4)
    server.release("AbortMultipartUpload")
    await asyncio.wait({upload})
    assert (upload.cancelled(), server.open_uploads) == (True, [])
    assert [record for record in caplog.records if record.name == "aios3"] == []


async def test_a_source_that_does_not_end_is_logged_and_then_interrupted_repeatedly(loop_clock, caplog):
    interruptions: list[int] = []

    async def close():
        watch = ClosingDeadline(NeverCloses(), "bucket/key", 60)
        with watch.closing():
            for number in range(3):
                try:
                    await unending()
                except asyncio.CancelledError:
                    interruptions.append(number)
        watch.end(None)

    closing = asyncio.create_task(close())
    await turns(3)
    told = []
    for _ in range(9):
        await loop_clock.advance(10)
        told.append((len(caplog.records), len(interruptions)))
    await closing
    assert told == [(0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (2, 1), (2, 2), (2, 3)]
    assert "source 'NeverCloses' of the upload to bucket/key" in caplog.text


async def test_a_cancellation_of_the_caller_is_raised_although_the_source_was_interrupted():
    async def close():
        watch = ClosingDeadline(NeverCloses(), "bucket/key", 0.06)
        try:
            with watch.closing():
                try:
                    await unending()
                except asyncio.CancelledError:
                    await unending()
        finally:
            watch.end(None)

    closing = asyncio.create_task(close())
    await turns(3)
    closing.cancel()
    await asyncio.wait({closing})
    assert (closing.cancelled(), closing.cancelling()) == (True, 1)


async def test_an_error_that_takes_no_notes_is_left_as_it_is():
    class FrozenError(Exception):
        def add_note(self, note):
            raise AttributeError

    watch = ClosingDeadline(NeverCloses(), "bucket/key", 0.06)
    with pytest.raises(TimeoutError), watch.closing():
        await unending()
    watch.end(FrozenError())
    watch.end(None)


def test_a_deadline_that_never_began_leaves_no_note():
    error = ValueError("first")
    ClosingDeadline(b"", "bucket/key", 1.0).end(error)
    assert not hasattr(error, "__notes__")
