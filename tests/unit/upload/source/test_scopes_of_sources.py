"""Sources that hold a scope over their yields: it begins and ends in the caller's task, without any of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aios3 import AccessDeniedError, S3StorageDriver, StorageError
from aios3.testing import Fault, S3Server
from tests.conftest import PART, MakeDriver

CHUNKS = 8


class SourceError(Exception):
    """What the source raises."""


@asynccontextmanager
async def cancel_scope() -> AsyncIterator[None]:
    with anyio.CancelScope():
        yield


@asynccontextmanager
async def move_on_after() -> AsyncIterator[None]:
    with anyio.move_on_after(60):
        yield


@asynccontextmanager
async def anyio_tasks() -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 60)
        yield
        group.cancel_scope.cancel()


@asynccontextmanager
async def asyncio_tasks() -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        child = group.create_task(asyncio.sleep(60))
        yield
        child.cancel()


@asynccontextmanager
async def asyncio_timeout() -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        yield


@asynccontextmanager
async def all_of_them() -> AsyncIterator[None]:
    async with anyio_tasks(), asyncio_timeout(), cancel_scope(), asyncio_tasks(), move_on_after():
        yield


HOLDERS = [cancel_scope, move_on_after, anyio_tasks, asyncio_tasks, asyncio_timeout, all_of_them]
Holder = Callable[[], AbstractAsyncContextManager[None]]


class Source:
    """Gives `CHUNKS` parts inside a scope, and calls `at` before one of them."""

    def __init__(self, holder: Holder, *, at: Callable[[], object] | None = None) -> None:
        self.is_told_to_close = self.is_closed = False
        self._holder = holder
        self._at = at

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async with self._holder():
                for number in range(CHUNKS):
                    if number == CHUNKS - 2 and self._at is not None:
                        outcome = self._at()
                        if isinstance(outcome, Awaitable):
                            await outcome
                    yield bytes([number]) * PART
        finally:
            self.is_told_to_close = True
            await asyncio.sleep(0)
            self.is_closed = True


async def by_stream(driver: S3StorageDriver, source: Any) -> None:
    await driver.upload_object_via_stream(source, "bucket", "key")


async def by_writer(driver: S3StorageDriver, source: Any) -> None:
    async with driver.open_upload("bucket", "key") as upload:
        await upload.write_from(source)


async def by_peeking(driver: S3StorageDriver, source: Any) -> None:
    """The caller has looked at the first chunk, so the scope is older than the call."""
    first = await anext(source)

    class Rest:
        aclose = source.aclose

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield first
            async for chunk in source:
                yield chunk

    await driver.upload_object_via_stream(Rest(), "bucket", "key")


UPLOADS = [by_stream, by_writer, by_peeking]
Upload = Callable[[S3StorageDriver, Any], Awaitable[None]]
every_source = pytest.mark.parametrize("holder", HOLDERS)
every_upload = pytest.mark.parametrize("upload", UPLOADS)


async def assert_undisturbed(server: S3Server, source: Source) -> None:
    """The source is closed, nothing is open, and the current task goes on as if nothing had been."""
    assert source.is_told_to_close
    assert server.open_uploads == []
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await anyio.lowlevel.checkpoint()
    with anyio.CancelScope():  # would complain if the scopes of the task were in disorder
        await asyncio.sleep(0)


@every_source
@every_upload
async def test_a_source_with_a_scope_is_uploaded_whole(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder
) -> None:
    source = Source(holder)
    await upload(make_driver(), source.chunks())
    assert len(server.objects["bucket", "key"].body) == CHUNKS * PART
    await assert_undisturbed(server, source)


@every_source
@every_upload
async def test_an_error_of_a_source_is_raised_as_its_scope_makes_it(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder
) -> None:
    def fail() -> None:
        raise SourceError

    source = Source(holder, at=fail)
    with pytest.raises((SourceError, ExceptionGroup)) as caught:
        await upload(make_driver(), source.chunks())
    if isinstance(caught.value, ExceptionGroup):
        assert caught.value.subgroup(SourceError) is not None
    await assert_undisturbed(server, source)


@every_source
@every_upload
async def test_the_refusal_of_a_part_is_raised_whatever_the_scope(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder
) -> None:
    server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=99))
    source = Source(holder)
    with pytest.raises(AccessDeniedError):
        await upload(make_driver(), source.chunks())
    await assert_undisturbed(server, source)


@every_source
@every_upload
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("distance", [0, 1, 2, 4, 7])
async def test_a_cancellation_or_two_are_raised_whatever_the_scope(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder, times: int, distance: int
) -> None:
    """The second may strike the closing of the source."""
    reached = asyncio.Event()

    async def stop() -> None:
        reached.set()
        await asyncio.Event().wait()

    source = Source(holder, at=stop)
    task = asyncio.create_task(upload(make_driver(), source.chunks()))
    await reached.wait()
    for _ in range(times):
        task.cancel()
        for _ in range(distance):
            await asyncio.sleep(0)
    await asyncio.wait({task})
    assert task.cancelled()
    assert source.is_closed or times == 2 or upload is by_peeking
    await assert_undisturbed(server, source)


@every_source
@every_upload
@pytest.mark.parametrize("scope", [anyio.CancelScope, anyio.move_on_after], ids=["cancelled", "timed out"])
async def test_a_scope_of_the_caller_ends_the_upload(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder, scope: Any
) -> None:
    """anyio would cancel the closing of the source at every turn of the loop."""
    is_asleep = scope is anyio.move_on_after
    source = Source(holder, at=lambda: anyio.sleep(60) if is_asleep else outer.cancel())
    with scope(*([0.1] if is_asleep else [])) as outer:
        await upload(make_driver(), source.chunks())
        await anyio.sleep(60)
    assert outer.cancelled_caught
    # Else the scope strikes the source itself, or since Python 3.13 a task group in it does.
    assert source.is_closed or is_asleep or upload is by_peeking
    await assert_undisturbed(server, source)


@every_source
@every_upload
async def test_a_timeout_of_the_caller_is_a_timeout_error(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder
) -> None:
    source = Source(holder, at=lambda: asyncio.sleep(60))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await upload(make_driver(), source.chunks())
    await assert_undisturbed(server, source)


@every_source
async def test_closing_the_driver_ends_the_upload(server: S3Server, make_driver: MakeDriver, holder: Holder) -> None:
    driver = make_driver()
    closing: list[asyncio.Task[None]] = []

    async def close() -> None:
        closing.append(asyncio.create_task(driver.aclose()))
        await asyncio.sleep(60)

    source = Source(holder, at=close)
    with pytest.raises(StorageError, match="closed"):
        await driver.upload_object_via_stream(source.chunks(), "bucket", "key")
    await closing[0]
    await assert_undisturbed(server, source)


@asynccontextmanager
async def short_timeout() -> AsyncIterator[None]:
    async with asyncio.timeout(0.05):
        yield


@asynccontextmanager
async def short_anyio_timeout() -> AsyncIterator[None]:
    with anyio.fail_after(0.05):
        yield


@asynccontextmanager
async def short_pause() -> AsyncIterator[None]:
    with anyio.move_on_after(0.05):
        yield


async def fail_soon() -> None:
    await asyncio.sleep(0.05)
    raise SourceError


@asynccontextmanager
async def failing_task() -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(fail_soon())
        yield


@asynccontextmanager
async def failing_anyio_task() -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(fail_soon)
        yield


@pytest.mark.parametrize("upload", [by_stream, by_writer])
@pytest.mark.parametrize(
    ("holder", "error"),
    [
        (short_timeout, TimeoutError),
        (short_anyio_timeout, TimeoutError),
        (short_pause, StorageError),
        (failing_task, ExceptionGroup),
        (failing_anyio_task, ExceptionGroup),
    ],
)
async def test_a_scope_that_ends_while_the_store_is_waited_for_fails_the_upload(
    server: S3Server, make_driver: MakeDriver, upload: Upload, holder: Holder, error: type[Exception]
) -> None:
    """It strikes the caller's task, but is no cancellation of the caller."""
    server.hold("UploadPart")
    source = Source(holder)
    with pytest.raises(error) as caught:
        await upload(make_driver(), source.chunks())
    if isinstance(caught.value, ExceptionGroup):
        assert caught.value.subgroup(SourceError) is not None
    server.release("UploadPart")
    await assert_undisturbed(server, source)


