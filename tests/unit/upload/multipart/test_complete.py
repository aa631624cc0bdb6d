"""The commit of a multipart upload: its outcome after every response that can be lost."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._protocol.operations import Committed, CompleteMultipartUpload
from aios3._protocol.wire.messages import Response
from aios3._upload.multipart.complete import Completion
from aios3._upload.shared.ownership import multipart_etag, stored_after
from aios3.errors import (
    AccessDeniedError,
    CompletionUnknownError,
    PreconditionFailedError,
    ResponseError,
    TransportError,
)
from aios3.models import StorageObject
from tests.support.fakes import (
    FakeClock,
    FakeStore,
    Gate,
    make_client,
    make_guard,
    md5,
    multipart_md5,
    refusal,
    turns,
)

CONTENTS = [b"a" * 10, b"b" * 10, b"c" * 4]
WHOLE = b"".join(CONTENTS)
OURS = multipart_md5(CONTENTS)
INTERNAL = refusal(500, "InternalError")
GONE = refusal(404, "NoSuchUpload")
NO_HEAD = refusal(403)
RESET = TransportError("reset")


class Scene:
    """An upload of three parts, all acknowledged, that began a minute ago."""

    def __init__(self, *, etags: list[str] | None = None, attempts: int = 2, is_etag_final: bool = True) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        client = make_client(self.store, self.clock, attempts=attempts)
        self.failures = FailedAttempts()
        self.guard = make_guard(client, self.failures)
        self.guard.upload_id = "id"
        self.guard.may_have_parts = True
        self.store.uploads["id"] = ("key", self.clock.moment, dict(enumerate(CONTENTS, 1)))
        parts = [(number, etag, None) for number, etag in enumerate(etags or [f'"{md5(c)}"' for c in CONTENTS], 1)]
        self.clock.advance(60)
        self.completion = Completion(
            client=client,
            guard=self.guard,
            operation=CompleteMultipartUpload("bucket", "key", "id", parts, None, {"if-none-match": "*"}),
            size=len(WHOLE),
            read_timeout=300.0,
            log=self.failures,
            head_headers={"x-head": "h"},
            is_etag_final=is_etag_final,
        )

    def complete_with(self, *answers: object) -> None:
        self.store.on("CompleteMultipartUpload", *answers)  # type: ignore[arg-type]

    def theirs(self, body: bytes, etag: str) -> None:
        """Put another writer's object at the key."""
        self.store.put("key", body, f'"{etag}"')


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_clear_success_needs_one_request(scene: Scene) -> None:
    committed = await scene.completion.run()
    assert (committed.etag, committed.request_id) == (f'"{OURS}"', "commit")
    assert scene.store.operations == ["CompleteMultipartUpload"]
    (request,) = scene.store.sent
    assert scene.store.patience == [300.0]
    assert request.headers["if-none-match"] == "*"
    assert f"<ETag>&quot;{md5(CONTENTS[0])}" in scene.store.bodies[0].decode().replace('"', "&quot;")
    assert scene.guard._is_completed


def success(etag: str, checksum: str = "") -> Response:
    """Return a success of Complete with this ETag and checksum."""
    document = f"<ETag>{etag}</ETag><ChecksumCRC32>{checksum}</ChecksumCRC32>"
    return Response(200, {}, f"<CompleteMultipartUploadResult>{document}</CompleteMultipartUploadResult>".encode())


@pytest.mark.parametrize(
    ("scene", "answer", "is_proved"),
    [
        (Scene, success(f'"{OURS}"'), True),
        (Scene, success(f"W/{OURS}"), True),
        (Scene, success('"encrypted"', "sum"), True),
        (lambda: Scene(etags=['"opaque"'] * 3), success('"opaque"'), True),
        (Scene, success('"encrypted"'), False),
        (Scene, success('"encrypted"', "another"), False),
        (Scene, success(f'"{multipart_md5(CONTENTS[:2])}"'), False),
        (Scene, success(""), False),
        (lambda: Scene(is_etag_final=False), success(f'"{OURS}"', "sum"), False),
    ],
    ids=["ours", "unquoted", "checksum", "opaque", "other", "other checksum", "fewer parts", "none", "unknown store"],
)
async def test_a_success_is_followed_by_head_unless_it_proves_itself(
    scene: Callable[[], Scene], answer: Response, is_proved: bool
) -> None:
    world = scene()
    world.completion.checksum = "sum"
    world.complete_with(answer)
    world.theirs(WHOLE, "by-head")
    committed = await world.completion.run()
    assert world.store.operations == ["CompleteMultipartUpload"] + ["HeadObject"] * (not is_proved)
    assert (committed.etag == "by-head") == (not is_proved)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("theirs", [None, b"another"], ids=["no object", "another object"])
