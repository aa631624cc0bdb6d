"""Sweep that ends one small upload at every turn of the event loop, and records what it leaves behind."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import anyio

from aios3 import PROVIDERS, CompletionUnknownError, DriverClosedError, RetryPolicy, S3StorageDriver, TransferConfig
from aios3._concurrency.clock import Clock
from aios3._upload.shared.engine import Engine
from aios3.providers import Provider
from aios3.testing import S3Server

from .spill_scene import let_threads_take_turns


async def _do_not_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


IMPATIENT = Clock(sleep=_do_not_sleep)
KIB = 1024
PART = 4 * KIB
SMALL_PARTS = dataclasses.replace(PROVIDERS["aws"], name="small", endpoint=None, addressing="path", min_part_size=KIB)
CONTENT = bytes(range(256)) * (PART * 4 // 256) + b"the end"
OLD = b"what the key held before"


class Source:
    """Source that yields `CONTENT` in chunks, lets the loop run before each, and records its closing."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.is_closed = False
        self.interruptions = 0
        """Number of cancellations while it was being closed. The driver stops closing after two."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.content:
            raise StopAsyncIteration
        await asyncio.sleep(0)
        chunk, self.content = self.content[:1500], self.content[1500:]
        return chunk

    async def aclose(self) -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.interruptions += 1
            raise
        self.is_closed = True


class AsyncIterable:
    """Async generator of the rest of a `Source`, which marks the source as closed at its end."""

    def __init__(self, source: Source) -> None:
        self.source = source

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.source:
                yield chunk
        finally:
            self.source.is_closed = True


class BlockingIterable:
    """Blocking generator of the rest of a `Source`, which marks the source as closed at its end."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Iterator[bytes]:
        try:
            while self.source.content:
                yield self.source.content[:1500]
                self.source.content = self.source.content[1500:]
        finally:
            self.source.is_closed = True


Upload = Callable[[S3StorageDriver, Source], Awaitable[object]]


async def by_stream(driver: S3StorageDriver, source: Source) -> None:
    await driver.upload_object_via_stream(source, "bucket", "key")


async def by_writer(driver: S3StorageDriver, source: Source) -> None:
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write_from(source)


async def by_seekable_writer(driver: S3StorageDriver, source: Source) -> None:
    """Write the first bytes last."""
    async with driver.open_upload("bucket", "key", seekable_head=PART) as upload:
        await upload.write(bytes(100))
        await upload.seek(0)
        await upload.write_from(source)
        await upload.seek(0)
        await upload.write(CONTENT[:100])


async def by_durable_writer(driver: S3StorageDriver, source: Source) -> None:
    """Keep the tail at every turn of the loop."""
    async with driver.open_upload("bucket", "key", durable_every=1) as upload:
        await upload.write_from(source)


async def by_iterable(driver: S3StorageDriver, source: Source) -> None:
    await driver.upload_object_via_stream(AsyncIterable(source), "bucket", "key")


async def by_blocking_iterable(driver: S3StorageDriver, source: Source) -> None:
    let_threads_take_turns()
    await driver.upload_object_via_stream(BlockingIterable(source), "bucket", "key")


async def by_file(driver: S3StorageDriver, source: Source) -> None:
    """Upload a file instead of the source, with one item of thread work per turn."""
    let_threads_take_turns()
    source.is_closed = True
    with NamedTemporaryFile() as file:
        file.write(CONTENT)
        file.flush()
        await driver.upload_object(file.name, "bucket", "key")


async def by_bytes(driver: S3StorageDriver, source: Source) -> None:
    """Upload the content as `bytes` in one part, without reading the source."""
    await driver.upload_object_via_stream(source.content, "bucket", "key", transfer=TransferConfig(part_size=8 * PART))


class Turns:
    """Counter of the loop's turns that runs each call of a plan at its turn."""

    def __init__(self, *plan: tuple[int, Callable[[], object]]) -> None:
        self.count = 0
        self.fired = 0
        self._plan = list(plan)
        self._is_running = True
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        while self._plan and self._plan[0][0] <= self.count:
            self._plan.pop(0)[1]()
            self.fired += 1
        self.count += 1
        if self._is_running:
            asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        self._is_running = False


