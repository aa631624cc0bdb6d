"""What uploads share, and how they are all stopped."""

from __future__ import annotations

import asyncio

import pytest

from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.parts.part_plan import PartPlan
from aios3._upload.lifecycle import run_upload
from aios3._upload.shared.engine import Engine
from aios3.checkpoints import UploadSuspendedError
from aios3.errors import StorageError
from aios3.options import MIB, Timeouts, TransferConfig
from tests.conftest import LoopClock
from tests.support.fakes import SMALL_PARTS, FakeClock, FakeStore, make_client, make_job, turns


class FakeUpload:
    """Ends when it is stopped, unless it is busy."""

    def __init__(self, engine: Engine, *, busy: bool = False, abandoning: Exception | None = None) -> None:
        self.owner: object = object()
        self.ended = asyncio.Event()
        self.is_suspendable = True
        self.reasons: list[StorageError] = []
        self.abandoned = 0
        self.given_up = 0
        self._engine = engine
        self._busy = busy
        self._abandoning = abandoning
        engine.running.add(self)

    def is_run_by(self, task: asyncio.Task[object] | None) -> bool:
        return task is self.owner

    def stop(self, reason: StorageError) -> None:
        self.reasons.append(reason)
        if not self._busy:
            asyncio.get_running_loop().call_soon(self.end)

    def give_up_commit(self) -> None:
        self.given_up += 1

    def end(self) -> None:
        self._engine.upload_ended(self)
        self.ended.set()

    async def abandon(self) -> None:
        await asyncio.sleep(0)
        self.abandoned += 1
        if self._abandoning is not None:
            raise self._abandoning


def engine_with(*, cleanup: float = 60.0, memory_limit: int = 256 * MIB) -> Engine:
    clock = FakeClock()
    transfer = TransferConfig(memory_limit=memory_limit)
    return Engine(make_client(FakeStore(clock), clock), SMALL_PARTS, transfer, Timeouts(cleanup=cleanup))


@pytest.fixture
def engine() -> Engine:
    return engine_with()


def test_memory_is_limited_as_configured() -> None:
    """For all uploads together; what is kept for reuse is less."""
    assert engine_with(memory_limit=10 * MIB).memory.limit == 10 * MIB


@pytest.mark.parametrize(("memory_limit", "kept"), [(10 * MIB, 10 * MIB), (256 * MIB, 64 * MIB)])
def test_idle_memory_is_bounded(memory_limit: int, kept: int) -> None:
    """By the limit and by 64 MiB."""
    pool = engine_with(memory_limit=memory_limit).pool
    pool.give_back((bytearray(SEGMENT_SIZE),) * 300)
    assert pool.idle_bytes == kept


def test_idle_memory_goes_with_the_last_upload(engine: Engine) -> None:
    """A driver that does nothing holds nothing."""
    first, second = FakeUpload(engine), FakeUpload(engine)
    engine.pool.give_back((engine.pool.take(),))
    first.end()
    assert engine.pool.idle_bytes == SEGMENT_SIZE
    second.end()
    assert engine.pool.idle_bytes == 0
    assert engine.running == set()


async def test_nothing_runs_nothing_is_stopped(engine: Engine) -> None:
    """At once."""
    await engine.stop_uploads(asyncio.current_task())
    assert engine.running == set()


async def test_all_uploads_are_stopped_and_waited_for(engine: Engine) -> None:
    """Each is told the reason; none that ends by itself is abandoned."""
    uploads = [FakeUpload(engine) for _ in range(3)]
    await engine.stop_uploads(asyncio.current_task())
    assert [str(upload.reasons[0]) for upload in uploads] == ["the driver was closed while this upload was running"] * 3
    assert all(upload.ended.is_set() and not upload.abandoned for upload in uploads)


async def test_an_upload_that_does_not_end_is_aborted_from_here() -> None:
    """After the clean-up's time; the waiting leaves no task."""
    engine = engine_with(cleanup=0.01)
    busy, quick = FakeUpload(engine, busy=True), FakeUpload(engine)
    await engine.stop_uploads(asyncio.current_task())
    assert (busy.abandoned, quick.abandoned) == (1, 0)
    await turns(2)
    assert len(asyncio.all_tasks()) == 1


async def test_a_commit_gets_five_seconds(engine: Engine, loop_clock: LoopClock) -> None:
    """Though the clean-up may take longer: what ends a process does not wait for ever."""
    busy = FakeUpload(engine, busy=True)
    stopping = asyncio.create_task(engine.stop_uploads(asyncio.current_task()))
    await turns(3)
    await loop_clock.advance(4.5)
    assert busy.given_up == 0
    await loop_clock.advance(1.0)
    assert busy.given_up == 1
    busy.end()
    await stopping
    assert busy.abandoned == 0


