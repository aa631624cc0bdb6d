"""The commit: every answer that can be lost, and what is made of it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from datetime import timedelta

import pytest

from aios3._client.failed_attempts import FailedAttempts
from aios3._protocol.operations import CompleteMultipartUpload
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

    def __init__(self, *, etags: list[str] | None = None, attempts: int = 2) -> None:
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
        )

    def complete_with(self, *answers: object) -> None:
        self.store.on("CompleteMultipartUpload", *answers)  # type: ignore[arg-type]

    def theirs(self, body: bytes, etag: str) -> None:
        """Put another writer's object at the key."""
        self.store.put("key", body, f'"{etag}"')


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_clear_success_is_all_there_is(scene: Scene) -> None:
    """One request, nothing to abort, what the store says of the object."""
    committed = await scene.completion.run()
    assert (committed.etag, committed.request_id) == (f'"{OURS}"', "commit")
    assert scene.store.operations == ["CompleteMultipartUpload"]
    assert scene.guard._is_completed


async def test_the_parts_are_listed_as_they_were_acknowledged(scene: Scene) -> None:
    """With the conditions of the caller."""
    await scene.completion.run()
    assert scene.store.requests("CompleteMultipartUpload")[0].headers["if-none-match"] == "*"
    assert f"<ETag>&quot;{md5(CONTENTS[0])}" in scene.store.bodies[0].decode().replace('"', "&quot;")


async def test_the_store_may_be_silent_for_long(scene: Scene) -> None:
    """As long as the caller allows for completing."""
    told: list[float | None] = []
    send = scene.store.send

    async def listening(request: object, *, read_timeout: float | None = None) -> Response:
        told.append(read_timeout)
        return await send(request)  # type: ignore[arg-type]

    scene.store.send = listening  # type: ignore[method-assign, assignment]
    await scene.completion.run()
    assert told == [300.0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "InvalidPart"), ResponseError),
        (refusal(200, "InvalidPart"), ResponseError),
        (refusal(403, "AccessDenied"), AccessDeniedError),
        (refusal(412, "PreconditionFailed"), PreconditionFailedError),
    ],
)
async def test_a_clear_refusal_is_raised(scene: Scene, answer: Response, error: type[Exception]) -> None:
    """Nothing was committed, and nothing needs to be looked for."""
    scene.complete_with(answer)
    with pytest.raises(error):
        await scene.completion.run()
    assert scene.store.operations == ["CompleteMultipartUpload"]
    assert not scene.guard._is_completed


@pytest.mark.parametrize(
    "first", [INTERNAL, RESET, refusal(200, "InternalError"), Response(200, {}, b""), Response(200, {}, b"<Comp")]
)
async def test_a_failure_that_passes_is_a_success(scene: Scene, first: Response | Exception) -> None:
    """The repeated commit is the same."""
    scene.complete_with(first)
    assert (await scene.completion.run()).etag == f'"{OURS}"'
    assert len(scene.failures) == 1


@pytest.mark.parametrize("second", [GONE, RESET, INTERNAL, refusal(412, "PreconditionFailed"), NO_HEAD])
async def test_a_lost_success_is_found(scene: Scene, second: Response | Exception) -> None:
    """Whatever the repetition is answered: the key has the ETag that our parts make."""
    scene.complete_with(scene.store.lose, second)
    committed = await scene.completion.run()
    assert (committed.etag, committed.version_id) == (OURS, "v2")
    assert scene.guard._is_completed
    assert "AbortMultipartUpload" not in scene.store.operations
    assert scene.store.requests("HeadObject")[0].headers == {"x-head": "h"}


@pytest.mark.parametrize("last", [RESET, INTERNAL, Response(200, {}, b"")])
async def test_what_was_not_committed_is_aborted_and_raised(scene: Scene, last: Response | Exception) -> None:
    """That the abort finds the upload is the proof."""
    scene.complete_with(RESET, last)
    with pytest.raises(type(last) if isinstance(last, Exception) else ResponseError):
        await scene.completion.run()
    assert scene.store.uploads == {}
    assert not scene.guard._is_completed


@pytest.mark.parametrize("answer", [refusal(412, "PreconditionFailed"), refusal(403, "AccessDenied")])
async def test_a_refusal_after_a_lost_try_is_proved_as_well(scene: Scene, answer: Response) -> None:
    """The lost one did nothing: the upload is still there to be aborted."""
    scene.complete_with(RESET, answer)
    with pytest.raises(ResponseError) as caught:
        await scene.completion.run()
    assert caught.value.status == answer.status
    assert scene.store.uploads == {}


async def test_an_upload_that_stays_was_not_committed(scene: Scene) -> None:
    """Also if it cannot be got rid of."""
    scene.complete_with(RESET, RESET)
    scene.store.on("ListParts", *[Response(200, {}, b"<ListPartsResult></ListPartsResult>")] * 20)
    with pytest.raises(TransportError):
        await scene.completion.run()


