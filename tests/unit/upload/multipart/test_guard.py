"""The cancellation guard: no upload stays open, and the first error is raised, with a note of the outcome."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aios3._client.attempts import FailedAttempts
from aios3._client.observing.timeline import Timeline
from aios3._client.observing.upload_trace import UploadTrace
from aios3._protocol.operations import CreateMultipartUpload
from aios3._protocol.wire.messages import Request, Response
from aios3._upload.multipart.abort import AbortOutcome
from aios3._upload.shared.job import UploadJob
from aios3._upload.shared.journal_interface import NoJournal, NoRecord
from aios3.checkpoints import UploadSuspendedError
from aios3.errors import StorageError, TransportError
from tests.conftest import LoopClock
from tests.support.fakes import FakeClock, FakeStore, Gate, make_client, make_guard, refusal, turns

CREATE = CreateMultipartUpload("bucket", "key", {})
WHERE = "aios3: multipart upload upload-1 of bucket/key: "


class Log(NoJournal, NoRecord):
    """Journal of one upload, and its record."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.recording_fails_with: BaseException | None = None

    def begin(self, job: UploadJob) -> Log:
        self.key = job.key
        return self

    async def creating(self) -> None:
        self.events.append("creating")

    async def created(self, upload_id: str) -> None:
        self.events.append(upload_id)
        if self.recording_fails_with is not None:
            raise self.recording_fails_with

    def ended(self) -> None:
        self.events.append("ended")

    def left_open(self) -> None:
        self.events.append("left open")


class Scene:
    def __init__(self, *, deadline: float = 60.0, attempts: int = 4) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.timeline = Timeline(self.clock().monotonic)
        self.failures = FailedAttempts(upload=UploadTrace(self.timeline))
        self.known: set[str] = set()
        self.log = Log()
        client = make_client(self.store, self.clock, attempts=attempts)
        self.guard = make_guard(client, self.failures, deadline=deadline, known=self.known, journal=self.log)

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


async def test_a_clean_end_sends_nothing_and_forgets_the_id(scene: Scene) -> None:
    async with scene.guard:
        assert await scene.guard.create(CREATE) == "upload-1"
        assert scene.known == {"upload-1"}
        scene.guard.completed()
    assert scene.store.operations == ["CreateMultipartUpload"]
    assert scene.known == set()


