"""The journal of a driver: what it has begun stands there before it is begun, and is responsible for it alone."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from aios3._journal import journal as journal_module
from aios3._journal.journal import Journal
from aios3._journal.journal_file import JournalFile
from aios3.errors import ConfigurationError, StorageError
from tests.support.fakes import make_job, turns
from tests.support.journal_scene import HERE, JournalScene, entry


def die(journal: Journal) -> None:
    """Let the journal's process die."""
    for file in journal._files:
        os.close(file._descriptor)
        file._descriptor = -1


async def leave(journal: Journal, upload_id: str = "id", **job: object) -> None:
    """Begin an upload and leave it open."""
    log = journal.begin(make_job(**job))
    await log.creating()
    await log.created(upload_id)
    log.left_open()


def ids_left(journal: Journal) -> list[str | None]:
    return [left.upload_id for left in journal.left.values()]


async def claimed(scene: JournalScene) -> Journal:
    """Open another journal, which claims what others left."""
    journal = await scene.open()
    await journal.claim()
    return journal


async def left_by_another(scene: JournalScene, *upload_ids: str, dies: bool = False) -> None:
    """Leave uploads open in a journal that is closed, or whose process died."""
    journal = await scene.open()
    for upload_id in upload_ids:
        await leave(journal, upload_id)
    die(journal) if dies else await journal.aclose()


async def test_an_upload_is_recorded_from_before_its_create_to_its_end(scene: JournalScene) -> None:
    journal = await scene.open()
    log = journal.begin(make_job(key="cat"))
    assert "cat" not in scene.files[0]
    await log.creating()
    assert '"key":"cat"' in scene.files[0]
    await log.created("id-1")
    assert "id-1" in scene.files[0]
    log.ended()
    await journal.aclose()
    assert scene.files == []


async def test_an_upload_that_creates_nothing_is_not_recorded(scene: JournalScene) -> None:
    journal = await scene.open()
    log = journal.begin(make_job())
    log.ended()
    log.left_open()
    assert journal.left == {}
    assert scene.files[0].count("\n") == 1


async def test_uploads_of_the_living_and_of_other_endpoints_are_not_claimed(scene):
    living, elsewhere = await scene.open(), await scene.open("http://elsewhere")
    await leave(living)
    assert ids_left(living) == ["id"]
    await leave(elsewhere)
    await elsewhere.aclose()
    assert (await claimed(scene)).left == {}


async def test_a_claimed_upload_is_ended_in_its_own_file(scene):
    await left_by_another(scene, "id-1", "id-2", dies=True)
    second = await claimed(scene)
    assert len(scene.files) == 2
    second.end(next(iter(second.left)))
    await second.read_others()
    die(second)
    third = await claimed(scene)  # the empty file of the second is removed
    assert (ids_left(third), len(scene.files)) == (["id-2"], 2)
    third.end(next(iter(third.left)))
    await third.read_others()
    assert len(scene.files) == 1


async def test_a_cancelled_claim_is_responsible_all_the_same(scene):
    """The files are locked, so no other process could be."""
    await left_by_another(scene, "id")
    second = await scene.open()
    claiming = asyncio.create_task(second.claim())
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    await second.read_others()
    await turns()
    assert ids_left(second) == ["id"]


async def test_a_claim_that_the_end_overtakes_unlocks_what_it_has_locked(scene):
    await left_by_another(scene, "id")
    second = await scene.open()
    claiming = asyncio.create_task(second.claim())
    await turns(2)
    await second.aclose()
    await claiming
    assert ids_left(await claimed(scene)) == ["id"]


async def test_after_the_end_nothing_is_claimed(scene: JournalScene) -> None:
    """Nor written; what ends afterwards is for the next process to find out."""
    journal = await scene.open()
    await leave(journal)
    await journal.aclose()
    with pytest.raises(StorageError, match="closed"):
        await journal.claim()
    with pytest.raises(StorageError, match="closed"):
        await journal.begin(make_job()).creating()
    journal.end(next(iter(journal.left)))
    await journal.aclose()
    assert len(scene.files) == 1


