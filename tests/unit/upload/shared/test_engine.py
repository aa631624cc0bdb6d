"""The shared parts of all uploads of a driver, and the end of all uploads."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

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


@pytest.mark.parametrize(("memory_limit", "kept"), [(10 * MIB, 10 * MIB), (256 * MIB, 64 * MIB)])
def test_idle_memory_is_bounded_by_the_limit_and_64_mib(memory_limit: int, kept: int) -> None:
    engine = engine_with(memory_limit=memory_limit)
    engine.pool.give_back((bytearray(SEGMENT_SIZE),) * 300)
    assert (engine.pool.idle_bytes, engine.memory.limit) == (kept, memory_limit)


def test_idle_memory_is_dropped_with_the_last_upload(engine: Engine) -> None:
    first, second = FakeUpload(engine), FakeUpload(engine)
    engine.pool.give_back((engine.pool.take(),))
    first.end()
    assert engine.pool.idle_bytes == SEGMENT_SIZE
    second.end()
    assert engine.pool.idle_bytes == 0
    assert engine.running == set()


async def test_all_uploads_are_stopped_with_a_reason_and_waited_for(engine: Engine) -> None:
    uploads = [FakeUpload(engine) for _ in range(3)]
    await engine.stop_uploads(asyncio.current_task())
    assert [str(upload.reasons[0]) for upload in uploads] == ["the driver was closed while this upload was running"] * 3
    assert all(upload.ended.is_set() and not upload.abandoned for upload in uploads)


async def test_a_commit_gets_five_seconds_when_the_driver_is_closed(engine: Engine, loop_clock: LoopClock) -> None:
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


async def test_an_upload_of_the_closing_task_is_not_waited_for(engine: Engine) -> None:
    own = FakeUpload(engine, busy=True)
    own.owner = asyncio.current_task()
    await engine.stop_uploads(asyncio.current_task())
    assert (len(own.reasons), own.abandoned) == (1, 1)


async def test_a_cancelled_stop_leaves_no_task(engine: Engine) -> None:
    FakeUpload(engine, busy=True)
    stopping = asyncio.create_task(engine.stop_uploads(asyncio.current_task()))
    await turns(3)
    stopping.cancel()
    await asyncio.wait({stopping})
    await turns(2)
    assert stopping.cancelled()
    assert len(asyncio.all_tasks()) == 1


async def test_uploads_that_do_not_end_are_aborted_at_the_same_time() -> None:
    """After the cleanup timeout. One that hangs or fails does not delay the others, and no task is left."""
    engine = engine_with(cleanup=0.01)
    quick, slow = FakeUpload(engine), FakeUpload(engine, busy=True)
    uploads = [FakeUpload(engine, busy=True, abandoning=StorageError("no")) for _ in range(3)]

    async def hang() -> None:
        slow.abandoned += 1
        await asyncio.Event().wait()

    slow.abandon = hang  # type: ignore[method-assign]
    await engine.stop_uploads(asyncio.current_task())
    assert [upload.abandoned for upload in (quick, slow, *uploads)] == [0, *[1] * 4]
    await turns(2)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("has_journal", [True, False])
async def test_uploads_are_suspended_if_there_is_a_journal_and_they_are_suspendable(
    engine: Engine, has_journal: bool
) -> None:
    if has_journal:
        engine.journal = SimpleNamespace(keeps=True)  # type: ignore[assignment]
    file, web_request = FakeUpload(engine), FakeUpload(engine)
    web_request.is_suspendable = False
    await engine.stop_uploads(None)
    kinds = [isinstance(upload.reasons[0], UploadSuspendedError) for upload in (file, web_request)]
    assert kinds == [has_journal, False]
    assert "the driver was closed while this upload was running" in str(file.reasons[0])


async def test_uploads_are_given_time_to_end_except_that_of_the_closing_task(engine: Engine) -> None:
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
    FakeUpload(engine)
    await asyncio.wait_for(engine.let_uploads_end(None, seconds=seconds), 5)


async def test_idle_memory_is_dropped_some_seconds_after_its_last_use(loop_clock: LoopClock) -> None:
    engine = engine_with()
    async with run_upload(engine, make_job(plan=PartPlan(MIB, MIB, 10))) as upload:
        await upload.add(memoryview(b"slow"))
        engine.pool.give_back([bytearray(SEGMENT_SIZE)] * 200)
        await loop_clock.advance(4)
        assert engine.pool.idle_bytes == 200 * SEGMENT_SIZE
        await loop_clock.advance(4)
        assert engine.pool.idle_bytes == 0