@pytest.mark.parametrize("answer", [refusal(412, "PreconditionFailed"), RESET])
async def test_a_success_that_cannot_be_looked_at_is_unknown(scene: Scene, answer: Response | Exception) -> None:
    """The upload is gone, so it may well be there, but keys that may only write cannot say."""
    scene.complete_with(scene.store.lose, answer)
    scene.store.on("HeadObject", NO_HEAD, NO_HEAD)
    with pytest.raises(CompletionUnknownError, match="the upload is gone") as caught:
        await scene.completion.run()
    assert (caught.value.bucket, caught.value.key, caught.value.upload_id) == ("bucket", "key", "id")
    assert f"{len(WHOLE)} bytes" in str(caught.value)


async def test_a_success_that_shows_late_is_found(scene: Scene) -> None:
    """The first look failed; after the abort has found the upload gone there is another one."""
    scene.complete_with(scene.store.lose, RESET)
    scene.store.on("HeadObject", NO_HEAD)
    assert (await scene.completion.run()).etag == OURS
    assert scene.store.operations.count("HeadObject") == 2


async def test_an_upload_that_is_gone_with_another_object_there_is_unknown(scene: Scene) -> None:
    """Perhaps ours was committed and replaced, perhaps somebody aborted it."""
    scene.complete_with(RESET, GONE)
    scene.theirs(b"x", "other")
    with pytest.raises(CompletionUnknownError) as caught:
        await scene.completion.run()
    assert isinstance(caught.value.__cause__, ResponseError)


async def test_a_store_that_answers_nothing_any_more_is_unknown(scene: Scene) -> None:
    """Neither the commit nor the abort nor a look."""
    scene.complete_with(RESET, RESET)
    scene.store.on("HeadObject", RESET, RESET)
    scene.store.on("AbortMultipartUpload", *[RESET] * 6)
    with pytest.raises(CompletionUnknownError, match="neither the commit nor the abort") as caught:
        await scene.completion.run()
    assert isinstance(caught.value.__cause__, TransportError)


async def test_another_writers_object_is_not_taken_for_ours(scene: Scene) -> None:
    """Of the same size and just as young: our upload is still there, so ours it is not."""
    scene.complete_with(RESET, RESET)
    scene.theirs(b"x" * len(WHOLE), multipart_md5([b"x" * 12, b"x" * 12]))
    with pytest.raises(TransportError):
        await scene.completion.run()
    assert scene.store.uploads == {}
    assert not scene.guard._is_completed


async def test_an_upload_that_our_own_abort_may_have_ended_was_not_seen_to_be_committed(scene: Scene) -> None:
    """An object of the same size that is just as old may be anybody's."""
    scene.complete_with(RESET, RESET)
    scene.store.on("AbortMultipartUpload", scene.store.lose)
    scene.theirs(b"x" * len(WHOLE), "of one part")
    with pytest.raises(CompletionUnknownError, match="the upload is gone"):
        await scene.completion.run()
    assert not scene.guard._is_completed


async def test_proof_counts_whoever_has_ended_the_upload(scene: Scene) -> None:
    """The commit and the abort were both lost; the ETag shows which of them it was."""
    scene.complete_with(scene.store.lose, RESET)
    scene.store.on("HeadObject", NO_HEAD)
    scene.store.on("AbortMultipartUpload", RESET)
    assert (await scene.completion.run()).etag == OURS


# Successes that cannot be read.


def abort_is_always_a_success(scene: Scene) -> None:
    scene.store.on("AbortMultipartUpload", *[Response(204, {})] * 20)


UNREADABLE = [Response(204, {}), Response(200, {}, b""), Response(200, {}, b"<html>done</html>")]


@pytest.mark.parametrize("answer", [*UNREADABLE, RESET])
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
    if not lists_parts and answer is RESET:
        with pytest.raises(TransportError):
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
async def test_without_md5s_size_and_age_decide(etag: str) -> None:
    """Where the upload was consumed: the object came after our beginning and has our size."""
    scene = Scene(etags=OPAQUE)
    scene.complete_with(RESET, GONE)
    scene.theirs(WHOLE, etag)
    assert (await scene.completion.run()).etag == etag


@pytest.mark.parametrize(
    ("size", "age", "etag"),
    [
        (len(WHOLE) + 1, 0, "anything"),
        (len(WHOLE) - 1, 0, "anything"),
        (len(WHOLE), 63, "anything"),
        (len(WHOLE), 0, f"{'0' * 32}-2"),
    ],
)
async def test_what_does_not_fit_is_unknown(size: int, age: int, etag: str) -> None:
    """Another size, older than our beginning, or made of another number of parts."""
    scene = Scene(etags=OPAQUE)
    scene.complete_with(RESET, GONE)
    scene.clock.advance(-age)
    scene.theirs(b"x" * size, etag)
    scene.clock.advance(age)
    with pytest.raises(CompletionUnknownError):
        await scene.completion.run()