async def test_a_cancelled_close_closes(scene):
    """Otherwise the lock would stay as long as the process."""
    journal = await scene.open()
    await leave(journal)
    closing = asyncio.create_task(journal.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await journal.aclose()
    assert ids_left(await claimed(scene)) == ["id"]


async def test_what_could_be_locked_is_claimed_although_a_file_cannot_be_read(scene, monkeypatch):
    await left_by_another(scene, "id")
    second = await scene.open()
    find = journal_module.find_dead_journals

    def find_and_fail(directory: Path, endpoint: str) -> object:
        yield from find(directory, endpoint)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal_module, "find_dead_journals", find_and_fail)
    with pytest.raises(OSError, match="Input/output"):
        await second.claim()
    assert ids_left(second) == ["id"]


@pytest.mark.parametrize("closes", [True, False])
async def test_an_upload_that_is_not_of_this_journal_is_taken_into_it(scene: JournalScene, closes: bool) -> None:
    """With its id, which is known; when its caller has only a checkpoint."""
    journal = await scene.open()
    log = journal.begin(make_job(key="cat"))
    await log.created("foreign-id")
    log.left_open()
    await journal.aclose() if closes else die(journal)
    second = await claimed(scene)
    assert list(second.left.values()) == [entry(key="cat", at=scene.clock.moment, upload_id="foreign-id")]


async def test_an_upload_that_was_left_is_taken_up(scene: JournalScene) -> None:
    """It is not written down a second time, and nobody else can take it meanwhile."""
    await leave(journal := await scene.open(), "other", key="other")
    await leave(journal)
    before = scene.files
    log = journal.begin(make_job())
    await log.created("id")
    assert (scene.files, ids_left(journal)) == (before, ["other"])
    assert journal.resume("id") is None
    log.left_open()
    assert ids_left(journal) == ["other", "id"]


async def test_an_upload_that_is_reserved_is_not_left(scene: JournalScene) -> None:
    """Whoever reserved it goes on with it, or puts it back."""
    await leave(journal := await scene.open())
    (number,) = journal.left
    reserved = journal.take(number)
    assert reserved is not None
    assert reserved.upload_id == "id"
    assert (journal.take(number), journal.left) == (None, {})
    journal.put_back(number)
    assert ids_left(journal) == ["id"]
    journal.take(number)
    assert journal.resume("id") == number
    journal.put_back(number)
    assert journal.left == {}


@pytest.mark.parametrize("step", ["creating", "created"])
async def test_a_cancelled_write_leaves_no_entry_once_the_upload_has_ended(scene: JournalScene, step: str) -> None:
    """Whether the thread had begun with it or not."""
    journal = await scene.open()
    for is_busy in (True, False):
        log = journal.begin(make_job())
        if step == "created":
            await log.creating()
        release = threading.Event()
        if is_busy:
            journal._writer.submit(release.wait)
        writing = asyncio.ensure_future(log.creating() if step == "creating" else log.created("id"))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})
        log.ended()
        release.set()
        assert await journal.read_others() == []
    await journal.aclose()
    assert scene.files == []


async def test_a_cancelled_opening_leaves_nothing_locked(scene: JournalScene) -> None:
    journal = Journal(scene.directory, HERE, scene.clock())
    opening = asyncio.create_task(journal.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait({opening})
    await journal.aclose()
    assert scene.files == []


async def test_the_files_are_touched_in_one_thread_only(scene: JournalScene, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    for name in ("create", "begin", "add", "end", "close"):
        original = getattr(JournalFile, name)

        def noting(*args: object, original: object = original, **options: object) -> object:
            threads.add(threading.current_thread().name)
            return original(*args, **options)  # type: ignore[operator]

        monkeypatch.setattr(JournalFile, name, noting)
    journal = await scene.open()
    log = journal.begin(make_job())
    await log.creating()
    await log.created("id")
    log.ended()
    await journal.aclose()
    assert [name for name in threads if not name.startswith("aios3-journal")] == []
    assert threads


async def test_a_fork_writes_nothing(scene: JournalScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no thread that would, so waiting for one would never end."""
    journal = await scene.open()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ConfigurationError, match="make a driver in each process"):
            await journal.claim()
    await journal.aclose()
