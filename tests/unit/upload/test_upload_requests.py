"""Requests that make the object: their headers, their outcome, and the receipt."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aios3._protocol.checksums.digests import checksum_of
from aios3._protocol.operations import Committed
from aios3._protocol.parts.part_tracker import PartTracker
from aios3._protocol.wire.messages import Response
from aios3._upload.shared.integrity import ObjectChecksum
from aios3._upload.upload_requests import UploadRequests
from aios3.credentials import Credentials
from aios3.errors import IntegrityError, TransportError
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
        self.failures = self.engine.begin_log(make_job(**job))
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


class Signer:
    async def get_credentials(self) -> Credentials:
        return Credentials("AKIDEXAMPLE", "secret")


def signed(scene: Scene) -> Scene:
    scene.engine.client.credentials = Signer()
    return scene


def reporting(checksum: str) -> Response:
    """Return an answer to Complete that tells a checksum."""
    document = f'<ETag>"{ETAG}"</ETag><ChecksumCRC32>{checksum}</ChecksumCRC32>'
    return Response(
        200,
        {"x-amz-request-id": "r"},
        f"<CompleteMultipartUploadResult>{document}</CompleteMultipartUploadResult>".encode(),
    )


async def complete_checked(scene: Scene) -> Committed:
    """Complete with the checksums of the parts."""
    tracker = PartTracker()
    for number, content in ((1, b"abc"), (2, b"def")):
        tracker.record(number, size=3, etag=f'"{md5(content)}"', checksum=checksum_of("crc32", [content]))
    operation = await scene.commit.prepare("id", tracker, 2, len(BODY))
    return await scene.commit.complete(scene.guard, operation, len(BODY))


def receipt_of(scene: Scene, committed: Committed) -> UploadReceipt:
    return scene.commit.receipt(committed, len(BODY), ())


@pytest.mark.parametrize("checksum", [None, "crc32"])
def test_a_create_describes_the_object_and_names_nonce_and_checksum(checksum: str | None) -> None:
    """The job's headers are not changed."""
    scene = Scene(checksum=checksum, nonce=checksum and "n")
    creation = scene.commit.creation()
    assert (creation.bucket, creation.key) == ("bucket", "key")
    marks = {"x-amz-meta-aios3-nonce": "n", "x-amz-checksum-algorithm": "CRC32"}
    assert creation.headers == {"content-type": "video/mp4"} | (marks if checksum else {})
    assert scene.commit.job.headers.create == HEADERS.create


LOCKED = dataclasses.replace(HEADERS, create={**HEADERS.create, "x-amz-object-lock-mode": "GOVERNANCE"})
MD5 = "6AtQFwmJUPxYqtg8jBSXjg=="


@pytest.mark.parametrize(
    ("job", "sent", "bodies"),
    [
        ({"checksum": "crc32"}, {"x-amz-checksum-crc32": CRC}, {"signature", "crc32"}),
        ({"nonce": "n"}, {"x-amz-meta-aios3-nonce": "n"}, {"signature"}),
        (
            {"headers": LOCKED},
            {"x-amz-object-lock-mode": "GOVERNANCE", "content-md5": MD5},
            {"signature", "content-md5"},
        ),
    ],
    ids=["checksum", "nonce", "lock"],
)
async def test_a_put_has_all_headers_and_its_receipt_says_what_was_verified(
    job: dict[str, Any], sent: dict[str, str], bodies: set[str]
) -> None:
    scene = signed(Scene(**job))
    etag = f'"{md5(BODY)}"'
    scene.store.on("PutObject", Response(200, {"etag": etag, "x-amz-checksum-crc32": CRC}))
    committed = await scene.commit.put([BODY])
    (request,) = scene.store.sent
    assert request.path == "/bucket/key"
    assert request.headers.items() >= {"content-type": "video/mp4", "if-none-match": "*", **sent}.items()
    assert committed.etag == etag
    assert receipt_of(scene, committed).verification == Verification(
        frozenset(bodies), "full-object", "crc32" in bodies, is_etag_confirmed="content-md5" in bodies
    )


async def test_the_etag_is_looked_up_if_that_of_the_response_is_not_final() -> None:
    """HEAD has the version too; the checksum is that of the response."""
    scene = Scene(provider=UNTRUSTED)
    scene.store.on("CompleteMultipartUpload", reporting(CRC))
    scene.store.put("key", BODY)
    assert await scene.complete() == Committed("other", "v2", CRC, "r")
    assert scene.store.operations == ["CompleteMultipartUpload", "HeadObject"]
    assert scene.store.patience == [scene.engine.timeouts.complete, None]
    assert scene.store.sent[1].headers == {"x-part": "p"}


