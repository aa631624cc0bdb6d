"""The commit's requests, and the ETag that HEAD will report."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aios3._client.failed_attempts import FailedAttempts
from aios3._protocol.checksums.digests import checksum_of
from aios3._protocol.operations import Committed
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.shared.integrity import ObjectChecksum
from aios3._upload.upload_requests import UploadRequests
from aios3.credentials import Credentials
from aios3.errors import AccessDeniedError, IntegrityError, TransportError
from aios3.models import UploadedPart, UploadReceipt, Verification
from tests.support.fakes import (
    HEADERS,
    SMALL_PARTS,
    FakeClock,
    FakeStore,
    make_engine,
    make_guard,
    make_job,
    md5,
    multipart_md5,
    refusal,
)

UNTRUSTED = dataclasses.replace(SMALL_PARTS, complete_etag_is_final=False)
BODY = b"abcdef"
CRC = "S4457w=="
ETAG = multipart_md5([b"abc", b"def"])


class Scene:
    def __init__(self, *, provider: Any = SMALL_PARTS, **job: Any) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.engine = make_engine(self.store, self.clock, provider=provider)
        self.failures = FailedAttempts()
        self.guard = make_guard(self.engine.client, self.failures, known=self.engine.known_uploads)
        self.guard.upload_id = "id"
        self.store.uploads["id"] = ("key", self.clock.moment, {1: b"abc", 2: b"def"})
        self.commit = UploadRequests(self.engine, make_job(**job), self.failures)

    async def complete(self) -> Committed:
        tracker = PartTracker()
        for number, content in ((1, b"abc"), (2, b"def")):
            tracker.record(number, size=3, etag=f'"{md5(content)}"')
        operation = await self.commit.prepare("id", tracker, 2, len(BODY))
        return await self.commit.complete(self.guard, operation, len(BODY))


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
    scene.failures.add(TransportError("reset"))
    scene.clock.advance(12.5)
    parts = (UploadedPart(1, 6, "e"),)
    receipt = scene.commit.receipt(Committed('"etag"', "v", "sum", "request"), 6, parts, "id")
    assert (receipt.bucket, receipt.key, receipt.size, receipt.etag) == ("bucket", "key", 6, "etag")
    assert (receipt.version_id, receipt.upload_id, receipt.parts) == ("v", "id", parts)
    assert (receipt.checksum, receipt.request_id, receipt.retries, receipt.elapsed) == ("sum", "request", 1, 12.5)


def test_a_receipt_without_an_etag() -> None:
    """Of a store that tells none."""
    assert Scene().commit.receipt(Committed(None, None, None, None), 0, ()).etag == ""


class Signer:
    async def get_credentials(self) -> Credentials:
        return Credentials("AKIDEXAMPLE", "secret")


def signed(scene: Scene) -> Scene:
    scene.engine.client.credentials = Signer()
    return scene


def reporting(checksum: str) -> Response:
    """Return an answer to Complete that tells a checksum."""
    document = f'<ETag>"{ETAG}"</ETag><ChecksumCRC32>{checksum}</ChecksumCRC32>'
    return Response(200, {}, f"<CompleteMultipartUploadResult>{document}</CompleteMultipartUploadResult>".encode())


async def complete_checked(scene: Scene) -> Committed:
    """Complete with the checksums of the parts."""
    tracker = PartTracker()
    for number, content in ((1, b"abc"), (2, b"def")):
        tracker.record(number, size=3, etag=f'"{md5(content)}"', checksum=checksum_of("crc32", [content]))
    operation = await scene.commit.prepare("id", tracker, 2, len(BODY))
    return await scene.commit.complete(scene.guard, operation, len(BODY))


def receipt_of(scene: Scene, committed: Committed) -> UploadReceipt:
    return scene.commit.receipt(committed, len(BODY), ())


def test_a_create_is_for_the_key_and_carries_the_mark() -> None:
    """By which the object can be told from any other."""
    creation = Scene(nonce="n").commit.creation()
    assert (creation.bucket, creation.key) == ("bucket", "key")
    assert creation.headers == {"content-type": "video/mp4", "x-amz-meta-aios3-nonce": "n"}


async def test_a_put_is_for_the_key_and_carries_the_mark() -> None:
    """As a Create does."""
    scene = Scene(nonce="n")
    await scene.commit.put([BODY])
    assert scene.store.sent[0].path == "/bucket/key"
    assert scene.store.sent[0].headers["x-amz-meta-aios3-nonce"] == "n"


async def test_a_locked_put_carries_the_md5_of_its_body() -> None:
    """And the receipt says so, and that the ETag is the same."""
    headers = dataclasses.replace(HEADERS, create={"x-amz-object-lock-mode": "GOVERNANCE"})
    scene = Scene(headers=headers)
    committed = await scene.commit.put([BODY])
    assert scene.store.sent[0].headers["content-md5"] == "6AtQFwmJUPxYqtg8jBSXjg=="
    assert receipt_of(scene, committed).verification == Verification(
        frozenset({"content-md5"}), "full-object", is_etag_confirmed=True
    )


@pytest.mark.parametrize(
    "shown",
    [{"x-amz-meta-aios3-nonce": "n"}, {"x-amz-checksum-crc32": CRC}],
    ids=["nonce", "checksum"],
)
@pytest.mark.parametrize("is_put", [True, False])
async def test_a_lost_commit_is_known_by_what_was_sent(shown: dict[str, str], is_put: bool) -> None:
    """The HEAD that looks carries what a customer key needs, and asks for checksums."""
    scene = Scene(nonce="n", checksum=ObjectChecksum("crc32", is_full_object=True))
    scene.store.on("PutObject" if is_put else "CompleteMultipartUpload", scene.store.lose, refusal(404, "NoSuchUpload"))
    scene.store.on("HeadObject", Response(200, {"content-length": "6", "etag": '"encrypted"', **shown}))
    committed = await (scene.commit.put([BODY]) if is_put else complete_checked(scene))
    assert committed.etag == "encrypted"
    (look,) = scene.store.requests("HeadObject")
    assert look.headers == {"x-part": "p", "x-amz-checksum-mode": "ENABLED"}


async def test_a_lost_commit_is_known_by_its_age() -> None:
    """Where the store tells no more: it was stored since the upload began."""
    scene = Scene()
    scene.clock.advance(60)
    scene.commit.log.began_at = 60.0
    scene.store.on("CompleteMultipartUpload", scene.store.lose, refusal(404, "NoSuchUpload"))
    dates = {"last-modified": "Mon, 04 May 2026 03:03:01 GMT"}
    scene.store.on("HeadObject", *[Response(200, {"content-length": "6", "etag": '"encrypted"', **dates})] * 2)
    assert (await scene.complete()).etag == "encrypted"


async def test_a_lost_put_without_marks_is_known_by_its_md5() -> None:
    """There is no checksum to ask for."""
    scene = Scene()
    scene.store.on("PutObject", scene.store.lose, refusal(412, "PreconditionFailed"))
    assert (await scene.commit.put([BODY])).etag == md5(BODY)


async def test_a_commit_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than other requests."""
    scene = Scene()
    send = scene.store.send
    patience: list[float | None] = []

    async def recording(request: Request, *, read_timeout: float | None = None) -> Response:
        patience.append(read_timeout)
        return await send(request)

    monkeypatch.setattr(scene.store, "send", recording)
    await scene.complete()
    assert patience == [scene.engine.timeouts.complete]


