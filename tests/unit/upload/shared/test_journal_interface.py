"""Records of an upload in a journal: before Create, with its id, and at its end."""

from __future__ import annotations

import asyncio
import errno

import pytest

from aios3._upload.shared.job import UploadJob
from aios3.checkpoints import UploadSuspendedError
from tests.support.fakes import PART
from tests.support.upload_scene import UploadScene, adding, content


class RecordingJournal:
    """Records the steps, and fails in one of them."""

    keeps = True

    def __init__(self, scene: UploadScene, *, fails_in: str | None = None) -> None:
        self.events: list[object] = []
        self._scene = scene
        self._fails_in = fails_in

    def begin(self, job: UploadJob) -> RecordingJournal:
        return self

    async def creating(self) -> None:
        await self._note("creating")

    async def created(self, upload_id: str) -> None:
        await self._note("created")

    async def _note(self, event: str) -> None:
        self.events.append((event, len(self._scene.store.sent)))
        await asyncio.sleep(0)
        if self._fails_in == event:
            raise OSError(errno.ENOSPC, "No space left on device")

    def ended(self) -> None:
        self.events.append(("ended", list(self._scene.store.uploads)))

    def left_open(self) -> None:
        self.events.append(("left open", list(self._scene.store.uploads)))


def scene_with(fails_in: str | None = None) -> tuple[UploadScene, RecordingJournal]:
    scene = UploadScene()
    journal = scene.engine.journal = RecordingJournal(scene, fails_in=fails_in)
    return scene, journal


@pytest.mark.parametrize(
    ("parts", "events"), [(3, [("creating", 0), ("created", 1), ("ended", [])]), (0.5, [("ended", [])])]
)
async def test_every_step_is_recorded_before_the_next_request(parts: float, events: list[object]) -> None:
    """A single PutObject leaves nothing behind, so only its end is."""
    scene, journal = scene_with()
    await scene.upload(content(parts))
    assert journal.events == events


@pytest.mark.parametrize(("step", "operations"), [("creating", []), ("created", ["AbortMultipartUpload"])])
async def test_an_upload_whose_journal_cannot_be_written_fails_and_leaves_nothing(
    step: str, operations: list[str]
) -> None:
    scene, journal = scene_with(fails_in=step)
    with pytest.raises(OSError, match="No space"):
        await scene.upload(content(3))
    assert scene.store.operations[1:] == operations
    assert journal.events[-1] == ("ended", [])
    scene.assert_nothing_is_left()


@pytest.mark.parametrize(("parts", "event"), [(2.5, ("left open", ["upload-1"])), (0.5, ("ended", []))])
async def test_a_suspended_upload_is_left_open_if_it_has_parts(parts: float, event: object) -> None:
    scene, journal = scene_with()
    task = await scene.start(adding(parts, None))
    await scene.engine.stop_uploads(None)
    with pytest.raises(UploadSuspendedError, match="closed") as caught:
        await task
    assert journal.events[-1] == event
    checkpoint = caught.value.checkpoint
    assert (checkpoint and checkpoint.offset) == (2 * PART if parts > 1 else None)
    assert parts < 1 or "it was left open" in caught.value.__notes__[0]
