"""Progress reports: one at a time, with counts that never go down."""

from __future__ import annotations

import asyncio

import pytest

from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.shared.progress import ProgressReporter
from aios3._upload.source.length import SourceLength
from aios3.models import UploadProgress
from tests.support.fakes import turns


async def test_bytes_after_the_first_gap_are_stored_but_not_durable() -> None:
    got: list[UploadProgress] = []
    reporter = ProgressReporter(got.append, SourceLength(size=None, max_size=None, read=60))
    tracker = PartTracker()
    await reporter.report()
    for number, size in ((3, 30), (1, 10), (2, 20)):
        tracker.record(number, size=size, etag='"e"')
        reporter.note_stored(tracker)
        await reporter.report()
    assert [(one.bytes_stored, one.bytes_durable, one.parts_stored) for one in got] == [
        (0, 0, 0),
        (30, 0, 1),
        (40, 10, 2),
        (60, 60, 3),
    ]


async def test_a_committed_object_without_parts_is_stored_and_durable_whole() -> None:
    got: list[UploadProgress] = []
    reporter = ProgressReporter(got.append, SourceLength(size=None, max_size=None, read=60))
    await reporter.report_committed()
    assert got == [UploadProgress(60, 60, None, 0)]
    assert (reporter.bytes_durable, got[0].bytes_durable) == (60, 60)


async def test_calls_of_the_callback_do_not_overlap_and_counts_never_go_down() -> None:
    running = 0
    seen: list[int] = []

    async def slow(progress: UploadProgress) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await turns(5 - progress.parts_stored)
        seen.append(progress.bytes_stored)
        running -= 1

    reporter = ProgressReporter(slow, SourceLength(size=None, max_size=None))
    reports = []
    for count in range(1, 5):
        reporter.bytes_stored, reporter.parts_stored = 10 * count, count
        reports.append(asyncio.create_task(reporter.report()))
        await turns(1)
    await asyncio.gather(*reports)
    assert len(seen) == 4
    assert seen == sorted(seen)
    assert seen[-1] == 40


async def test_an_error_of_the_callback_is_raised_and_the_next_report_works() -> None:
    error = ValueError("theirs")
    calls = 0

    def fail_once(progress: UploadProgress) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error

    reporter = ProgressReporter(fail_once, SourceLength(size=None, max_size=None))
    with pytest.raises(ValueError, match="theirs") as caught:
        await reporter.report()
    assert caught.value is error
    await reporter.report()
    assert calls == 2


@pytest.mark.parametrize("error", [ValueError("theirs"), asyncio.CancelledError()])
async def test_an_error_of_the_last_report_has_a_note_of_the_commit(error: BaseException) -> None:
    told: list[UploadProgress] = []

    async def fail(progress: UploadProgress) -> None:
        told.append(progress)
        raise error

    reporter = ProgressReporter(fail, SourceLength(size=7, max_size=None, read=7))
    with pytest.raises(type(error)) as caught:
        await reporter.report_committed()
    assert caught.value is error
    assert error.__notes__ == ["aios3: the object was committed"]
    assert told == [UploadProgress(7, 7, 7, 0)]


async def test_a_cancelled_report_does_not_block_the_next() -> None:
    stuck = asyncio.Event()

    async def wait(progress: UploadProgress) -> None:
        await stuck.wait()

    reporter = ProgressReporter(wait, SourceLength(size=None, max_size=None))
    first = asyncio.create_task(reporter.report())
    await turns(2)
    first.cancel()
    await asyncio.wait({first})
    stuck.set()
    await reporter.report()
    assert first.cancelled()