class Closing:
    """A source whose closing does something."""

    def __init__(self, close: Callable[[], Awaitable[object]], error: Exception | None = None) -> None:
        self.aclose = close
        self._error = error

    def __aiter__(self) -> Closing:
        return self

    async def __anext__(self) -> bytes:
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration


async def cancelled_child() -> None:
    child = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    child.cancel()
    await child


async def timed_out() -> None:
    async with asyncio.timeout(0):
        await asyncio.sleep(60)


async def scope_that_passes() -> None:
    with anyio.move_on_after(0.01):
        await anyio.sleep(60)
    await asyncio.sleep(0)


async def test_a_source_may_use_a_scope_while_it_is_closed(make_driver: MakeDriver) -> None:
    receipt = await make_driver().upload_object_via_stream(Closing(scope_that_passes), "bucket", "key")
    assert receipt.size == 0


@pytest.mark.parametrize("close", [cancelled_child, timed_out])
async def test_an_error_of_the_closing_is_a_note_of_the_first_error(
    make_driver: MakeDriver, close: Callable[[], Awaitable[object]]
) -> None:
    error = SourceError("the first")
    with pytest.raises(SourceError) as caught:
        await make_driver().upload_object_via_stream(Closing(close, error), "bucket", "key")
    assert caught.value is error
    assert "closing the source failed as well" in "".join(error.__notes__)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