async def test_an_object_of_our_beginning_fits() -> None:
    """HTTP dates are whole seconds, so there is a little room."""
    scene = Scene(etags=OPAQUE)
    scene.complete_with(RESET, GONE)
    scene.clock.advance(-61)
    scene.theirs(WHOLE, "anything")
    scene.clock.advance(61)
    assert (await scene.completion.run()).etag == "anything"


async def test_an_object_without_a_date_is_unknown() -> None:
    """Its age cannot be judged."""
    scene = Scene(etags=OPAQUE)
    scene.complete_with(RESET, GONE)
    scene.store.on("HeadObject", Response(200, {"content-length": str(len(WHOLE)), "etag": '"anything"'}))
    with pytest.raises(CompletionUnknownError):
        await scene.completion.run()


async def test_ages_are_by_the_stores_clock() -> None:
    """A store that is a day behind has not made all its objects before our beginning."""
    from datetime import timedelta

    scene = Scene(etags=OPAQUE)
    scene.store.skew = -timedelta(days=1)
    scene.complete_with(RESET, GONE)
    scene.theirs(WHOLE, "anything")
    assert (await scene.completion.run()).etag == "anything"


async def test_failed_attempts_are_counted_however_it_ends(scene: Scene) -> None:
    """For the receipt."""
    scene.complete_with(RESET, refusal(400, "InvalidPart"))
    with pytest.raises(ResponseError):
        await scene.completion.run()
    assert len(scene.failures) == 2


async def test_a_cancelled_commit_is_a_cancellation(scene: Scene) -> None:
    """What it came to is not looked for; the guard will abort what is left."""
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
def test_the_etag_of_a_multipart_object(etags: list[str], expected: str | None) -> None:
    """MD5 of the MD5s and the number of parts; unknown where the parts have other ETags."""
    assert multipart_etag(etags) == expected


@pytest.mark.parametrize(
    ("evidence", "header"),
    [
        ({"nonce": "n"}, {"x-amz-meta-aios3-nonce": "n"}),
        ({"checksum": "AAAAAA=="}, {"x-amz-checksum-crc32": "AAAAAA=="}),
    ],
)
async def test_a_nonce_or_a_checksum_is_proof(scene: Scene, evidence: dict[str, str], header: dict[str, str]) -> None:
    """Also where the ETag tells nothing, because the object is encrypted; without an abort."""
    scene.complete_with(TransportError("reset"), refusal(404, "NoSuchUpload"))
    head = {"content-length": str(len(WHOLE)), "etag": '"encrypted"', **header}
    scene.store.on("HeadObject", Response(200, head))
    committed = await dataclasses.replace(scene.completion, **evidence).run()
    assert committed.etag == "encrypted"
    assert "AbortMultipartUpload" not in scene.store.operations


async def test_another_nonce_is_another_upload(scene: Scene) -> None:
    """An object of the very same parts does not do."""
    scene.complete_with(*[TransportError("reset")] * 4)
    head = {
        "content-length": str(len(WHOLE)),
        "etag": f'"{md5(b"".join(CONTENTS))}"',
        "x-amz-meta-aios3-nonce": "theirs",
    }
    scene.store.on("HeadObject", *[Response(200, head)] * 2)
    with pytest.raises(TransportError):
        await dataclasses.replace(scene.completion, nonce="ours").run()


@pytest.mark.parametrize(
    ("seconds_after_the_beginning", "is_new"),
    [(None, False), (-60, False), (-3, False), (-2, True), (0, True), (40, True)],
)
async def test_an_object_may_be_ours_if_it_is_not_older_than_the_upload(
    seconds_after_the_beginning: float | None, is_new: bool
) -> None:
    """By the whole seconds of HTTP dates; the process may have run for long before."""
    clock = FakeClock()
    client = make_client(FakeStore(clock), clock)
    clock.advance(10_000)
    began_at, beginning = client.clock.monotonic(), clock.moment
    clock.advance(50)
    after = seconds_after_the_beginning
    modified = None if after is None else beginning + timedelta(seconds=after)
    found = StorageObject("bucket", "key", 1, "etag", last_modified=modified)
    assert stored_after(client, found, began_at) is is_new


async def test_what_the_store_shows_of_a_commit_whose_answer_was_lost_is_handed_on(scene: Scene) -> None:
    """All that the answer would have said, but for the id of the request."""
    scene.complete_with(RESET, RESET)
    head = {
        "content-length": str(len(WHOLE)),
        "etag": f'"{OURS}"',
        "x-amz-version-id": "v",
        "x-amz-checksum-crc32": "c=",
    }
    scene.store.on("HeadObject", Response(200, head))
    committed = await scene.completion.run()
    assert (committed.etag, committed.version_id, committed.checksum) == (OURS, "v", "c=")
    assert committed.request_id is None