async def test_the_closers_own_upload_is_not_waited_for(engine: Engine) -> None:
    """It could not end before this returns."""
    own = FakeUpload(engine, busy=True)
    own.owner = asyncio.current_task()
    await engine.stop_uploads(asyncio.current_task())
    assert (len(own.reasons), own.abandoned) == (1, 1)


async def test_one_that_cannot_be_aborted_does_not_keep_the_others() -> None:
    """Its own guard will try again."""
    engine = engine_with(cleanup=0.01)
    uploads = [FakeUpload(engine, busy=True, abandoning=StorageError("no")) for _ in range(3)]
    await engine.stop_uploads(None)
    assert [upload.abandoned for upload in uploads] == [1, 1, 1]


async def test_a_cancelled_stop_leaves_no_task(engine: Engine) -> None:
    """Nobody waits for the uploads any more."""
    FakeUpload(engine, busy=True)
    stopping = asyncio.create_task(engine.stop_uploads(asyncio.current_task()))
    await turns(3)
    stopping.cancel()
    await asyncio.wait({stopping})
    await turns(2)
    assert stopping.cancelled()
    assert len(asyncio.all_tasks()) == 1


async def test_all_that_do_not_end_are_seen_to_at_the_same_time() -> None:
    """One that takes its time, or fails, does not hold the others up."""
    engine = engine_with(cleanup=0.01)
    slow = FakeUpload(engine, busy=True)
    uploads = [FakeUpload(engine, busy=True, abandoning=StorageError("no")) for _ in range(3)]

    async def for_ever() -> None:
        slow.abandoned += 1
        await asyncio.Event().wait()

    slow.abandon = for_ever  # type: ignore[method-assign]
    await engine.stop_uploads(asyncio.current_task())
    assert [upload.abandoned for upload in (slow, *uploads)] == [1] * 4


class Keeping:
    """As much of a journal as is asked whether it keeps anything."""

    keeps = True


async def test_with_a_journal_uploads_are_suspended(engine: Engine) -> None:
    """For the same reason; their callers can go on later."""
    engine.journal = Keeping()  # type: ignore[assignment]
    upload = FakeUpload(engine)
    await engine.stop_uploads(None)
    assert isinstance(upload.reasons[0], UploadSuspendedError)
    assert "the driver was closed while this upload was running" in str(upload.reasons[0])


async def test_an_upload_that_is_not_suspendable_is_aborted_beside_one_that_is(engine: Engine) -> None:
    """Each as it was asked for."""
    engine.journal = Keeping()  # type: ignore[assignment]
    file, web_request = FakeUpload(engine), FakeUpload(engine)
    web_request.is_suspendable = False
    await engine.stop_uploads(None)
    kinds = [isinstance(upload.reasons[0], UploadSuspendedError) for upload in (file, web_request)]
    assert kinds == [True, False]


async def test_without_a_journal_uploads_are_not_suspended(engine: Engine) -> None:
    """There is nothing to go on from."""
    upload = FakeUpload(engine)
    await engine.stop_uploads(None)
    assert not isinstance(upload.reasons[0], UploadSuspendedError)


async def test_uploads_may_be_given_time_to_end(engine: Engine) -> None:
    """All but the closer's own; none is stopped."""
    own, other = FakeUpload(engine), FakeUpload(engine)
    closer = own.owner = asyncio.current_task()
    waiting = asyncio.create_task(engine.let_uploads_end(closer, seconds=1.0))
    await turns(5)
    assert not waiting.done()
    other.end()
    await turns(5)
    assert waiting.done()
    assert own.reasons == other.reasons == []


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_the_time_to_end_is_bounded(engine: Engine, seconds: float) -> None:
    """Without any it returns at once."""
    FakeUpload(engine)
    await asyncio.wait_for(engine.let_uploads_end(None, seconds=seconds), 5)


async def test_idle_memory_goes_while_other_uploads_go_on(loop_clock: LoopClock) -> None:
    """In some seconds after it was needed last."""
    engine = engine_with()
    async with run_upload(engine, make_job(plan=PartPlan(MIB, MIB, 10))) as upload:
        await upload.add(memoryview(b"slow"))
        engine.pool.give_back([bytearray(SEGMENT_SIZE)] * 200)
        await loop_clock.advance(4)
        assert engine.pool.idle_bytes == 200 * SEGMENT_SIZE
        await loop_clock.advance(4)
        assert engine.pool.idle_bytes == 0