class TurnExecutor(Executor):
    """Executor that runs one item per turn, in a thread that the loop waits for. So every run has the same turns."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[Future, Callable[[], object]]] = deque()
        self._is_shut_down = False

    def submit(self, work, /, *args, **kwargs):
        if self._is_shut_down:
            raise RuntimeError
        future: Future = Future()
        self._waiting.append((future, partial(work, *args, **kwargs)))
        asyncio.get_running_loop().call_soon(self._turn)
        return future

    def _turn(self) -> None:
        future, work = self._waiting.popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._pool.submit(work).result())
        except BaseException as error:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._is_shut_down = True
        asyncio.get_running_loop().call_soon(self._pool.shutdown)


@dataclass
class Ending:
    """Outcome of one run. Every entry of `problems` is a leak."""

    turns: int = 0
    was_cancelled: bool = False
    committed: bool = False
    problems: list[str] = field(default_factory=list)


Way = Callable[[Upload, S3StorageDriver, Source, int, int], Awaitable[tuple[int, bool]]]


async def task_cancel(
    upload: Upload, driver: S3StorageDriver, source: Source, step: int, times: int, distance: int = 3
):
    """Cancel the task `times` times, `distance` turns apart."""
    task = asyncio.create_task(upload(driver, source))
    turns = Turns(*((step + distance * index, task.cancel) for index in range(times)))
    await asyncio.wait({task})
    turns.stop()
    if not task.cancelled():
        task.result()
    return turns.count, task.cancelled()


async def timeout(upload: Upload, driver: S3StorageDriver, source: Source, step: int, times: int):
    loop = asyncio.get_running_loop()

    async def limited() -> None:
        await asyncio.sleep(0)  # because an eager task runs before `task` is assigned
        async with asyncio.timeout(None) as scope:
            plan = [(step, lambda: None if task.done() else scope.reschedule(loop.time()))]
            plan += [(step + 4 + 3 * index, task.cancel) for index in range(times - 1)]
            turns.append(Turns(*plan))
            await upload(driver, source)
            turns[0].stop()

    turns: list[Turns] = []
    task = asyncio.create_task(limited())
    await asyncio.wait({task})
    turns[0].stop()
    if task.cancelled():
        assert times > 1, "asyncio.timeout must have made a TimeoutError of its own cancellation"
        return turns[0].count, True
    if isinstance(task.exception(), TimeoutError):
        return turns[0].count, True
    task.result()
    return turns[0].count, False


class SiblingError(Exception):
    pass


async def failing_sibling(upload: Upload, driver: S3StorageDriver, source: Source, step: int, times: int):
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(upload(driver, source))
            trigger = loop.create_future()
            fail = lambda: None if trigger.done() else trigger.set_exception(SiblingError())  # noqa: E731
            turns.append(Turns((step, fail), *((step + 4 + 3 * index, running.cancel) for index in range(times - 1))))

            async def sibling() -> None:
                await trigger

            failing = group.create_task(sibling())
            await asyncio.wait({running})
            failing.cancel()

    loop = asyncio.get_running_loop()
    turns: list[Turns] = []
    cancelled = False
    try:
        await run()
    except* SiblingError:
        cancelled = True
    turns[0].stop()
    return turns[0].count, cancelled


async def anyio_scope(upload: Upload, driver: S3StorageDriver, source: Source, step: int, times: int):
    with anyio.CancelScope() as scope:
        task = asyncio.current_task()
        turns = Turns((step, scope.cancel))
        for _ in range(times - 1):
            with anyio.CancelScope() as inner:
                turns._plan.append((step + 4, inner.cancel))
                await upload(driver, source)
        if times == 1:
            await upload(driver, source)
    turns.stop()
    assert task is not None
    assert task.cancelling() == 0
    return turns.count, scope.cancelled_caught


async def aclose(upload: Upload, driver: S3StorageDriver, source: Source, step: int, times: int):
    closing: list[asyncio.Task[None]] = []
    task = asyncio.create_task(upload(driver, source))
    close = lambda: closing.append(asyncio.create_task(driver.aclose()))  # noqa: E731
    turns = Turns(*((step + 3 * index, close) for index in range(times)))
    await asyncio.wait({task})
    turns.stop()
    for closed in closing:
        await closed
    error = task.exception()
    if error is not None and not isinstance(error, DriverClosedError | CompletionUnknownError):
        raise error
    return turns.count, error is not None


WAYS: dict[str, Way] = {
    "task.cancel()": task_cancel,
    "asyncio.timeout": timeout,
    "failing TaskGroup sibling": failing_sibling,
    "anyio cancel scope": anyio_scope,
    "driver.aclose()": aclose,
}
UPLOADS: dict[str, Upload] = {
    "upload_object_via_stream": by_stream,
    "open_upload": by_writer,
    "upload_object": by_file,
    "async iterable": by_iterable,
    "blocking iterable": by_blocking_iterable,
}


def driver_on(server: S3Server, provider: Provider | str = SMALL_PARTS, **options: Any) -> S3StorageDriver:
    """Make a driver with tiny parts, two of them in flight, that never waits between attempts."""
    defaults: dict[str, Any] = {
        "endpoint_url": server.endpoint_url,
        "region": server.region,
        "credentials": server.credentials,
        "transfer": TransferConfig(part_size=PART, concurrency=2, memory_limit=16 * PART),
        "retry": RetryPolicy(base_delay=0, throttle_base_delay=0),
    }
    driver = S3StorageDriver(provider, **(defaults | options))
    driver._clock = IMPATIENT
    return driver


async def left_behind(server: S3Server, engine: Engine | None, before: set[asyncio.Task[Any]]) -> list[str]:
    """Return all that is open, held or running although every call has ended; `before` are the tasks of the test."""
    assert engine is not None
    requests = len(server.requests)
    problems = [f"open upload {left.upload_id}" for left in server.open_uploads]
    problems += [task.get_name() for task in asyncio.all_tasks() - before if task.get_name().startswith("aios3")]
    if engine.memory.used or engine.memory._filling_held or engine.memory._waiters:
        problems.append(f"{engine.memory.used} bytes not given back")
    if engine.running or engine.known_uploads:
        problems.append("still registered")
    connector = engine.client.transport._session.connector
    if connector is not None and connector._acquired:
        problems.append("connection in use")
    for _ in range(5):
        await asyncio.sleep(0)
    if len(server.requests) != requests:
        problems.append(f"request after the end: {server.requests[-1].operation}")
    return problems + [f"late open upload {left.upload_id}" for left in server.open_uploads]


async def end_at(
    way: Way,
    upload: Upload,
    step: int,
    times: int,
    faults: tuple = (),
    provider: Provider = SMALL_PARTS,
    journal: Path | None = None,
) -> Ending:
    """Run one upload, end it `times` times in one `way` from turn `step` on, and record what is left.

    With a journal, closing the driver may leave the upload open. Then another driver must be able to end it.
    """
    ending = Ending()
    is_kept = journal is not None and way is aclose
    before = asyncio.all_tasks()
    async with S3Server(provider) as server:
        for fault in faults:
            server.faults.add(fault)
        async with driver_on(server, provider, journal=journal) as driver:
            await driver.upload_object_via_stream(OLD, "bucket", "key")
            if driver._journal is not None:
                driver._journal._writer.shutdown(wait=False)
                driver._journal._writer = TurnExecutor()
            source, engine = Source(), driver._engine  # which a driver that is closed no longer knows
            ending.turns, ending.was_cancelled = await way(upload, driver, source, step, times)
            if not source.is_closed and source.interruptions < 2 and source.content != CONTENT:
                ending.problems.append("source not closed")
            body = server.objects["bucket", "key"].body
            ending.committed = body == CONTENT
            if body not in {CONTENT, OLD}:
                ending.problems.append(f"wrong object of {len(body)} bytes")
            if not ending.was_cancelled and not ending.committed:
                ending.problems.append("reported as done, but not committed")
            left = await left_behind(server, engine, before)
            left += [f"object {key}" for _, key in server.objects if key != "key"]
            ending.problems += [problem for problem in left if not (is_kept and "open upload" in problem)]
        if journal is not None:
            ending.problems += await _recover(server, provider, journal, may_be_left=is_kept)
    return ending


async def _recover(server: S3Server, provider: Provider, journal: Path, *, may_be_left: bool) -> list[str]:
    """Recover the uploads in the journal. Return a problem for every other open upload and every journal file."""
    problems = [] if may_be_left else [f"journal {file.read_text()}" for file in journal.iterdir()]
    async with driver_on(server, provider, journal=journal) as driver:
        await driver.recover()
    problems += [f"upload {left.upload_id} is open, and in no journal" for left in server.open_uploads]
    return problems + [f"journal {file.name} stayed" for file in journal.iterdir()]


async def sweep(
    way: Way,
    upload: Upload,
    times: int,
    stride: int = 1,
    provider: Provider = SMALL_PARTS,
    journal: Path | None = None,
) -> tuple[int, int, list[str]]:
    """End the upload at every `stride`-th turn until it ends before that. Return runs, early ends, and problems."""
    runs = cancelled = 0
    problems: list[str] = []
    step = 0
    while True:
        ending = await end_at(way, upload, step, times, provider=provider, journal=journal)
        runs += 1
        cancelled += ending.was_cancelled
        problems += [f"turn {step}: {problem}" for problem in ending.problems]
        if ending.turns < step:
            return runs, cancelled, problems
        step += stride