async def test_a_success_is_false_only_if_the_upload_is_still_listed(
    scene: Scene, theirs: bytes | None, is_listed: bool
) -> None:
    """An object may be replaced, or removed, as soon as it is committed."""
    scene.complete_with(success('"of-another"'))
    if theirs is not None:
        scene.theirs(theirs, "theirs")
    if not is_listed:
        scene.store.uploads.clear()
    with pytest.raises(ResponseError, match="still lists the upload") if is_listed else nullcontext():
        assert (await scene.completion.run()).etag == '"of-another"'
    assert scene.store.operations == ["CompleteMultipartUpload", "HeadObject", "ListParts"]
    assert scene.guard._is_completed == (not is_listed)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "InvalidPart"), ResponseError),
        (refusal(200, "InvalidPart"), ResponseError),
        (refusal(403, "AccessDenied"), AccessDeniedError),
        (refusal(412, "PreconditionFailed"), PreconditionFailedError),
    ],
)
async def test_a_clear_refusal_is_raised_without_another_request(
    scene: Scene, answer: Response, error: type[Exception]
) -> None:
    scene.complete_with(answer)
    with pytest.raises(error):
        await scene.completion.run()
    assert scene.store.operations == ["CompleteMultipartUpload"]
    assert not scene.guard._is_completed


@pytest.mark.parametrize(
    "first", [INTERNAL, RESET, refusal(200, "InternalError"), Response(200, {}, b""), Response(200, {}, b"<Comp")]
)
async def test_a_commit_that_succeeds_when_repeated_is_a_success(scene: Scene, first: Response | Exception) -> None:
    scene.complete_with(first)
    assert (await scene.completion.run()).etag == f'"{OURS}"'
    assert len(scene.failures) == 1


@pytest.mark.parametrize("second", [GONE, RESET, INTERNAL, refusal(412, "PreconditionFailed"), NO_HEAD])
async def test_a_lost_success_is_found_by_its_etag(scene: Scene, second: Response | Exception) -> None:
    """Whatever the response to the repetition. The result is what the key shows."""
    scene.complete_with(scene.store.lose, second)
    head = {"content-length": str(len(WHOLE)), "etag": f'"{OURS}"', "x-amz-version-id": "v"}
    scene.store.on("HeadObject", Response(200, {**head, "x-amz-checksum-crc32": "c="}))
    assert await scene.completion.run() == Committed(OURS, "v", "c=", None)
    assert scene.guard._is_completed
    assert "AbortMultipartUpload" not in scene.store.operations
    assert scene.store.requests("HeadObject")[0].headers == {"x-head": "h"}


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("last", [RESET, INTERNAL, Response(200, {}, b""), refusal(412, "PreconditionFailed"), NO_HEAD])
async def test_an_upload_that_the_abort_finds_was_not_committed(
    scene: Scene, last: Response | Exception, stays: bool
) -> None:
    """The last failure is raised, even if the upload cannot be removed."""
    scene.complete_with(RESET, last)
    if stays:
        scene.store.on("ListParts", *[Response(200, {}, b"<ListPartsResult></ListPartsResult>")] * 20)
    with pytest.raises(type(last) if isinstance(last, Exception) else ResponseError) as caught:
        await scene.completion.run()
    assert isinstance(last, Exception) or caught.value.status == last.status
    assert scene.store.uploads == {}
    assert not scene.guard._is_completed


@pytest.mark.parametrize("answer", [refusal(412, "PreconditionFailed"), RESET])
async def test_a_commit_whose_key_cannot_be_looked_at_is_unknown(scene: Scene, answer: Response | Exception) -> None:
    scene.complete_with(scene.store.lose, answer)
    scene.store.on("HeadObject", NO_HEAD, NO_HEAD)
    why = r": the upload is gone, and the key does not show that it holds it\. "
    with pytest.raises(CompletionUnknownError, match=why) as caught:
        await scene.completion.run()
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", "id")
    assert f"{len(WHOLE)} bytes" in str(caught.value)


@pytest.mark.parametrize("is_abort_lost", [False, True])
async def test_a_lost_success_is_found_by_the_look_after_the_abort(scene: Scene, is_abort_lost: bool) -> None:
    scene.complete_with(scene.store.lose, RESET)
    scene.store.on("HeadObject", NO_HEAD)
    scene.store.on("AbortMultipartUpload", *[RESET] * is_abort_lost)
    assert (await scene.completion.run()).etag == OURS
    assert scene.store.operations.count("HeadObject") == 2


