"""Work in threads: whoever waits for it returns when the thread has ended, not before."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from aios3._concurrency import threads
from aios3._concurrency.caller_errors import Outcome
from aios3._concurrency.threads import ThreadWork
from tests.support.fakes import turns


class Held:
    """Work that ends when it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.has_ended = False

    def __call__(self) -> str:
        self.may_end.wait()
        self.has_ended = True
        return "done"


async def test_work_gives_its_result_or_its_error() -> None:
    work = ThreadWork()
    assert await work.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await work.run(lambda: 1 // 0)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancellation_waits_for_the_thread(times: int) -> None:
    work, held = ThreadWork(), Held()
    running = asyncio.create_task(work.run(held))
    for _ in range(times):
        await turns(3)
        running.cancel()
    await turns(3)
    assert not running.done()
    held.may_end.set()
    await asyncio.wait({running})
    assert running.cancelled()
    assert held.has_ended


async def test_a_cancelled_scope_of_anyio_waits_too() -> None:
    work, held = ThreadWork(), Held()
    with anyio.CancelScope() as scope:
        scope.cancel()
        asyncio.get_running_loop().call_later(0, held.may_end.set)
        assert await work.run(held) == "done"
        await asyncio.sleep(0)
    assert scope.cancelled_caught


async def test_settling_waits_for_what_begins_when_other_work_ends() -> None:
    """Until nothing runs; a cancellation is raised then."""
    work, first, second = ThreadWork(), Held(), Held()
    begun = work.begin(first, lambda: began.append(work.begin(second)))
    began: list[asyncio.Future[Outcome[str]]] = []
    settling = asyncio.create_task(work.settle())
    await turns(3)
    settling.cancel()
    first.may_end.set()
    await begun
    await turns(5)
    assert not settling.done()
    second.may_end.set()
    await asyncio.wait({settling})
    assert settling.cancelled()
    assert [future.result().unwrap() for future in began] == ["done"]
    await work.settle()


async def test_an_error_that_nobody_looks_at_is_no_noise() -> None:
    work, ended = ThreadWork(), asyncio.Event()
    failing = work.begin(lambda: 1 // 0, ended.set)
    await ended.wait()
    assert failing.done()
    del failing
    await work.settle()


async def test_work_that_cannot_begin_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ThreadPoolExecutor()
    gone.shutdown()
    monkeypatch.setattr(threads, "_pool", gone)
    ended: list[bool] = []
    with pytest.raises(RuntimeError):
        ThreadWork().begin(lambda: None, lambda: ended.append(True))
    assert ended == [True]
