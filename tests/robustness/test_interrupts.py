"""Programs that get one or two interrupts: no upload stays open."""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest

from aios3 import Provider, S3StorageDriver, TransferConfig, UploadProgress
from aios3.testing import S3Server
from tests.conftest import PART
from tests.support.processes import INTERRUPTED, child, environment_of, line_of
from tests.support.sweep import Turns, driver_on

RUNS = 60


async def test_two_interrupts_in_a_row_leave_nothing_open(server: S3Server) -> None:
    environment = environment_of(server.endpoint_url, server.region, server.credentials)
    async with child(environment, "-c", INTERRUPTED, RUNS) as process:
        assert await line_of(process) == "ended"
    assert [left.upload_id for left in server.open_uploads] == []
    aborted = sum(request.operation == "AbortMultipartUpload" for request in server.requests)
    assert aborted > RUNS


@pytest.fixture
def other_server(small_provider: Provider) -> Iterator[S3Server]:
    """Yield a store in a thread of its own, which continues when the loop of the test is interrupted."""
    with S3Server(small_provider) as server:
        yield server


def driver_for(server: S3Server) -> S3StorageDriver:
    return driver_on(server, server.store.provider, transfer=TransferConfig(part_size=PART, concurrency=2))


class Interrupter:
    """Task factory that raises an interrupt in one step of one task."""

    def __init__(self, step: int) -> None:
        self.steps_left = step
        self.is_armed = False

    def __call__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(self._run(work), loop=loop, **options)
        task.add_done_callback(lambda _: work.close())  # one that is cancelled before its first step runs nothing
        return task

    async def _run(self, work: Coroutine[Any, Any, Any]) -> object:
        return await self._steps(work)

    @types.coroutine
    def _steps(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, None, object]:
        error: BaseException | None = None
        while True:
            error = KeyboardInterrupt() if self._strikes() else error
            try:
                future = work.send(None) if error is None else work.throw(error)
            except StopIteration as end:
                return end.value
            error = None
            try:
                yield future
            except GeneratorExit:  # the loop was closed before the task has ended
                work.close()
                raise
            except BaseException as thrown:
                error = thrown

    def _strikes(self) -> bool:
        self.steps_left -= self.is_armed
        return self.is_armed and self.steps_left == -1


def run_interrupted(server: S3Server, turn: int, step: int) -> bool:
    """Cancel an upload at a turn of the loop, and interrupt a task at a later step. Return whether it ended early."""
    interrupter = Interrupter(step)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(6):
            await asyncio.sleep(0)
            yield bytes(700)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(interrupter)
        task = asyncio.current_task()
        assert task is not None

        def interrupt() -> None:
            interrupter.is_armed = True
            task.cancel()

        async with driver_for(server) as driver:
            turns = Turns((turn, interrupt))
            try:
                await driver.upload_object_via_stream(chunks(), "bucket", "key")
            finally:
                turns.stop()

    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(main())
    return interrupter.is_armed and interrupter.steps_left < 0


# A loop that is interrupted while it ends drops what it would have run.
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("turn", range(2, 80, 6))
def test_a_second_interrupt_at_any_step_leaves_nothing_open(other_server: S3Server, turn: int) -> None:
    """In a part, in the clean-up, in the closing of the driver. The loop runs once more, as in `asyncio.run`."""
    step, left = 0, []
    while run_interrupted(other_server, turn, step):
        left += [f"{step}: {upload.upload_id}" for upload in other_server.open_uploads if len(left) < 20]
        step += 1
    assert left == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
def test_an_interrupt_in_a_callback_ends_the_program_and_the_upload(
    other_server: S3Server, interrupt: type[BaseException], at: int, is_async: bool
) -> None:
    def report(progress: UploadProgress) -> None:
        if progress.parts_stored >= at:
            raise interrupt

    async def report_later(progress: UploadProgress) -> None:
        await asyncio.sleep(0)
        report(progress)

    callback: Callable[[UploadProgress], Awaitable[None] | None] = report_later if is_async else report

    async def main() -> None:
        async with driver_for(other_server) as driver:
            await driver.upload_object_via_stream(bytearray(5 * PART), "bucket", "key", on_progress=callback)

    with pytest.raises(interrupt):
        asyncio.run(main())
    assert other_server.open_uploads == []
    assert ("bucket", "key") not in other_server.objects