async def test_an_upload_that_is_gone_beside_an_object_of_others_is_unknown(scene: Scene) -> None:
    """Ours may have been committed and replaced, or aborted by others."""
    scene.complete_with(RESET, GONE)
    scene.theirs(b"x", "other")
    with pytest.raises(CompletionUnknownError) as caught:
        await scene.completion.run()
    assert isinstance(caught.value.__cause__, ResponseError)


async def test_a_commit_and_an_abort_without_a_response_are_unknown(scene: Scene) -> None:
    scene.complete_with(RESET, RESET)
    scene.store.on("HeadObject", RESET, RESET)
    scene.store.on("AbortMultipartUpload", *[RESET] * 6)
    why = r": neither the commit nor the abort got a clear response\. "
    with pytest.raises(CompletionUnknownError, match=why) as caught:
        await scene.completion.run()
    assert isinstance(caught.value.__cause__, TransportError)


async def test_an_object_of_another_writer_is_not_taken_for_ours(scene: Scene) -> None:
    """It has the same size and age, but our upload is still there."""
    scene.complete_with(RESET, RESET)
    scene.theirs(b"x" * len(WHOLE), multipart_md5([b"x" * 12, b"x" * 12]))
    with pytest.raises(TransportError):
        await scene.completion.run()
    assert scene.store.uploads == {}
    assert not scene.guard._is_completed


async def test_size_and_age_prove_nothing_if_our_own_abort_may_have_ended_the_upload(scene: Scene) -> None:
    scene.complete_with(RESET, RESET)
    scene.store.on("AbortMultipartUpload", scene.store.lose)
    scene.theirs(b"x" * len(WHOLE), "of one part")
    with pytest.raises(CompletionUnknownError, match="the upload is gone"):
        await scene.completion.run()
    assert not scene.guard._is_completed


# Successes that cannot be read.


def abort_is_always_a_success(scene: Scene) -> None:
    scene.store.on("AbortMultipartUpload", *[Response(204, {})] * 20)


UNREADABLE = [Response(204, {}), Response(200, {}, b""), Response(200, {}, b"<html>done</html>")]
NO_SUCCESS = [RESET, Response(300, {})]


@pytest.mark.parametrize("answer", [*UNREADABLE, *NO_SUCCESS])
@pytest.mark.parametrize("lists_parts", [True, False])
async def test_a_commit_with_an_unclear_success_is_found_although_every_abort_succeeds(
    answer: Response | Exception, lists_parts: bool
) -> None:
    """The object's ETag is not that of the parts, so its size and age are the evidence."""
    scene = Scene(etags=[f'"{index}-opaque"' for index in range(3)])
    abort_is_always_a_success(scene)
    scene.complete_with(scene.store.lose, answer)
    if not lists_parts:
        scene.store.on("ListParts", *[refusal(501, "NotImplemented")] * 20)
    if not lists_parts and answer in NO_SUCCESS:
        with pytest.raises((TransportError, ResponseError)):
            await scene.completion.run()
        return
    assert (await scene.completion.run()).etag == OURS
    assert scene.guard._is_completed


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_success_that_cannot_be_read_or_looked_at_is_unknown(scene: Scene, answer: Response) -> None:
    """An abort that succeeds proves nothing, if the store does not list parts."""
    scene.complete_with(scene.store.lose, answer)
    abort_is_always_a_success(scene)
    scene.store.on("HeadObject", NO_HEAD, NO_HEAD)
    scene.store.on("ListParts", *[refusal(501, "NotImplemented")] * 20)
    with pytest.raises(CompletionUnknownError):
        await scene.completion.run()


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_false_success_of_an_open_upload_is_a_refusal(scene: Scene, answer: Response) -> None:
    """Although another object of that size is just as young."""
    scene.complete_with(answer, answer)
    scene.theirs(b"x" * len(WHOLE), "opaque")
    with pytest.raises(ResponseError):
        await scene.completion.run()
    assert scene.store.uploads == {}


# stores whose ETags are no MD5s

OPAQUE = ["opaque-1", "opaque-2", "opaque-3"]


