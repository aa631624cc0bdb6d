"""What was left open: seen, gone on with, or ended, and never what is another's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aios3._journal.journal import Journal
from aios3._journal.recovery import Leftovers
from aios3._protocol.wire.messages import Response
from aios3._upload.open_upload import abort_upload
from aios3.checkpoints import FileIdentity, MultipartUpload, RecoveredUpload, UploadCheckpoint
from aios3.errors import AccessDeniedError, StorageError, TransportError
from aios3.models import UploadedPart
from tests.support.fakes import HEADERS, PART, make_job, md5, refusal
from tests.support.journal_scene import JournalScene

ONE, TWO = b"1" * PART, b"2" * PART


@pytest.fixture
async def journal(scene: JournalScene) -> AsyncIterator[Journal]:
    """An open journal."""
    return await scene.open()


@pytest.fixture
def leftovers(scene: JournalScene, journal: Journal) -> Leftovers:
    scene.engine.journal = journal
    return Leftovers(scene.engine, journal)


async def leave(scene: JournalScene, journal: Journal, upload_id: str | None = "id", **job: Any) -> int:
    """Leave an upload of two parts open, in the journal and at the store."""
    log = journal.begin(make_job(**job))
    await log.creating()
    if upload_id is not None:
        await log.created(upload_id)
        scene.store.open_upload(upload_id, at=scene.clock.moment)
        scene.store.uploads[upload_id][2].update({1: ONE, 2: TWO})
    log.left_open()
    return max(journal.left)


async def abort(leftovers: Leftovers, number: int) -> RecoveredUpload | None:
    with leftovers.reserve(number) as reserved:
        return None if reserved is None else await leftovers.abort(number, reserved)


async def checkpoint(leftovers: Leftovers, number: int) -> UploadCheckpoint | None:
    with leftovers.reserve(number) as reserved:
        assert reserved is not None
        return await leftovers.checkpoint(number, reserved)


async def test_the_oldest_comes_first(scene, journal, leftovers):
    other = await scene.open()
    await leave(scene, other, "old")
    await other.aclose()
    scene.clock.advance(5)
    newer = await leave(scene, journal, "new")
    first, second = await leftovers.claim()
    assert second == newer
    assert journal.left[first].upload_id == "old"


async def test_a_checkpoint_has_the_parts_that_the_store_holds(scene, journal, leftovers):
    number = await leave(scene, journal, size=3 * PART)
    parts = (UploadedPart(1, PART, md5(ONE)), UploadedPart(2, PART, md5(TWO)))
    assert await checkpoint(leftovers, number) == UploadCheckpoint("bucket", "key", "id", PART, parts, None, 3 * PART)
    assert list(journal.left) == [number]


async def test_an_upload_without_an_id_has_no_checkpoint(scene, journal, leftovers):
    """Nobody could go on with it; it stays, to be looked for."""
    number = await leave(scene, journal, None)
    assert await checkpoint(leftovers, number) is None
    assert (scene.store.sent, list(journal.left)) == ([], [number])


@pytest.mark.parametrize("code", ["NoSuchUpload", "NoSuchBucket"])
async def test_an_upload_that_is_gone_has_no_checkpoint_and_is_forgotten(scene, journal, leftovers, code):
    number = await leave(scene, journal)
    scene.store.on("ListParts", refusal(404, code))
    assert await checkpoint(leftovers, number) is None
    assert journal.left == {}


@pytest.mark.parametrize(("has_key", "sent"), [(True, True), (False, False)])
async def test_a_customer_key_is_told_where_the_upload_has_one(scene, journal, has_key, sent, leftovers):
    attributes = {"sse_customer_key": b"k" * 32} if has_key else {}
    number = await leave(scene, journal, attributes=attributes)
    with leftovers.reserve(number) as reserved:
        assert reserved is not None
        await leftovers.checkpoint(number, reserved, HEADERS)
    assert ("x-part" in scene.store.requests("ListParts")[0].headers) is sent


async def test_an_upload_is_aborted_and_forgotten(scene, journal, leftovers):
    number = await leave(scene, journal, attributes={"request_payer": "requester"})
    assert await abort(leftovers, number) == RecoveredUpload("bucket", "key", "id", "aborted")
    assert (scene.store.uploads, journal.left, scene.engine.known_uploads) == ({}, {}, set())
    assert scene.store.requests("AbortMultipartUpload")[0].headers["x-amz-request-payer"] == "requester"
    assert await abort(leftovers, number) is None


@pytest.mark.parametrize("upload_id", ["id", None])
async def test_an_upload_that_is_gone_or_was_never_made_is_forgotten(scene, journal, leftovers, upload_id):
    number = await leave(scene, journal, upload_id)
    scene.store.uploads.clear()
    assert await abort(leftovers, number) == RecoveredUpload("bucket", "key", upload_id, "gone")
    assert journal.left == {}


@pytest.mark.parametrize(
    ("operation", "answer", "error"),
    [
        ("AbortMultipartUpload", refusal(403, "AccessDenied"), AccessDeniedError),
        ("ListParts", Response(200, {}, b"<ListPartsResult></ListPartsResult>"), type(None)),
    ],
    ids=["refused", "still listed"],
)
async def test_an_upload_that_cannot_be_aborted_stays(scene, journal, leftovers, operation, answer, error):
    number = await leave(scene, journal)
    scene.store.on(operation, *[answer] * 10)
    recovered = await abort(leftovers, number)
    assert (recovered.upload_id, recovered.outcome, type(recovered.error)) == ("id", "failed", error)
    assert list(journal.left) == [number]


async def test_an_upload_whose_id_was_lost_is_found_by_key_time_and_no_parts(scene, journal, leftovers):
    number = await leave(scene, journal, None)
    scene.store.open_upload("unknown", at=scene.clock.moment + timedelta(seconds=1))
    scene.store.open_upload("older", at=scene.clock.moment - timedelta(hours=1))
    scene.store.open_upload("busy", at=scene.clock.moment, parts=1)
    recovered = await abort(leftovers, number)
    assert recovered == RecoveredUpload("bucket", "key", "unknown", "aborted")
    assert (set(scene.store.uploads), journal.left) == ({"older", "busy"}, {})


async def test_a_new_upload_of_a_living_process_is_left_alone(scene, journal, leftovers):
    number = await leave(scene, journal, None)
    living = await scene.open()
    log = living.begin(make_job())
    await log.creating()
    scene.store.open_upload("theirs", at=scene.clock.moment)
    recovered = await abort(leftovers, number)
    assert recovered is not None
    assert (recovered.outcome, list(journal.left)) == ("failed", [number])
    assert isinstance(recovered.error, StorageError)
    assert "recover later" in str(recovered.error)
    await log.created("theirs")
    assert await abort(leftovers, number) == RecoveredUpload("bucket", "key", None, "gone")
    assert set(scene.store.uploads) == {"theirs"}


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[bytes], FileIdentity]:
    """Write a file and return which it is."""

    def make(content: bytes) -> FileIdentity:
        path = tmp_path / "file"
        path.write_bytes(content)
        return FileIdentity(str(path), len(content), path.stat().st_mtime_ns)

    return make


async def test_the_oldest_upload_of_a_file_is_found_and_the_others_ended(scene, journal, leftovers, make_file):
    file = make_file(ONE + TWO + b"rest")
    number = await leave(scene, journal, file=file)
    await leave(scene, journal, "other", key="other", file=file)
    await leave(scene, journal, "stream")
    await leave(scene, journal, "newer", file=file)
    found = await leftovers.find_by_file(file, "bucket", "key", HEADERS)
    assert found is not None
    assert (found[0], found[1].upload_id, found[1].offset) == (number, "id", 2 * PART)
    assert await leftovers.find_by_file(file, "bucket", "key", HEADERS) is None
    leftovers.put_back(number)
    assert number in journal.left
    assert set(scene.store.uploads) == {"id", "other", "stream"}


@pytest.mark.parametrize("change", ["state", "bytes"])
async def test_the_upload_of_another_state_of_the_file_is_ended(scene, journal, make_file, change, leftovers):
    file = make_file(ONE + (TWO if change == "state" else ONE))
    begun = FileIdentity(file.path, file.size, file.modified_ns + (change == "state"))
    await leave(scene, journal, file=begun)
    assert await leftovers.find_by_file(file, "bucket", "key", HEADERS) is None
    assert (scene.store.uploads, journal.left) == ({}, {})


async def test_a_listing_that_is_refused_is_raised_and_reserves_nothing(scene, journal, leftovers, make_file):
    file = make_file(ONE + TWO)
    number = await leave(scene, journal, file=file)
    for call in (checkpoint(leftovers, number), leftovers.find_by_file(file, "bucket", "key", HEADERS)):
        scene.store.on("ListParts", refusal(403, "AccessDenied"))
        with pytest.raises(AccessDeniedError):
            await call
        assert list(journal.left) == [number]


async def test_an_aborted_upload_leaves_the_journal(scene, journal):
    """Also one that the journal does not list is aborted."""
    scene.engine.journal = journal
    await leave(scene, journal)
    await abort_upload(scene.engine, MultipartUpload("bucket", "key", "id", PART), {})
    assert (scene.store.uploads, journal.left) == ({}, {})
    scene.store.open_upload("unknown")
    await abort_upload(scene.engine, MultipartUpload("bucket", "key", "unknown", PART), {})
    assert (scene.store.uploads, scene.engine.known_uploads) == ({}, set())


@pytest.mark.parametrize("operation", ["AbortMultipartUpload", "ListParts"])
async def test_an_upload_whose_abort_is_not_proved_stays_in_the_journal(scene, journal, operation):
    scene.engine.journal = journal
    number = await leave(scene, journal)
    scene.store.on(operation, *[TransportError("reset")] * 6)
    with pytest.raises(TransportError):
        await abort_upload(scene.engine, MultipartUpload("bucket", "key", "id", PART), {})
    assert list(journal.left) == [number]
