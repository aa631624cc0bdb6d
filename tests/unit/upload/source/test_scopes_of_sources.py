"""Sources that hold a scope over their yields: it begins and ends in the caller's task, without any of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aios3 import AccessDeniedError, StorageError
from aios3.testing import Fault
from tests.conftest import PART
from tests.support.sweep import by_stream, by_writer

CHUNKS = 8


class SourceError(Exception):
    """What the source raises."""


Holder = Callable[[], AbstractAsyncContextManager[object]]


def scope(make):
    @asynccontextmanager
    async def holder():
        with make():
            yield

    return holder


@asynccontextmanager
async def anyio_tasks():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 60)
        yield
        group.cancel_scope.cancel()


@asynccontextmanager
async def asyncio_tasks():
    async with asyncio.TaskGroup() as group:
        child = group.create_task(asyncio.sleep(60))
        yield
        child.cancel()


@asynccontextmanager
async def all_of_them():
    async with anyio_tasks(), asyncio.timeout(60), scope(anyio.CancelScope)(), asyncio_tasks():
        yield


HOLDERS: dict[str, Holder] = {
    "cancel scope": scope(anyio.CancelScope),
    "move_on_after": scope(lambda: anyio.move_on_after(60)),
    "anyio tasks": anyio_tasks,
    "asyncio tasks": asyncio_tasks,
    "asyncio timeout": lambda: asyncio.timeout(60),
    "all": all_of_them,
}


class Source:
    """Gives `CHUNKS` parts inside a scope, and calls `at` before one of them."""

    def __init__(self, holder, *, at=None):
        self.is_told_to_close = self.is_closed = False
        self._holder = holder
        self._at = at

    async def chunks(self):
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


async def by_peeking(driver, source):
    """The caller has looked at the first chunk, so the scope is older than the call."""
    first = await anext(source)

    class Rest:
        aclose = source.aclose

        async def __aiter__(self):
            yield first
            async for chunk in source:
                yield chunk

    await driver.upload_object_via_stream(Rest(), "bucket", "key")


every_source = pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
every_upload = pytest.mark.parametrize("upload", [by_stream, by_writer, by_peeking])


async def assert_undisturbed(server, source):
    """The source is closed, nothing is open, and the current task goes on as if nothing had been."""
    assert source.is_told_to_close
    assert server.open_uploads == []
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await anyio.lowlevel.checkpoint()
    with anyio.CancelScope():  # would complain if the scopes of the task were in disorder
        await asyncio.sleep(0)


ENDINGS: dict[str, Any] = {
    "clean": (),
    "error": (SourceError, ExceptionGroup),
    "refusal": AccessDeniedError,
    "timeout": TimeoutError,
    "closed": StorageError,
}


@every_source
@every_upload
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_upload_of_a_source_with_a_scope_ends_like_any_other(server, make_driver, upload, holder, ending):
    """An error of the source is raised as its scope makes it: task groups raise groups."""
    driver, closing = make_driver(), list[asyncio.Task[None]]()
    if ending == "refusal":
        server.faults.add(Fault("answer", "UploadPart", status=403, code="AccessDenied", times=99))

    async def act():
        if ending == "error":
            raise SourceError
        if ending == "closed":
            closing.append(asyncio.create_task(driver.aclose()))
        if ending in ("closed", "timeout"):
            await asyncio.sleep(60)

    source = Source(holder, at=act)
    with pytest.raises(ENDINGS[ending]) if ending != "clean" else nullcontext() as caught:
        async with asyncio.timeout(0.1 if ending == "timeout" else None):
            await upload(driver, source.chunks())
    await asyncio.gather(*closing)
    if ending == "clean":
        assert len(server.objects["bucket", "key"].body) == CHUNKS * PART
    elif isinstance(caught.value, ExceptionGroup):
        assert caught.value.subgroup(SourceError) is not None
    await assert_undisturbed(server, source)


@every_source
@every_upload
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("distance", [0, 1, 2, 4, 7])
async def test_a_cancellation_or_two_are_raised_whatever_the_scope(
    server, make_driver, upload, holder, times, distance
):
    """The second may strike the closing of the source."""
    reached = asyncio.Event()

    async def stop():
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
@pytest.mark.parametrize("caller", [anyio.CancelScope, anyio.move_on_after], ids=["cancelled", "timed out"])
async def test_a_scope_of_the_caller_ends_the_upload(server, make_driver, upload, holder, caller):
    """anyio would cancel the closing of the source at every turn of the loop."""
    is_asleep = caller is anyio.move_on_after
    source = Source(holder, at=lambda: anyio.sleep(60) if is_asleep else outer.cancel())
    with caller(*([0.1] if is_asleep else [])) as outer:
        await upload(make_driver(), source.chunks())
        await anyio.sleep(60)
    assert outer.cancelled_caught
    # Else the scope strikes the source itself, or since Python 3.13 a task group in it does.
    assert source.is_closed or is_asleep or upload is by_peeking
    await assert_undisturbed(server, source)


async def fail_soon():
    await asyncio.sleep(0.05)
    raise SourceError


@asynccontextmanager
async def failing_task():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail_soon())
        yield


@asynccontextmanager
async def failing_anyio_task():
    async with anyio.create_task_group() as group:
        group.start_soon(fail_soon)
        yield


@pytest.mark.parametrize("upload", [by_stream, by_writer])
@pytest.mark.parametrize(
    ("holder", "error"),
    [
        (lambda: asyncio.timeout(0.05), TimeoutError),
        (scope(lambda: anyio.fail_after(0.05)), TimeoutError),
        (scope(lambda: anyio.move_on_after(0.05)), StorageError),
        (failing_task, ExceptionGroup),
        (failing_anyio_task, ExceptionGroup),
    ],
)
async def test_a_scope_that_ends_while_the_store_is_waited_for_fails_the_upload(
    server, make_driver, upload, holder, error
):
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

    def __init__(self, close, error=None):
        self.aclose = close
        self._error = error

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration


async def cancelled_child():
    child = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    child.cancel()
    await child


async def timed_out():
    async with asyncio.timeout(0):
        await asyncio.sleep(60)


async def scope_that_passes():
    with anyio.move_on_after(0.01):
        await anyio.sleep(60)
    await asyncio.sleep(0)


async def test_a_source_may_use_a_scope_while_it_is_closed(make_driver):
    receipt = await make_driver().upload_object_via_stream(Closing(scope_that_passes), "bucket", "key")
    assert receipt.size == 0


@pytest.mark.parametrize("close", [cancelled_child, timed_out])
async def test_an_error_of_the_closing_is_a_note_of_the_first_error(make_driver, close):
    error = SourceError("the first")
    with pytest.raises(SourceError) as caught:
        await make_driver().upload_object_via_stream(Closing(close, error), "bucket", "key")
    assert caught.value is error
    assert "closing the source failed as well" in "".join(error.__notes__)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