@pytest.mark.parametrize("told", [True, False])
async def test_the_size_goes_with_the_commit_where_it_is_checked(told: bool) -> None:
    """The receipt says so."""
    scene = Scene(provider=dataclasses.replace(SMALL_PARTS, checks_object_size=told))
    committed = await scene.complete()
    assert scene.store.sent[0].headers.get("x-amz-mp-object-size") == ("6" if told else None)
    assert receipt_of(scene, committed).verification == Verification(
        whole="size" if told else None, is_etag_confirmed=True
    )


async def test_a_full_object_checksum_goes_with_the_commit() -> None:
    """With those of the parts; what comes back is compared, and the receipt says so."""
    scene = signed(Scene(checksum=ObjectChecksum("crc32", is_full_object=True)))
    scene.store.on("CompleteMultipartUpload", reporting(CRC))
    committed = await complete_checked(scene)
    (request,) = scene.store.sent
    assert request.headers["x-amz-checksum-crc32"] == CRC
    assert request.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert b"".join(request.body).count(b"<ChecksumCRC32>") == 2
    assert receipt_of(scene, committed).verification == Verification(
        frozenset({"signature", "crc32"}), "full-object", is_checksum_confirmed=True, is_etag_confirmed=True
    )


async def test_the_receipt_of_a_put_says_what_was_compared() -> None:
    """And what came back."""
    scene = signed(Scene(checksum="crc32"))
    scene.store.on("PutObject", Response(200, {"etag": '"other"', "x-amz-checksum-crc32": CRC}))
    committed = await scene.commit.put([BODY])
    assert receipt_of(scene, committed).verification == Verification(
        frozenset({"signature", "crc32"}), "full-object", is_checksum_confirmed=True
    )


@pytest.mark.parametrize("is_put", [True, False])
async def test_another_checksum_is_an_error(is_put: bool) -> None:
    """The message names the object and both checksums."""
    scene = Scene(checksum=ObjectChecksum("crc32", is_full_object=True))
    scene.store.on("PutObject", Response(200, {"etag": '"e"', "x-amz-checksum-crc32": "AAAAAA=="}))
    scene.store.on("CompleteMultipartUpload", reporting("AAAAAA=="))
    with pytest.raises(IntegrityError, match=f"^bucket/key was committed with crc32 AAAAAA==, .* have {CRC}$"):
        await (scene.commit.put([BODY]) if is_put else complete_checked(scene))


async def test_a_look_at_the_etag_keeps_the_checksum() -> None:
    """Which the commit's answer told."""
    scene = Scene(provider=UNTRUSTED)
    scene.store.on("CompleteMultipartUpload", reporting(CRC))
    scene.store.put("key", BODY)
    assert (await scene.complete()).checksum == CRC


def test_the_error_of_a_commit_that_was_cut_off() -> None:
    """It names all that the caller needs to find out."""
    error = Scene().commit.given_up("id")
    assert (error.bucket, error.key, error.upload_id) == ("bucket", "key", "id")
    assert "closed while bucket/key was being committed" in str(error)


def test_the_receipt_of_a_stream() -> None:
    """Its time runs from its beginning, and a declared length is all that was compared."""
    scene = Scene(size=6)
    scene.clock.advance(12.5)
    scene.commit.log.began_at = 2.5
    receipt = receipt_of(scene, Committed(None, None, None, None))
    assert receipt.elapsed == 10
    assert receipt.verification == Verification(whole="size")