async def test_a_missing_etag_is_looked_up() -> None:
    scene = Scene()

    def without(request: object) -> Response:
        scene.store._process(request)  # type: ignore[arg-type]
        return Response(200, {"x-amz-version-id": "v9"}, b"<CompleteMultipartUploadResult/>")

    scene.store.on("CompleteMultipartUpload", without)
    committed = await scene.complete()
    assert (committed.etag, committed.version_id) == (ETAG, "v9")


@pytest.mark.parametrize(
    "look", [refusal(403), refusal(404), TransportError("reset"), Response(200, {"content-length": "7", "etag": '"e"'})]
)
async def test_a_look_that_fails_or_shows_another_size_changes_nothing(look: Any) -> None:
    """The object is committed, and may have been replaced."""
    scene = Scene(provider=UNTRUSTED)
    scene.store.on("HeadObject", *[look] * 9)
    assert (await scene.complete()).etag == f'"{ETAG}"'


def test_a_receipt_has_all_that_is_known_of_the_object() -> None:
    """Failed attempts are retries, and the time runs from the beginning of the call."""
    scene = Scene(size=6, began_at=-2.5)
    scene.failures.add(TransportError("reset"))
    scene.clock.advance(7.5)
    parts = (UploadedPart(1, 6, "e"),)
    assert scene.commit.receipt(Committed('"etag"', "v", "sum", "request"), 6, parts, "id") == UploadReceipt(
        "bucket", "key", 6, "etag", "v", "id", parts, "sum", "request", 1, 10, Verification(whole="size")
    )
    assert scene.commit.receipt(Committed(None, None, None, None), 0, ()).etag == ""


@pytest.mark.parametrize(
    "shown",
    [{"x-amz-meta-aios3-nonce": "n"}, {"x-amz-checksum-crc32": CRC}],
    ids=["nonce", "checksum"],
)
@pytest.mark.parametrize("is_put", [True, False])
async def test_a_lost_commit_is_found_by_its_nonce_or_checksum(shown: dict[str, str], is_put: bool) -> None:
    scene = Scene(nonce="n", checksum=ObjectChecksum("crc32", is_full_object=True))
    scene.store.on("PutObject" if is_put else "CompleteMultipartUpload", scene.store.lose, refusal(404, "NoSuchUpload"))
    scene.store.on("HeadObject", Response(200, {"content-length": "6", "etag": '"encrypted"', **shown}))
    committed = await (scene.commit.put([BODY]) if is_put else complete_checked(scene))
    assert committed.etag == "encrypted"
    (look,) = scene.store.requests("HeadObject")
    assert look.headers == {"x-part": "p", "x-amz-checksum-mode": "ENABLED"}


async def test_a_lost_commit_without_proof_is_found_by_its_age() -> None:
    scene = Scene()
    scene.clock.advance(60)
    scene.commit.log.began_at = 60.0
    scene.store.on("CompleteMultipartUpload", scene.store.lose, refusal(404, "NoSuchUpload"))
    dates = {"last-modified": "Mon, 04 May 2026 03:03:01 GMT"}
    scene.store.on("HeadObject", *[Response(200, {"content-length": "6", "etag": '"encrypted"', **dates})] * 2)
    assert (await scene.complete()).etag == "encrypted"


@pytest.mark.parametrize("told", [True, False])
async def test_the_size_is_sent_with_the_commit_if_the_store_checks_it(told: bool) -> None:
    scene = Scene(provider=dataclasses.replace(SMALL_PARTS, checks_object_size=told))
    committed = await scene.complete()
    assert scene.store.sent[0].headers.get("x-amz-mp-object-size") == ("6" if told else None)
    assert receipt_of(scene, committed).verification == Verification(
        whole="size" if told else None, is_etag_confirmed=True
    )


async def test_a_full_object_checksum_is_sent_with_the_commit() -> None:
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


@pytest.mark.parametrize("is_put", [True, False])
async def test_another_checksum_in_the_response_is_an_error(is_put: bool) -> None:
    scene = Scene(checksum=ObjectChecksum("crc32", is_full_object=True))
    scene.store.on("PutObject", Response(200, {"etag": '"e"', "x-amz-checksum-crc32": "AAAAAA=="}))
    scene.store.on("CompleteMultipartUpload", reporting("AAAAAA=="))
    with pytest.raises(IntegrityError, match=f"^bucket/key was committed with crc32 AAAAAA==, .* have {CRC}$"):
        await (scene.commit.put([BODY]) if is_put else complete_checked(scene))


def test_the_error_of_a_cut_off_commit_names_object_and_upload() -> None:
    error = Scene().commit.given_up("id")
    assert (error.bucket, error.key, error.upload_id) == ("bucket", "key", "id")
    assert "closed while bucket/key was being committed" in str(error)
