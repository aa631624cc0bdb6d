"""The cancellation guard: no upload stays, its caller is told, and the first error is the one that is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aios3._client.failed_attempts import FailedAttempts
from aios3._protocol.operations import CreateMultipartUpload
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.multipart.abort import AbortOutcome
from aios3._upload.shared.journal_interface import NoRecord
from aios3.checkpoints import UploadSuspendedError
from aios3.errors import AccessDeniedError, StorageError, TransportError
from tests.conftest import LoopClock
from tests.support.fakes import FakeClock, FakeStore, Gate, make_client, make_guard, refusal, turns

CREATE = CreateMultipartUpload("bucket", "key", {})
WHERE = "aios3: multipart upload upload-1 of bucket/key: "


class Scene:
    """A store, and a guard on it."""

    def __init__(self, *, deadline: float = 60.0, attempts: int = 4) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.failures = FailedAttempts()
        self.known: set[str] = set()
        client = make_client(self.store, self.clock, attempts=attempts)
        self.guard = make_guard(client, self.failures, deadline=deadline, known=self.known)

    async def fail(self, error: BaseException, *, parts: bool = False) -> list[str]:
        """Create, fail with `error`, and return the notes on it."""
        with pytest.raises(type(error)) as caught:
            async with self.guard:
                await self.guard.create(CREATE)
                self.guard.may_have_parts = parts
                raise error
        assert caught.value is error
        return getattr(error, "__notes__", [])


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_clean_end_sends_nothing(scene: Scene) -> None:
    """The upload was committed, and its id is no longer in use."""
    async with scene.guard:
        assert await scene.guard.create(CREATE) == "upload-1"
        assert scene.known == {"upload-1"}
        scene.guard.completed()
    assert scene.store.operations == ["CreateMultipartUpload"]
    assert scene.known == set()


@pytest.mark.parametrize("error", [ValueError("source"), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_any_error_aborts(scene: Scene, error: BaseException) -> None:
    """And goes on with a note, unchanged."""
    assert await scene.fail(error) == [WHERE + "it was aborted"]
    assert scene.store.operations == ["CreateMultipartUpload", "AbortMultipartUpload"]
    assert (scene.store.uploads, scene.known) == ({}, set())


async def test_an_error_before_the_create_aborts_nothing(scene: Scene) -> None:
    """There is nothing to tell of, either."""
    error = ValueError("source")
    with pytest.raises(ValueError, match="source"):
        async with scene.guard:
            raise error
    assert (scene.store.operations, hasattr(error, "__notes__")) == ([], False)


async def test_a_committed_upload_is_not_aborted(scene: Scene) -> None:
    """Whatever happens after the commit."""
    with pytest.raises(ValueError, match="progress") as caught:
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.completed()
            raise ValueError("progress")
    assert "AbortMultipartUpload" not in scene.store.operations
    assert caught.value.__notes__ == [WHERE + "it was committed"]


async def test_an_upload_that_is_gone_is_a_success(scene: Scene) -> None:
    """The store was quicker."""
    scene.store.on("AbortMultipartUpload", refusal(404, "NoSuchUpload"))
    assert await scene.fail(ValueError("source")) == [WHERE + "it was gone already"]


async def test_the_abort_is_repeated(scene: Scene) -> None:
    """Like any request, and its attempts count."""
    scene.store.on("AbortMultipartUpload", refusal(503, "SlowDown"), TransportError("reset"))
    assert await scene.fail(ValueError("source")) == [WHERE + "it was aborted"]
    assert len(scene.failures) == 2
    assert scene.store.uploads == {}


async def test_an_empty_retry_budget_does_not_stop_the_abort(scene: Scene) -> None:
    """What is left behind costs more than a request."""
    scene.guard._client.budget.take(500)
    scene.store.on("AbortMultipartUpload", refusal(503, "SlowDown"))
    assert await scene.fail(ValueError("source")) == [WHERE + "it was aborted"]


async def test_a_failing_abort_never_replaces_the_first_error(scene: Scene) -> None:
    """The note says that it failed, and why."""
    scene.store.on("AbortMultipartUpload", refusal(403, "AccessDenied"))
    (note,) = await scene.fail(ValueError("source"))
    assert note.startswith(WHERE + "it could not be aborted and may be billed until it is (AbortMultipartUpload of")
    assert "403 AccessDenied" in note


async def test_every_request_carries_the_headers(scene: Scene) -> None:
    """Of who pays and who must own the bucket."""
    await scene.fail(ValueError("source"), parts=True)
    for operation in ("AbortMultipartUpload", "ListParts"):
        assert scene.store.requests(operation)[0].headers == {"x-every": "e"}


async def test_after_parts_the_abort_is_proved(scene: Scene) -> None:
    """ListParts knows the upload no longer."""
    assert await scene.fail(ValueError("source"), parts=True) == [WHERE + "it was aborted"]
    assert scene.store.operations[1:] == ["AbortMultipartUpload", "ListParts"]


async def test_a_part_that_lands_after_the_abort_is_aborted_again(scene: Scene) -> None:
    """Until the store no longer lists it, with growing waits between."""
    still_there = Response(200, {}, b"<ListPartsResult></ListPartsResult>")
    scene.store.on("ListParts", still_there, still_there)
    assert await scene.fail(ValueError("source"), parts=True) == [WHERE + "it was aborted"]
    assert scene.store.operations[1:] == ["AbortMultipartUpload", "ListParts"] * 3
    assert scene.clock.slept == [0.1, 0.2]


async def test_an_upload_that_never_goes_is_told(scene: Scene) -> None:
    """Six rounds, then the note says that it stays."""
    scene.store.on("ListParts", *[Response(200, {}, b"<ListPartsResult></ListPartsResult>")] * 20)
    notes = await scene.fail(ValueError("source"), parts=True)
    assert notes == [WHERE + "it could not be aborted and may be billed until it is"]
    assert scene.store.operations.count("AbortMultipartUpload") == 7


@pytest.mark.parametrize("answer", [refusal(403, "AccessDenied"), refusal(501, "NotImplemented")])
async def test_where_parts_cannot_be_listed_the_aborts_word_must_do(scene: Scene, answer: Response) -> None:
    """Not every key may list, and not every store can."""
    scene.store.on("ListParts", answer)
    assert await scene.fail(ValueError("source"), parts=True) == [WHERE + "it was aborted"]


async def test_aborting_twice_sends_it_once(scene: Scene) -> None:
    """The outcome is remembered."""
    async with scene.guard:
        await scene.guard.create(CREATE)
        assert await scene.guard.abort() is AbortOutcome.ABORTED
        assert await scene.guard.abort() is AbortOutcome.ABORTED
    assert scene.store.operations.count("AbortMultipartUpload") == 1


async def test_aborting_nothing(scene: Scene) -> None:
    """Before the create and after the commit."""
    assert await scene.guard.abort() is AbortOutcome.NOTHING
    await scene.guard.create(CREATE)
    scene.guard.completed()
    assert await scene.guard.abort() is AbortOutcome.NOTHING


# cancellation


async def running(scene: Scene, block: Callable[[], Awaitable[Any]], error: BaseException | None = None) -> Any:
    """Run a guarded block in a task of its own."""

    async def call() -> None:
        async with scene.guard:
            await block()
            if error is not None:
                raise error

    task = asyncio.create_task(call())
    await turns()
    return task


async def test_a_create_in_flight_is_waited_for_and_aborted(scene: Scene) -> None:
    """A cancellation must not lose the id of an upload that the store has made."""
    gate = Gate()
    scene.store.on("CreateMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    task.cancel()
    await turns()
    assert not task.done()
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.operations == ["CreateMultipartUpload", "AbortMultipartUpload"]
    assert (scene.store.uploads, scene.known) == ({}, set())


async def test_the_cancellation_of_a_create_tells_its_upload(scene: Scene) -> None:
    """The note has the id that nobody was ever given."""
    gate, notes = Gate(), list[str]()
    scene.store.on("CreateMultipartUpload", gate)

    async def call() -> None:
        try:
            async with scene.guard:
                await scene.guard.create(CREATE)
        except asyncio.CancelledError as error:
            notes.extend(error.__notes__)
            raise

    task = asyncio.create_task(call())
    await turns()
    task.cancel()
    await turns(3)
    gate.opened.set()
    await asyncio.wait({task})
    assert notes == [WHERE + "it was aborted"]


@pytest.mark.parametrize("answer", [refusal(403, "AccessDenied"), RuntimeError("a bug")])
async def test_a_create_in_flight_that_fails_leaves_nothing(scene: Scene, answer: Response | Exception) -> None:
    """A clear no needs no clean-up, nor does what was never sent."""
    gate = Gate(answer=answer)
    scene.store.on("CreateMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    task.cancel()
    await turns(3)
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.operations == ["CreateMultipartUpload"]


async def test_a_create_whose_task_is_cancelled_by_others_leaves_nothing(scene: Scene) -> None:
    """As by a loop that shuts down: there is no answer to wait for any more."""
    gate = Gate()
    scene.store.on("CreateMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    (creating,) = (other for other in asyncio.all_tasks() if other.get_name() == "aios3: create 'key'")
    creating.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_lost_create_in_flight_is_looked_for(scene: Scene) -> None:
    """The store has made an upload, its answer is lost, and the caller is gone: the sweep finds it."""
    gate = Gate(answer=TransportError("reset"))
    scene.store.on("CreateMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    task.cancel()
    await turns(3)
    scene.store.open_upload("lost", at=scene.clock.moment)
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.uploads == {}


async def test_a_create_that_is_never_answered_is_given_up_at_the_deadline() -> None:
    """And its task is ended."""
    scene = Scene(deadline=0.01)
    scene.store.on("CreateMultipartUpload", Gate())
    task = await running(scene, lambda: scene.guard.create(CREATE))
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not [other for other in asyncio.all_tasks() if other.get_name().startswith("aios3")]


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancellation_during_the_clean_up_is_raised_after_it(scene: Scene, cancels: int) -> None:
    """The abort ends first, however often."""
    gate, error = Gate(), ValueError("source")
    scene.store.on("AbortMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE), error)
    for _ in range(cancels):
        task.cancel()
        await turns(3)
    assert not task.done()
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.uploads == {}
    assert error.__notes__ == [WHERE + "it was aborted"]


async def test_a_second_cancellation_waits_as_well(scene: Scene) -> None:
    """Of a caller that was cancelled in the first place."""
    gate, forever = Gate(), asyncio.Event()
    scene.store.on("AbortMultipartUpload", gate)

    async def block() -> None:
        await scene.guard.create(CREATE)
        await forever.wait()

    task = await running(scene, block)
    for _ in range(2):
        task.cancel()
        await turns(3)
    assert not task.done()
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.uploads == {}


async def test_an_abort_without_an_answer_ends_at_the_deadline() -> None:
    """The note says that the time ran out; the first error is raised."""
    scene = Scene(deadline=0.01)
    scene.store.on("AbortMultipartUpload", Gate())
    (note,) = await scene.fail(ValueError("source"))
    assert note == WHERE + AbortOutcome.UNKNOWN.value + " (not finished after 0.01 s)"


# lost answers to Create


async def test_the_upload_of_a_lost_create_is_aborted_at_the_end(scene: Scene) -> None:
    """The repeated Create succeeds, the upload is committed, and the first one does not stay."""
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    async with scene.guard:
        assert await scene.guard.create(CREATE) == "upload-2"
        scene.guard.completed()
        del scene.store.uploads["upload-2"]
    assert scene.store.uploads == {}
    assert [type(failure) for failure in scene.failures] == [TransportError]


async def test_a_sweep_that_fails_does_not_spoil_a_success(scene: Scene) -> None:
    """The object is there."""
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", refusal(403, "AccessDenied"))
    async with scene.guard:
        await scene.guard.create(CREATE)
        scene.guard.completed()
    assert "ListMultipartUploads" in scene.store.operations


async def test_a_create_that_is_lost_for_good_is_cleaned_up_and_told() -> None:
    """All attempts made an upload; all are aborted; nothing is left to tell."""
    scene = Scene(attempts=2)
    scene.store.on("CreateMultipartUpload", scene.store.lose, scene.store.lose)
    with pytest.raises(TransportError) as caught:
        async with scene.guard:
            await scene.guard.create(CREATE)
    assert scene.store.uploads == {}
    assert caught.value.__notes__ == ["aios3: gave up after 2 attempts"]


async def test_what_a_lost_create_left_is_told_if_it_cannot_be_found() -> None:
    """By the key, because nobody knows the id."""
    scene = Scene(attempts=1)
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", refusal(403, "AccessDenied"))
    with pytest.raises(TransportError) as caught:
        async with scene.guard:
            await scene.guard.create(CREATE)
    (note,) = caught.value.__notes__
    assert note.startswith("aios3: a response to CreateMultipartUpload of bucket/key was lost")
    assert note.endswith("look at the open uploads of this key")
    assert "403 AccessDenied" in note


async def test_a_failing_sweep_does_not_turn_a_good_abort_into_a_bad_one(scene: Scene) -> None:
    """Each has a note of its own."""
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", refusal(403, "AccessDenied"))
    notes = await scene.fail(ValueError("source"))
    assert notes[0] == "aios3: multipart upload upload-2 of bucket/key: it was aborted"
    assert "was lost" in notes[1]


async def test_a_clear_refusal_needs_no_sweep(scene: Scene) -> None:
    """The store has made nothing."""
    scene.store.on("CreateMultipartUpload", refusal(403, "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        async with scene.guard:
            await scene.guard.create(CREATE)
    assert scene.store.operations == ["CreateMultipartUpload"]


async def test_a_cancelled_wait_between_creates_sweeps(scene: Scene) -> None:
    """The first Create was lost, the second not sent yet."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            await asyncio.Event().wait()

    object.__setattr__(scene.guard._client.clock, "sleep", sleep)
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    assert list(scene.store.uploads) == ["upload-1"]
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.uploads == {}