@pytest.mark.parametrize("error", [ValueError("source"), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_any_error_aborts_and_is_raised_unchanged_with_a_note(scene: Scene, error: BaseException) -> None:
    assert await scene.fail(error) == [WHERE + "it was aborted"]
    assert scene.store.operations == ["CreateMultipartUpload", "AbortMultipartUpload"]
    assert (scene.store.uploads, scene.known) == ({}, set())


async def test_an_error_before_the_create_aborts_nothing(scene: Scene) -> None:
    error = ValueError("source")
    with pytest.raises(ValueError, match="source"):
        async with scene.guard:
            raise error
    assert (scene.store.operations, hasattr(error, "__notes__")) == ([], False)


async def test_a_committed_upload_is_not_aborted(scene: Scene) -> None:
    with pytest.raises(ValueError, match="progress") as caught:
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.completed()
            raise ValueError("progress")
    assert "AbortMultipartUpload" not in scene.store.operations
    assert caught.value.__notes__ == [WHERE + "it was committed"]


LISTED = Response(200, {}, b"<ListPartsResult></ListPartsResult>")
RESET, SLOW, DENIED = TransportError("reset"), refusal(503, "SlowDown"), refusal(403, "AccessDenied")
ABORTED = "it was aborted"
OPEN = "it could not be aborted and may be billed until it is"
UNKNOWN = "it could not be aborted for certain, since no response came, and may be billed until it is"
ENDINGS: dict[str, tuple[list[Any], list[Any], str, tuple[int, int]]] = {
    "aborted": ([], [], ABORTED, (1, 1)),
    "gone, then seen": ([refusal(404, "NoSuchUpload")], [], "it was gone already", (2, 2)),
    "aborted in the end": ([SLOW, RESET], [], ABORTED, (3, 1)),
    "refused": ([DENIED], [], OPEN + r" \(AbortMultipartUpload of .*403 AccessDenied.*\)", (1, 0)),
    "no response": ([RESET] * 6, [], UNKNOWN + r" \(reset\)", (6, 0)),
    "a part came late": ([], [LISTED] * 2, ABORTED, (3, 3)),
    "it stays": ([], [LISTED] * 20, OPEN, (7, 6)),
    "listing refused": ([], [DENIED], ABORTED, (1, 1)),
    "listing unknown": ([], [refusal(501, "NotImplemented")], ABORTED, (1, 1)),
    "seen, then listing refused": ([], [LISTED, *[DENIED] * 40], OPEN, (7, 6)),
    "listed in the end": ([], [LISTED, SLOW, RESET], ABORTED, (2, 4)),
    "listing without a response": ([], [RESET] * 6, UNKNOWN + r" \(reset\)", (1, 6)),
    "listing too slow": ([], [SLOW] * 6, UNKNOWN + r" \(.*\)", (1, 6)),
    "seen, then no response": ([], [LISTED, *[RESET] * 6], UNKNOWN + r" \(reset\)", (2, 7)),
}


@pytest.mark.parametrize(("aborts", "listings", "note", "counts"), ENDINGS.values(), ids=ENDINGS)
async def test_the_clean_up_is_repeated_and_its_outcome_is_in_the_note(
    aborts: list[Any], listings: list[Any], note: str, counts: tuple[int, int]
) -> None:
    """Even if the caller's policy has no retries, and the retry budget is empty."""
    scene = Scene(attempts=1)
    scene.guard._client.budget.take(500)
    scene.store.on("AbortMultipartUpload", *aborts)
    scene.store.on("ListParts", *listings)
    (found,) = await scene.fail(ValueError("source"), parts=True)
    assert re.fullmatch(re.escape(WHERE) + note, found)
    assert tuple(map(scene.store.operations.count, ("AbortMultipartUpload", "ListParts"))) == counts
    for request in scene.store.sent[1:]:
        assert (request.path, dict(request.query)["uploadId"]) == ("/bucket/key", "upload-1")
        assert request.headers == {"x-every": "e"}


async def test_an_abort_is_sent_once_and_only_for_an_open_upload(scene: Scene) -> None:
    async with scene.guard:
        assert await scene.guard.abort() is AbortOutcome.NOTHING
        await scene.guard.create(CREATE)
        assert await scene.guard.abort() is AbortOutcome.ABORTED
        assert await scene.guard.abort() is AbortOutcome.ABORTED
    assert scene.store.operations.count("AbortMultipartUpload") == 1
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


async def test_a_create_in_flight_is_waited_for_and_its_upload_aborted(scene: Scene) -> None:
    """The note on the cancellation has the id, which no caller was given."""
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
    await turns()
    assert not task.done()
    gate.opened.set()
    await asyncio.wait({task})
    assert (task.cancelled(), notes) == (True, [WHERE + "it was aborted"])
    assert scene.store.operations == ["CreateMultipartUpload", "AbortMultipartUpload"]
    assert (scene.store.uploads, scene.known) == ({}, set())


@pytest.mark.parametrize("answer", [refusal(403, "AccessDenied"), RuntimeError("a bug")])
async def test_a_create_in_flight_that_fails_needs_no_clean_up(scene: Scene, answer: Response | Exception) -> None:
    """The store refused it, or it was never sent."""
    gate = Gate(answer=answer)
    scene.store.on("CreateMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    task.cancel()
    await turns(3)
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert scene.store.operations == ["CreateMultipartUpload"]


async def test_a_create_whose_own_task_is_cancelled_ends_the_wait(scene: Scene) -> None:
    """As by a loop that shuts down."""
    gate = Gate()
    scene.store.on("CreateMultipartUpload", gate)
    task = await running(scene, lambda: scene.guard.create(CREATE))
    (creating,) = (other for other in asyncio.all_tasks() if other.get_name() == "aios3: create 'key'")
    creating.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_the_upload_of_a_create_in_flight_without_a_response_is_found_and_aborted(scene: Scene) -> None:
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


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancellation_during_the_clean_up_is_raised_after_it(scene: Scene, cancels: int) -> None:
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


async def test_an_abort_without_an_answer_ends_at_the_deadline() -> None:
    scene = Scene(deadline=0.01)
    scene.store.on("AbortMultipartUpload", Gate())
    (note,) = await scene.fail(ValueError("source"))
    assert note == WHERE + AbortOutcome.UNKNOWN.value + " (not finished after 0.01 s)"


# lost answers to Create


async def test_the_upload_of_a_lost_create_is_aborted_at_the_end(scene: Scene) -> None:
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    async with scene.guard:
        assert await scene.guard.create(CREATE) == "upload-2"
        scene.guard.completed()
        del scene.store.uploads["upload-2"]
    assert scene.store.uploads == {}
    assert [type(failure) for failure in scene.failures] == [TransportError]


async def test_a_failed_sweep_does_not_fail_a_committed_upload(scene: Scene) -> None:
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", refusal(403, "AccessDenied"))
    async with scene.guard:
        await scene.guard.create(CREATE)
        scene.guard.completed()
    assert "ListMultipartUploads" in scene.store.operations


async def test_all_uploads_of_a_create_without_any_response_are_aborted() -> None:
    scene = Scene(attempts=2)
    scene.store.on("CreateMultipartUpload", scene.store.lose, scene.store.lose)
    with pytest.raises(TransportError) as caught:
        async with scene.guard:
            await scene.guard.create(CREATE)
    assert scene.store.uploads == {}
    assert caught.value.__notes__ == ["aios3: gave up after 2 attempts"]


async def test_a_note_names_the_key_if_the_upload_of_a_lost_create_cannot_be_found() -> None:
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
    (search,) = scene.store.requests("ListMultipartUploads")
    assert (search.path, search.headers) == ("/bucket", {"x-every": "e"})


async def test_an_abort_and_a_failed_sweep_have_notes_of_their_own(scene: Scene) -> None:
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", refusal(403, "AccessDenied"))
    notes = await scene.fail(ValueError("source"))
    assert notes[0] == "aios3: multipart upload upload-2 of bucket/key: it was aborted"
    assert "was lost" in notes[1]


async def test_a_cancelled_wait_between_two_creates_sweeps(scene: Scene) -> None:
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


async def test_the_search_for_the_upload_of_a_lost_create_is_in_the_timing(scene: Scene) -> None:
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", lambda _: scene.clock.advance(7.0))
    await scene.fail(ValueError("source"))
    assert scene.timeline.snapshot().response == 7.0


@pytest.mark.parametrize(
    ("is_kept", "is_cancelled", "left"),
    [(True, False, ["upload-2"]), (True, True, []), (False, False, [])],
    ids=["kept", "kept for a cancelled caller", "not kept"],
)
async def test_a_clean_end_after_a_lost_create_keeps_only_an_upload_whose_caller_learns_its_id(
    scene: Scene, is_kept: bool, is_cancelled: bool, left: list[str]
) -> None:
    gate = Gate()
    scene.store.on("CreateMultipartUpload", scene.store.lose)
    scene.store.on("ListMultipartUploads", gate)

    async def create() -> None:
        await scene.guard.create(CREATE)
        if is_kept:
            scene.guard.keep_open()

    task = await running(scene, create)
    await gate.entered.wait()
    if is_cancelled:
        task.cancel()
        await turns(3)
    gate.opened.set()
    await asyncio.wait({task})
    assert task.cancelled() is is_cancelled
    assert list(scene.store.uploads) == left
    assert scene.guard.is_kept is bool(left)


# suspended and resumed uploads


@pytest.mark.parametrize("error", [OSError("full"), asyncio.CancelledError()])
async def test_a_resumed_upload_that_the_journal_cannot_record_stays_open(scene: Scene, error: BaseException) -> None:
    scene.store.open_upload("id")
    scene.log.recording_fails_with = error
    scene.guard.adopt("id")
    with pytest.raises(type(error)):
        async with scene.guard:
            pytest.fail("the block was entered")
    assert scene.log.events == ["id", "left open"]
    assert (scene.known, scene.store.sent) == (set(), [])
    assert "id" in scene.store.uploads


@pytest.mark.parametrize(
    ("state", "kept"), [("parts", True), ("no parts", False), ("aborting", False), ("committed", False)]
)
async def test_a_suspended_upload_is_kept_only_if_it_is_open_and_has_parts(
    scene: Scene, state: str, kept: bool
) -> None:
    scene.guard.suspended_by = error = UploadSuspendedError("closed")
    with pytest.raises(UploadSuspendedError):
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.may_have_parts = state != "no parts"
            if state == "aborting":
                await scene.guard.abort()
            if state == "committed":
                scene.guard.completed()
            raise error
    assert scene.guard.is_kept is kept
    assert bool(scene.store.uploads) is (kept or state == "committed")


async def test_the_suspension_of_another_upload_ends_this_one(scene: Scene) -> None:
    """It can pass through the block if one upload feeds another."""
    with pytest.raises(UploadSuspendedError):
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.may_have_parts = True
            raise UploadSuspendedError("the other was closed")
    assert scene.store.uploads == {}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_the_upload_of_an_interrupted_create_is_found_and_aborted(interrupt: type[BaseException]) -> None:
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


async def test_an_abort_without_a_proof_keeps_its_outcome() -> None:
    """For a commit, which asks whether the upload was still there."""
    scene = Scene()
    async with scene.guard:
        await scene.guard.create(CREATE)
        scene.guard.may_have_parts = True
        scene.store.on("ListParts", *[TransportError("reset")] * 6)
        assert await scene.guard.abort() is AbortOutcome.ABORTED


async def test_whether_an_upload_is_open_is_asked_for_the_given_id(scene: Scene) -> None:
    scene.store.open_upload("id")
    assert await scene.guard.is_open("id")
    assert await scene.guard.is_open("other") is False


async def test_the_clean_up_shows_while_it_runs_in_a_named_task(scene: Scene) -> None:
    gate = Gate()
    scene.store.on("AbortMultipartUpload", gate)
    task = asyncio.create_task(scene.fail(ValueError("source")))
    assert scene.guard.is_cleaning_up is False
    await gate.entered.wait()
    assert scene.guard.is_cleaning_up is True
    assert "aios3: clean up after 'key'" in {other.get_name() for other in asyncio.all_tasks()}
    gate.opened.set()
    await task


async def test_a_create_without_a_response_gets_half_of_the_deadline(scene: Scene, loop_clock: LoopClock) -> None:
    """The other half is for the search for its upload."""

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


async def test_of_two_cancellations_the_first_is_raised(scene: Scene) -> None:
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
    ("operation", "answers", "events"),
    [
        ("", [], ["creating", "upload-1", "ended"]),
        ("AbortMultipartUpload", [refusal(404, "NoSuchUpload")], ["creating", "upload-1", "ended"]),
        ("AbortMultipartUpload", [DENIED], ["creating", "upload-1", "left open"]),
        ("ListParts", [RESET] * 6, ["creating", "upload-1", "left open"]),
        ("CreateMultipartUpload", [DENIED], ["creating", "ended"]),
        ("CreateMultipartUpload", [RESET] * 4, ["creating", "left open"]),
    ],
    ids=["aborted", "gone", "not aborted", "not proved", "not created", "not found"],
)
async def test_the_journal_records_every_step_and_whether_an_upload_may_be_open(
    scene: Scene, operation: str, answers: list[Any], events: list[str]
) -> None:
    """A refused Create needs no search, which this store would refuse too."""
    scene.store.on(operation, *answers)
    scene.store.on("ListMultipartUploads", DENIED)
    with pytest.raises((KeyError, StorageError)):
        async with scene.guard:
            await scene.guard.create(CREATE)
            scene.guard.may_have_parts = True
            raise KeyError("theirs")
    assert (scene.log.key, scene.log.events) == ("key", events)
