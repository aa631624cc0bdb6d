"""The keeper of the tail: what it copies when, and what its end waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import pytest

from aios3._upload.shared.tail_keeper import TailKeeper
from aios3.errors import StorageError
from tests.support.fakes import PART, FakeClock, FakeStore, make_engine, make_job, turns


class Upload:
    """Upload whose bytes the test sets."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self.start = 0
        self.failures: list[Exception] = []

    async def open_multipart(self) -> str:
        return "id"

    async def unfinished(self) -> tuple[int, bytes]:
        return self.start, bytes(self.bytes_read - self.start)

    def fail(self, error: Exception) -> None:
        self.failures.append(error)


class Tail:
    """Object beside the upload, which records what happens to it."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, start: int, data: bytes, metadata: Mapping[str, str]) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.events.append((start, len(data), dict(metadata)))

    async def delete(self) -> None:
        if self.error is not None:
            raise self.error
        self.events.append("deleted")


class Scene:
    def __init__(self) -> None:
        clock = FakeClock()
        self.engine = make_engine(FakeStore(clock), clock)
        self.upload, self.tail = Upload(), Tail()
        self.keeper = TailKeeper(self.engine, make_job(size=9), self.upload, self.tail, 5)


async def test_only_new_bytes_are_copied_and_the_tail_is_deleted_at_the_end() -> None:
    scene = Scene()
    scene.keeper.begin()
    for read, start in ((3, 0), (3, 0), (PART + 2, PART), (2 * PART, 2 * PART)):
        scene.upload.bytes_read, scene.upload.start = read, start
        await turns()
        assert scene.keeper.bytes_kept == read
    known = {"upload-id": "id", "part-size": str(PART), "size": "9"}
    assert scene.tail.events == [(0, 3, known), (PART, 2, known)]
    await scene.keeper.end(is_left_open=False)
    await scene.keeper.end(is_left_open=False)
    assert scene.tail.events[2:] == ["deleted"]
    assert scene.engine.memory.used == 0


async def test_the_tail_of_an_open_upload_stays() -> None:
    scene = Scene()
    scene.upload.bytes_read = 3
    scene.keeper.begin()
    await turns()
    await scene.keeper.end(is_left_open=True)
    assert len(scene.tail.events) == 1


async def test_a_tail_in_flight_is_waited_for_before_it_is_deleted() -> None:
    """Otherwise the store could have it after the end."""
    scene = Scene()
    scene.tail.gate.clear()
    scene.upload.bytes_read = 3
    scene.keeper.begin()
    await turns()
    ending = asyncio.create_task(scene.keeper.end(is_left_open=False))
    await turns()
    ending.cancel()
    await turns()
    assert not ending.done()
    scene.tail.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert [event if event == "deleted" else "written" for event in scene.tail.events] == ["written", "deleted"]


async def test_an_error_of_a_copy_ends_the_upload_and_one_of_the_deletion_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.tail.error = StorageError("no")
    scene.upload.bytes_read = 3
    scene.keeper.begin()
    await turns()
    assert scene.upload.failures == [scene.tail.error]
    with caplog.at_level(logging.WARNING, "aios3"):
        await scene.keeper.end(is_left_open=False)
    assert "not deleted: no" in caplog.text


async def test_a_tail_that_hangs_is_given_up_after_the_cleanup_timeout(
    caplog: pytest.LogCaptureFixture, loop_clock
) -> None:
    scene = Scene()
    scene.tail.gate.clear()
    scene.upload.bytes_read = 3
    scene.keeper.begin()
    await turns()
    ending = asyncio.create_task(scene.keeper.end(is_left_open=False))
    await turns()
    await loop_clock.advance(scene.engine.timeouts.cleanup + 1)
    await ending
    assert "was not deleted" in caplog.text