async def test_the_upload_of_this_call_is_never_swept(scene: Scene) -> None:
    """A sweep at the end of a failed upload takes only what nobody knows."""
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.known.add("another call's")
    scene.store.open_upload("another call's", at=scene.clock.moment)
    await scene.fail(ValueError("source"))
    assert list(scene.store.uploads) == ["another call's"]


# an upload that goes on


@pytest.mark.parametrize("error", [OSError("full"), asyncio.CancelledError()])
async def test_an_upload_that_cannot_be_taken_into_care_is_left_as_it_was(scene: Scene, error: BaseException) -> None:
    """The journal could not be written, or nobody waits any more: nothing was asked of the source yet."""

    class FullLog(NoRecord):
        def __init__(self) -> None:
            self.events: list[str] = []

        async def created(self, upload_id: str) -> None:
            self.events.append(upload_id)
            raise error

        def left_open(self) -> None:
            self.events.append("left open")

    scene.store.open_upload("id")
    scene.guard._record = log = FullLog()
    scene.guard.adopt("id")
    with pytest.raises(type(error)):
        async with scene.guard:
            pytest.fail("the block was entered")
    assert log.events == ["id", "left open"]
    assert (scene.known, scene.store.sent) == (set(), [])
    assert "id" in scene.store.uploads


