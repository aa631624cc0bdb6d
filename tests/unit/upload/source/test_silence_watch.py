"""The watch over silent sources: never early, soon after the limit, and the last resort of stuck uploads."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field

import pytest

from aios3._upload.source.silence_watch import MOST_SILENCE, SilenceWatch
from aios3.errors import SourceStalledError, StorageError
from tests.conftest import LoopClock

LIMIT = 8.0
PAUSE = LIMIT / 8


@dataclass(eq=False)
class FakeUpload:
    bytes_read: int = 0
    is_asking: bool = True
    is_idle: bool = False
    holds_any: bool = True
    reasons: list[StorageError] = field(default_factory=list)

    def stop(self, reason: StorageError) -> None:
        self.reasons.append(reason)


class Scene:
    def __init__(self, clock: LoopClock, limit: float | None = LIMIT) -> None:
        self.clock = clock
        self.starving = self.looks = 0
        self.watch = SilenceWatch(limit, lambda: self.starving, self._looked)

    def _looked(self) -> None:
        self.looks += 1

    def add(self, **facts: object) -> FakeUpload:
        upload = FakeUpload(**facts)  # type: ignore[arg-type]
        self.watch.begin(upload)
        return upload

    async def pass_by(self, seconds: float, pause: float = PAUSE) -> None:
        for _ in range(round(seconds / pause)):
            await self.clock.advance(pause)


@pytest.fixture
async def scene(loop_clock: LoopClock) -> Scene:
    return Scene(loop_clock)


async def test_a_source_that_gives_nothing_is_ended_once_after_the_limit(scene: Scene) -> None:
    upload = scene.add()
    await scene.pass_by(LIMIT)
    assert upload.reasons == []
    await scene.pass_by(2 * PAUSE)
    assert [str(reason) for reason in upload.reasons] == ["the source gave nothing for 8 s"]
    assert isinstance(upload.reasons[0], SourceStalledError)
    assert isinstance(upload.reasons[0], TimeoutError)
    await scene.pass_by(LIMIT)
    assert len(upload.reasons) == 1


async def test_a_source_that_gives_a_byte_within_the_limit_goes_on(scene: Scene) -> None:
    upload = scene.add()
    for _ in range(20):
        await scene.pass_by(LIMIT - PAUSE)
        upload.bytes_read += 1
    assert upload.reasons == []


async def test_backpressure_is_no_silence(scene: Scene) -> None:
    upload = scene.add()
    await scene.pass_by(LIMIT - PAUSE)
    upload.is_asking = False
    await scene.pass_by(10 * LIMIT)
    upload.is_asking = True
    await scene.pass_by(LIMIT)
    assert upload.reasons == []
    await scene.pass_by(2 * PAUSE)
    assert len(upload.reasons) == 1


async def test_a_caller_who_writes_nothing_has_no_limit(scene: Scene) -> None:
    upload = scene.add(is_asking=False, is_idle=True)
    await scene.pass_by(10 * LIMIT)
    assert upload.reasons == []


async def test_a_source_without_a_limit_goes_on_unless_another_upload_is_stuck(loop_clock: LoopClock) -> None:
    scene = Scene(loop_clock, None)
    upload = scene.add()
    await scene.pass_by(1000, MOST_SILENCE / 8)
    assert upload.reasons == []


@pytest.mark.parametrize("idle", [True, False])
async def test_for_each_stuck_upload_the_one_silent_longest_is_ended(loop_clock: LoopClock, idle: bool) -> None:
    """Also a caller who does not write. It was silent for long, and holds memory."""
    scene, pause = Scene(loop_clock, None), MOST_SILENCE / 8
    scene.add(holds_any=False)
    first, second = scene.add(is_asking=not idle, is_idle=idle), scene.add()
    waiting = scene.add(is_asking=False)
    await scene.pass_by(10, pause)
    second.bytes_read += 1
    third = scene.add()
    scene.starving = 1
    await scene.pass_by(MOST_SILENCE - 10, pause)
    assert first.reasons == []
    await scene.pass_by(3 * pause, pause)
    assert len(first.reasons) == 1
    assert "memory was needed" in str(first.reasons[0])
    assert (second.reasons, third.reasons, waiting.reasons) == ([], [], [])
    scene.watch.end(first)
    scene.starving = 2
    await scene.pass_by(10 * pause, pause)
    assert (len(second.reasons), len(third.reasons), waiting.reasons) == (1, 1, [])


async def test_a_further_upload_is_ended_only_if_the_first_gave_not_enough_back(loop_clock: LoopClock) -> None:
    scene, pause = Scene(loop_clock, None), MOST_SILENCE / 8
    uploads = [scene.add() for _ in range(3)]
    await scene.pass_by(MOST_SILENCE + pause, pause)
    scene.starving = 1
    ended = []
    for _ in range(5):
        await scene.pass_by(pause, pause)
        ended.append(sum(len(upload.reasons) for upload in uploads))
    assert ended == [1, 1, 2, 2, 3]


async def test_the_timer_ends_with_the_last_upload_and_begins_with_the_next(scene: Scene) -> None:
    upload = scene.add()
    await scene.pass_by(PAUSE)
    assert scene.looks == 1
    scene.watch.end(upload)
    await scene.pass_by(10 * PAUSE)
    assert scene.looks == 1
    again = scene.add()
    await scene.pass_by(LIMIT + 2 * PAUSE)
    assert len(again.reasons) == 1


async def test_the_timer_keeps_no_upload_that_has_ended(scene: Scene) -> None:
    upload = scene.add()
    gone = weakref.ref(upload)
    scene.watch.end(upload)
    del upload
    gc.collect()
    assert gone() is None
