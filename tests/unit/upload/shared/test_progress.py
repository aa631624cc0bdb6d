"""Progress: in order, never two at once, never backwards."""

from __future__ import annotations

import asyncio

import pytest

from aios3._protocol.parts.part_tracker import PartTracker
from aios3._upload.shared.progress import ProgressReporter
from aios3.models import UploadProgress
from tests.support.fakes import turns


async def test_the_caller_gets_a_snapshot() -> None:
    """A frozen one of the counts as they are now."""
    got: list[UploadProgress] = []
    reporter = ProgressReporter(got.append, 100)
    await reporter.report()
    reporter.bytes_read, reporter.bytes_stored, reporter.parts_stored = 20, 10, 1
    await reporter.report()
    assert got == [UploadProgress(0, 0, 100, 0), UploadProgress(20, 10, 100, 1)]


async def test_what_the_store_acknowledged_is_told() -> None:
    """The bytes before the first gap apart: those need not be given again."""
    got: list[UploadProgress] = []
    reporter = ProgressReporter(got.append, None)
    reporter.bytes_read = 60
    tracker = PartTracker()
    await reporter.report()
    for number, size in ((3, 30), (1, 10), (2, 20)):
        tracker.record(number, size=size, etag='"e"')
        reporter.note_stored(tracker)
        await reporter.report()
    assert [(told.bytes_stored, told.bytes_durable, told.parts_stored) for told in got] == [
        (0, 0, 0),
        (30, 0, 1),
        (40, 10, 2),
        (60, 60, 3),
    ]


async def test_what_is_stored_as_a_whole_has_no_parts() -> None:
    """Nor a gap: it is stored or not."""
    got: list[UploadProgress] = []
    reporter = ProgressReporter(got.append, None)
    reporter.bytes_read = 60
    await reporter.report_committed()
    assert got == [UploadProgress(60, 60, None, 0)]
    assert (reporter.bytes_durable, got[0].bytes_durable) == (60, 60)


async def test_nobody_needs_to_listen() -> None:
    """Then the counts are all there is."""
    reporter = ProgressReporter(None, None)
    reporter.bytes_read = 5
    await reporter.report()
    assert reporter.bytes_read == 5


async def test_a_coroutine_function_is_awaited() -> None:
    """The upload waits for it."""
    seen: list[int] = []

    async def slow(progress: UploadProgress) -> None:
        await turns(3)
        seen.append(progress.bytes_read)

    reporter = ProgressReporter(slow, None)
    reporter.bytes_read = 7
    await reporter.report()
    assert seen == [7]


async def test_calls_do_not_overlap_and_never_go_back() -> None:
    """Reports that come while one is being made wait, and then tell the newest counts."""
    running = 0
    seen: list[int] = []

    async def slow(progress: UploadProgress) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await turns(5 - progress.parts_stored)
        seen.append(progress.bytes_stored)
        running -= 1

    reporter = ProgressReporter(slow, None)
    reports = []
    for count in range(1, 5):
        reporter.bytes_stored, reporter.parts_stored = 10 * count, count
        reports.append(asyncio.create_task(reporter.report()))
        await turns(1)
    await asyncio.gather(*reports)
    assert len(seen) == 4
    assert seen == sorted(seen)
    assert seen[-1] == 40


async def test_what_the_callback_raises_comes_out() -> None:
    """Unchanged, and the next report is possible."""
    error = ValueError("theirs")
    calls = 0

    def fail_once(progress: UploadProgress) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error

    reporter = ProgressReporter(fail_once, None)
    with pytest.raises(ValueError, match="theirs") as caught:
        await reporter.report()
    assert caught.value is error
    await reporter.report()
    assert calls == 2


@pytest.mark.parametrize("error", [ValueError("theirs"), asyncio.CancelledError()])
async def test_what_comes_of_the_report_of_a_commit_says_so(error: BaseException) -> None:
    """Unchanged, with a note: all is stored by then."""
    told: list[UploadProgress] = []

    async def fail(progress: UploadProgress) -> None:
        told.append(progress)
        raise error

    reporter = ProgressReporter(fail, 7)
    reporter.bytes_read = 7
    with pytest.raises(type(error)) as caught:
        await reporter.report_committed()
    assert caught.value is error
    assert error.__notes__ == ["aios3: the object was committed"]
    assert told == [UploadProgress(7, 7, 7, 0)]


async def test_a_cancelled_report_does_not_block_the_next() -> None:
    """The turn is given back."""
    stuck = asyncio.Event()

    async def wait(progress: UploadProgress) -> None:
        await stuck.wait()

    reporter = ProgressReporter(wait, None)
    first = asyncio.create_task(reporter.report())
    await turns(2)
    first.cancel()
    await asyncio.wait({first})
    stuck.set()
    await reporter.report()
    assert first.cancelled()