@pytest.mark.parametrize(("state", "kept"), [("parts", True), ("no parts", False), ("aborting", False)])
async def test_only_parts_are_worth_keeping(scene: Scene, state: str, kept: bool) -> None:
    """A suspended upload without any, or one whose abort has begun, is ended."""
    scene.guard.suspended_by = error = UploadSuspendedError("closed")
    with pytest.raises(UploadSuspendedError):
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.may_have_parts = state != "no parts"
            if state == "aborting":
                await scene.guard.abort()
            raise error
    assert scene.guard.is_kept is kept
    assert bool(scene.store.uploads) is kept


async def test_a_committed_upload_is_not_kept(scene: Scene) -> None:
    """There is nothing to go on with."""
    scene.guard.suspended_by = error = UploadSuspendedError("closed")
    with pytest.raises(UploadSuspendedError):
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.may_have_parts = True
            scene.guard.completed()
            raise error
    assert not scene.guard.is_kept


async def test_the_suspension_of_another_upload_ends_this_one(scene: Scene) -> None:
    """It may pass through the block, where one upload feeds another; this one was not stopped."""
    with pytest.raises(UploadSuspendedError):
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.may_have_parts = True
            raise UploadSuspendedError("the other was closed")
    assert scene.store.uploads == {}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_a_create_that_is_interrupted_is_looked_for(interrupt: type[BaseException]) -> None:
    """The interrupt may strike after the request has left; the loop is run to the end, as `asyncio.run` does."""
    uploads: list[dict[str, Any]] = []

    async def main() -> None:
        scene = Scene()
        uploads.append(scene.store.uploads)

        def create_and_interrupt(request: Request) -> None:
            scene.store._process(request)
            raise interrupt

        scene.store.on("CreateMultipartUpload", create_and_interrupt)
        async with scene.guard:
            await scene.guard.create(CREATE)

    with pytest.raises(interrupt):
        asyncio.run(main())
    assert uploads == [{}]