@pytest.mark.parametrize("etag", ["anything", f"{'0' * 32}-3"])
@pytest.mark.parametrize(("age", "days_behind"), [(0, 0), (61, 0), (0, 1)], ids=["new", "at the beginning", "skewed"])
async def test_size_and_age_by_the_stores_clock_prove_a_commit_without_md5_etags(
    etag: str, age: int, days_behind: int
) -> None:
    """HTTP dates are whole seconds, so a second more is allowed."""
    scene = Scene(etags=OPAQUE)
    scene.store.skew = -timedelta(days=days_behind)
    scene.complete_with(RESET, GONE)
    scene.clock.advance(-age)
    scene.theirs(WHOLE, etag)
    scene.clock.advance(age)
    assert (await scene.completion.run()).etag == etag


@pytest.mark.parametrize(
    ("size", "age", "etag"),
    [
        (len(WHOLE) + 1, 0, "anything"),
        (len(WHOLE) - 1, 0, "anything"),
        (len(WHOLE), 63, "anything"),
        (len(WHOLE), None, "anything"),
        (len(WHOLE), 0, f"{'0' * 32}-2"),
    ],
)
async def test_an_object_of_another_size_age_or_number_of_parts_leaves_a_commit_unknown(
    size: int, age: int | None, etag: str
) -> None:
    scene = Scene(etags=OPAQUE)
    scene.complete_with(RESET, GONE)
    if age is None:
        scene.store.on("HeadObject", Response(200, {"content-length": str(size), "etag": f'"{etag}"'}))
    else:
        scene.clock.advance(-age)
        scene.theirs(b"x" * size, etag)
        scene.clock.advance(age)
    with pytest.raises(CompletionUnknownError):
        await scene.completion.run()


async def test_a_cancelled_commit_is_not_looked_for(scene: Scene) -> None:
    scene.complete_with(Gate())
    running = asyncio.create_task(scene.completion.run())
    await turns()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert scene.store.operations == ["CompleteMultipartUpload"]


@pytest.mark.parametrize(
    ("etags", "expected"),
    [
        ([f'"{md5(b"")}"'], hashlib.md5(bytes.fromhex(md5(b""))).hexdigest() + "-1"),
        ([md5(b"a"), f'"{md5(b"b")}"'], hashlib.md5(bytes.fromhex(md5(b"a") + md5(b"b"))).hexdigest() + "-2"),
        (["opaque"], None),
        ([md5(b"a"), "opaque"], None),
        ([md5(b"a") + "-2"], None),
        ([md5(b"a").upper()], None),
        ([], hashlib.md5(b"").hexdigest() + "-0"),
    ],
)
def test_the_etag_of_a_multipart_object_is_made_of_the_md5s_of_its_parts(
    etags: list[str], expected: str | None
) -> None:
    assert multipart_etag(etags) == expected


@pytest.mark.parametrize(
    ("evidence", "header", "is_ours"),
    [
        ({"nonce": "n"}, {"x-amz-meta-aios3-nonce": "n"}, True),
        ({"checksum": "AAAAAA=="}, {"x-amz-checksum-crc32": "AAAAAA=="}, True),
        ({"nonce": "n"}, {"x-amz-meta-aios3-nonce": "theirs"}, False),
    ],
)
async def test_a_nonce_or_a_checksum_decides_before_the_etag(
    scene: Scene, evidence: dict[str, str], header: dict[str, str], is_ours: bool
) -> None:
    """An encrypted object has another ETag than its parts make; an object of others can have the same."""
    scene.complete_with(*([RESET, GONE] if is_ours else [RESET] * 2))
    etag = "encrypted" if is_ours else OURS
    head = {"content-length": str(len(WHOLE)), "etag": f'"{etag}"', **header}
    scene.store.on("HeadObject", *[Response(200, head)] * 2)
    completion = dataclasses.replace(scene.completion, **evidence)
    if is_ours:
        assert (await completion.run()).etag == etag
    else:
        with pytest.raises(TransportError):
            await completion.run()
    assert ("AbortMultipartUpload" in scene.store.operations) is not is_ours


@pytest.mark.parametrize(
    ("seconds_after_the_beginning", "is_new"),
    [(None, False), (-60, False), (-3, False), (-2, True), (0, True), (40, True)],
)
async def test_an_object_may_be_ours_if_it_is_not_older_than_the_upload(
    seconds_after_the_beginning: float | None, is_new: bool
) -> None:
    clock = FakeClock()
    client = make_client(FakeStore(clock), clock)
    clock.advance(10_000)
    began_at, beginning = client.clock.monotonic(), clock.moment
    clock.advance(50)
    after = seconds_after_the_beginning
    modified = None if after is None else beginning + timedelta(seconds=after)
    found = StorageObject("bucket", "key", 1, "etag", last_modified=modified)
    assert stored_after(client, found, began_at) is is_new
