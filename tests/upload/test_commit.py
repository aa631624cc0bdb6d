"""The commit's requests, and the ETag that HEAD will report."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aios3._protocol.messages import Response
from aios3._protocol.operations import Committed
from aios3._upload.commit import Commit
from aios3._upload.guard import CancellationGuard
from aios3._upload.tracker import PartTracker
from aios3.errors import AccessDeniedError, StorageError, TransportError
from aios3.models import UploadedPart
from tests.fakes import SMALL_PARTS, FakeClock, FakeStore, make_engine, make_job, md5, multipart_md5, refusal

UNTRUSTED = dataclasses.replace(SMALL_PARTS, complete_etag_is_final=False)
BODY = b"abcdef"
CRC = "S4457w=="
ETAG = multipart_md5([b"abc", b"def"])


class Scene:
    def __init__(self, *, provider: Any = SMALL_PARTS, **job: Any) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.engine = make_engine(self.store, self.clock, provider=provider)
        self.failures: list[StorageError] = []
        guard = CancellationGuard(
            self.engine.client,
            "bucket",
            "key",
            headers={},
            deadline=60,
            failures=self.failures,
            known_uploads=self.engine.known_uploads,
        )
        guard.upload_id = "id"
        self.store.uploads["id"] = ("key", self.clock.moment, {1: b"abc", 2: b"def"})
        self.commit = Commit(self.engine, make_job(**job), guard, self.failures, began_at=0.0)

    async def complete(self) -> Committed:
        tracker = PartTracker()
        for number, content in ((1, b"abc"), (2, b"def")):
            tracker.record(number, size=3, etag=f'"{md5(content)}"')
        return await self.commit.complete("id", tracker, 2, len(BODY))


@pytest.mark.parametrize("checksum", [None, "crc32"])
def test_a_create_names_the_checksum_it_will_get(checksum: str | None) -> None:
    """If there is one; the job's headers are not changed."""
    scene = Scene(checksum=checksum)
    expected = {"content-type": "video/mp4"} | ({"x-amz-checksum-algorithm": "CRC32"} if checksum else {})
    assert scene.commit.creation().headers == expected
    assert "x-amz-checksum-algorithm" not in scene.commit.job.headers.create


async def test_a_put_carries_what_describes_the_object_and_the_conditions() -> None:
    """And the checksum of its body."""
    scene = Scene(checksum="crc32")
    committed = await scene.commit.put([BODY])
    assert committed.etag == f'"{md5(BODY)}"'
    assert scene.store.sent[0].headers == {
        "content-type": "video/mp4",
        "if-none-match": "*",
        "x-amz-checksum-crc32": CRC,
    }


async def test_the_etag_is_taken_where_it_is_final() -> None:
    """Without another request."""
    scene = Scene()
    assert (await scene.complete()).etag == f'"{ETAG}"'
    assert scene.store.operations == ["CompleteMultipartUpload"]


async def test_the_etag_is_looked_up_where_it_may_change() -> None:
    """HEAD has the last word, and knows the version."""
    scene = Scene(provider=UNTRUSTED)
    committed = await scene.complete()
    assert (committed.etag, committed.version_id, committed.request_id) == (ETAG, "v2", "commit")
    assert scene.store.operations == ["CompleteMultipartUpload", "HeadObject"]
    assert scene.store.sent[1].headers == {"x-part": "p"}


async def test_the_etag_is_looked_up_where_there_is_none() -> None:
    """Some stores answer without."""
    scene = Scene()

    def without(request: object) -> Response:
        scene.store._process(request)  # type: ignore[arg-type]
        return Response(200, {"x-amz-version-id": "v9"}, b"<CompleteMultipartUploadResult/>")

    scene.store.on("CompleteMultipartUpload", without)
    committed = await scene.complete()
    assert (committed.etag, committed.version_id) == (ETAG, "v9")


@pytest.mark.parametrize("answer", [refusal(403), refusal(404), TransportError("reset")])
async def test_a_look_that_fails_changes_nothing(answer: Any) -> None:
    """The object is committed, whoever may look at it."""
    scene = Scene(provider=UNTRUSTED)
    scene.store.on("HeadObject", *[answer] * 9)
    assert (await scene.complete()).etag == f'"{ETAG}"'


async def test_another_writers_object_does_not_give_its_etag() -> None:
    """One that has replaced ours in between, and has another size."""
    scene = Scene(provider=UNTRUSTED)
    scene.store.on("HeadObject", Response(200, {"content-length": "7", "etag": '"theirs"'}))
    assert (await scene.complete()).etag == f'"{ETAG}"'


async def test_a_refused_commit_is_raised() -> None:
    """Nothing is looked up."""
    scene = Scene(provider=UNTRUSTED)
    scene.store.on("CompleteMultipartUpload", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        await scene.complete()
    assert scene.store.operations == ["CompleteMultipartUpload"]


def test_the_receipt() -> None:
    """Everything that is known, without quotes; failed attempts are retries."""
    scene = Scene()
    scene.failures.append(TransportError("reset"))
    scene.clock.advance(12.5)
    parts = (UploadedPart(1, 6, "e"),)
    receipt = scene.commit.receipt(Committed('"etag"', "v", "sum", "request"), 6, parts)
    assert (receipt.bucket, receipt.key, receipt.size, receipt.etag) == ("bucket", "key", 6, "etag")
    assert (receipt.version_id, receipt.upload_id, receipt.parts) == ("v", "id", parts)
    assert (receipt.checksum, receipt.request_id, receipt.retries, receipt.elapsed) == ("sum", "request", 1, 12.5)


def test_a_receipt_without_an_etag() -> None:
    """Of a store that tells none."""
    assert Scene().commit.receipt(Committed(None, None, None, None), 0, ()).etag == ""