STILL_THERE = Response(200, {}, b"<ListPartsResult></ListPartsResult>")


async def test_every_request_of_the_clean_up_is_about_this_upload(scene: Scene) -> None:
    """The aborts that are repeated, and the questions between them."""
    scene.store.on("ListParts", STILL_THERE, STILL_THERE)
    await scene.fail(ValueError("source"), parts=True)
    asked = {(request.path, dict(request.query).get("uploadId")) for request in scene.store.sent[1:]}
    assert asked == {("/bucket/key", "upload-1")}


async def test_what_was_seen_to_stay_is_gone_only_when_the_store_says_so(scene: Scene) -> None:
    """A question that is refused proves nothing after that."""
    scene.store.on("ListParts", STILL_THERE, *[refusal(403, "AccessDenied")] * 40)
    notes = await scene.fail(ValueError("source"), parts=True)
    assert notes == [WHERE + "it could not be aborted and may be billed until it is"]


@pytest.mark.parametrize("before", [(), (STILL_THERE,)], ids=["at once", "after it was seen"])
@pytest.mark.parametrize("answer", [refusal(503, "SlowDown"), TransportError("reset")], ids=["503", "reset"])
async def test_without_an_answer_the_abort_is_not_proved(
    scene: Scene, answer: Response | Exception, before: tuple[Response, ...]
) -> None:
    """The abort was answered, but a part that came after it may have brought the upload back; so the note says."""
    scene.store.on("ListParts", *before, *[answer] * 6)
    (note,) = await scene.fail(ValueError("source"), parts=True)
    assert note.startswith(WHERE + "it could not be aborted for certain, since no response came, and may be billed")
    assert note.endswith(" (reset)" if isinstance(answer, Exception) else ")")
    assert scene.store.operations.count("ListParts") == 6 + len(before)


