"""What an upload tells of itself to a journal: before it begins, when it is known, and how it ended."""

from __future__ import annotations

import asyncio
import errno

import pytest

from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.journal_interface import NoJournal, NoRecord
from aios3._upload.uploader import Uploader
from aios3.checkpoints import UploadSuspendedError
from aios3.errors import StorageError
from tests.support.fakes import PART, make_job, refusal
from tests.support.upload_scene import UploadScene, content


class RecordingJournal:
    """Notes what it is told, and where asked to, fails."""

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


async def test_every_step_is_told_before_the_next_is_taken() -> None:
    """The Create leaves after it was announced, and parts after its id is known."""
    scene, journal = scene_with()
    await scene.upload(content(3))
    assert journal.events == [("creating", 0), ("created", 1), ("ended", [])]


async def test_a_single_put_is_not_announced() -> None:
    """It leaves nothing behind."""
    scene, journal = scene_with()
    await scene.upload(b"small")
    assert journal.events == [("ended", [])]


async def test_an_aborted_upload_has_ended() -> None:
    """And one that could not be aborted is left open."""
    for answers, event in (((), ("ended", [])), ((refusal(403, "AccessDenied"),), ("left open", ["upload-1"]))):
        scene, journal = scene_with()
        scene.store.on("AbortMultipartUpload", *answers)

        async def fail(upload: Uploader) -> None:
            await upload.add(memoryview(content(3)))
            raise ValueError("source")

        with pytest.raises(ValueError, match="source"):
            await scene.upload(fail)
        assert journal.events[-1] == event


@pytest.mark.parametrize(("step", "operations"), [("creating", []), ("created", ["AbortMultipartUpload"])])
async def test_a_full_disk_ends_the_upload(step: str, operations: list[str]) -> None:
    """Before anything is created; or what was created is aborted. The disk's error comes out unchanged."""
    scene, journal = scene_with(fails_in=step)
    with pytest.raises(OSError, match="No space"):
        await scene.upload(content(3))
    assert scene.store.operations[1:] == operations
    assert journal.events[-1] == ("ended", [])
    scene.assert_nothing_is_left()


async def test_a_suspended_upload_is_left_open() -> None:
    """Its caller has the checkpoint."""
    scene, journal = scene_with()

    async def feed(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        await asyncio.Event().wait()

    task = await scene.start(feed)
    await scene.engine.stop_uploads(None)
    with pytest.raises(UploadSuspendedError, match="closed") as caught:
        await task
    assert journal.events[-1] == ("left open", ["upload-1"])
    assert caught.value.checkpoint is not None
    assert caught.value.checkpoint.offset == 2 * PART
    assert "it was left open" in caught.value.__notes__[0]


async def test_an_upload_that_creates_nothing_cannot_be_suspended() -> None:
    """There is no checkpoint, and nothing is open."""
    scene, journal = scene_with()

    async def feed(upload: Uploader) -> None:
        await upload.add(memoryview(b"some"))
        await asyncio.Event().wait()

    task = await scene.start(feed)
    await scene.engine.stop_uploads(None)
    with pytest.raises(UploadSuspendedError) as caught:
        await task
    assert (caught.value.checkpoint, journal.events) == (None, [("ended", [])])


async def test_without_a_journal_nothing_is_kept() -> None:
    """An upload that is stopped is aborted, and its caller gets an ordinary error."""
    log = NoJournal().begin(make_job())
    assert isinstance(log, NoRecord)
    scene = UploadScene()

    async def feed(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        await asyncio.Event().wait()

    task = await scene.start(feed)
    await scene.engine.stop_uploads(None)
    with pytest.raises(StorageError) as caught:
        await task
    assert not isinstance(caught.value, UploadSuspendedError)
    scene.assert_nothing_is_left()