async def test_a_caller_without_retries_has_its_clean_up_repeated_all_the_same() -> None:
    """Abort and proof keep a promise; what the caller's policy bounds is the transfer."""
    scene = Scene(attempts=1)
    scene.store.on("AbortMultipartUpload", TransportError("reset"), refusal(503, "SlowDown"))
    scene.store.on("ListParts", *[TransportError("reset")] * 2, refusal(500, "InternalError"), STILL_THERE)
    assert await scene.fail(ValueError("source"), parts=True) == [WHERE + "it was aborted"]
    assert scene.store.operations[1:] == [
        *["AbortMultipartUpload"] * 3, *["ListParts"] * 4, "AbortMultipartUpload", "ListParts",
    ]  # fmt: skip


async def test_an_abort_whose_proof_is_missing_keeps_its_word() -> None:
    """For a commit that wants to know whether the upload was still there."""
    scene = Scene()
    async with scene.guard:
        await scene.guard.create(CREATE)
        scene.guard.may_have_parts = True
        scene.store.on("ListParts", *[TransportError("reset")] * 6)
        assert await scene.guard.abort() is AbortOutcome.ABORTED


async def test_a_question_that_is_refused_otherwise_is_no_proof(scene: Scene) -> None:
    """Only that there is no such upload is; the abort's word does, and no more is asked."""
    scene.store.on("ListParts", refusal(403, "AccessDenied"))
    await scene.fail(ValueError("source"), parts=True)
    assert scene.store.operations.count("AbortMultipartUpload") == 1


async def test_the_log_is_told_of_every_step() -> None:
    """Before there is something to abort, with its id when there is, and at the end."""

    class Log(NoRecord):
        def __init__(self) -> None:
            self.events: list[str] = []

        async def creating(self) -> None:
            self.events.append("creating")

        async def created(self, upload_id: str) -> None:
            self.events.append(upload_id)

        def ended(self) -> None:
            self.events.append("ended")

    clock, log = FakeClock(), Log()
    client = make_client(FakeStore(clock), clock)
    guard = make_guard(client, FailedAttempts(), record=log)
    async with guard:
        await guard.create(CREATE)
        guard.completed()
    assert log.events == ["creating", "upload-1", "ended"]


async def test_the_log_is_told_of_an_abort_that_was_not_proved() -> None:
    """So that the upload is looked for again."""

    class Log(NoRecord):
        was_left_open = False

        def left_open(self) -> None:
            self.was_left_open = True

    clock, log = FakeClock(), Log()
    store = FakeStore(clock)
    store.on("ListParts", *[TransportError("reset")] * 6)
    guard = make_guard(make_client(store, clock), FailedAttempts(), record=log)
    with pytest.raises(ValueError, match="source"):
        async with guard:
            await guard.create(CREATE)
            guard.may_have_parts = True
            raise ValueError("source")
    assert log.was_left_open


async def test_it_says_that_it_cleans_up_while_it_does(scene: Scene) -> None:
    """In a task that bears our name; not before."""
    gate = Gate()
    scene.store.on("AbortMultipartUpload", gate)
    task = asyncio.create_task(scene.fail(ValueError("source")))
    assert scene.guard.is_cleaning_up is False
    await gate.entered.wait()
    assert scene.guard.is_cleaning_up is True
    assert "aios3: clean up after 'key'" in {other.get_name() for other in asyncio.all_tasks()}
    gate.opened.set()
    await task


# what the clean-up may take, and what is told of it


async def test_a_create_that_is_not_answered_gets_half_of_the_deadline(scene: Scene, loop_clock: LoopClock) -> None:
    """The other half is for finding, and aborting, what it made."""

    async def make_and_never_answer(_: object) -> None:
        scene.store.open_upload("lost", at=scene.clock.moment)
        await asyncio.Event().wait()

    scene.store.on("CreateMultipartUpload", make_and_never_answer)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    task.cancel()
    await turns()
    await loop_clock.advance(29.0)
    assert scene.store.operations == ["CreateMultipartUpload"]
    await loop_clock.advance(1.5)
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.uploads == {}


async def test_what_a_lost_create_made_is_looked_for_in_its_bucket(scene: Scene) -> None:
    """With the headers of every other request about this upload."""
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    await scene.fail(ValueError("source"))
    (search,) = scene.store.requests("ListMultipartUploads")
    assert (search.path, search.headers) == ("/bucket", {"x-every": "e"})


async def test_an_empty_retry_budget_does_not_stop_the_proof(scene: Scene) -> None:
    """The store is asked again, instead of aborting what is not there any more."""
    scene.guard._client.budget.take(500)
    scene.store.on("ListParts", STILL_THERE, refusal(503, "SlowDown"))
    assert await scene.fail(ValueError("source"), parts=True) == [WHERE + "it was aborted"]
    assert scene.store.operations[1:] == ["AbortMultipartUpload", "ListParts"] * 2 + ["ListParts"]


async def test_an_abort_whose_answers_are_lost_may_have_worked(scene: Scene) -> None:
    """The note does not say that it failed."""
    scene.store.on("AbortMultipartUpload", *[TransportError("reset")] * 6)
    (note,) = await scene.fail(ValueError("source"))
    assert note.startswith(WHERE + "it could not be aborted for certain, since no response came")


async def test_of_two_cancellations_the_first_is_raised(scene: Scene) -> None:
    """It reaches the caller as it was; the second only came while its end was waited for."""
    gate, raised = Gate(), list[object]()
    scene.store.on("AbortMultipartUpload", gate)

    async def call() -> None:
        try:
            async with scene.guard:
                await scene.guard.create(CREATE)
                await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raised.extend(error.args)
            raise

    task = asyncio.create_task(call())
    for reason in ("first", "second"):
        await turns()
        task.cancel(reason)
    await turns()
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert raised == ["first"]


@pytest.mark.parametrize(
    ("operation", "answers", "told"),
    [
        ("", [], "ended"),
        ("AbortMultipartUpload", [refusal(404, "NoSuchUpload")], "ended"),
        ("AbortMultipartUpload", [refusal(403, "AccessDenied")], "left open"),
        ("CreateMultipartUpload", [refusal(403, "AccessDenied")], "ended"),
        ("CreateMultipartUpload", [TransportError("reset")] * 4, "left open"),
    ],
    ids=["aborted", "gone", "not aborted", "not created", "not found"],
)
async def test_the_log_is_told_whether_anything_may_be_open(
    scene: Scene, operation: str, answers: list[Any], told: str
) -> None:
    """At the very end, so that a later process knows whether there is something to look for."""
    events: list[str] = []

    class Log(NoRecord):
        def ended(self) -> None:
            events.append("ended")

        def left_open(self) -> None:
            events.append("left open")

    scene.guard._record = Log()
    scene.store.on(operation, *answers)
    scene.store.on("ListMultipartUploads", refusal(403, "AccessDenied"))
    with pytest.raises((KeyError, StorageError)):
        async with scene.guard:
            await scene.guard.create(CREATE)
            raise KeyError("theirs")
    assert events == [told]
