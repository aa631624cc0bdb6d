"""Threads: the library's work and the caller's blocking code never wait for each other."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aios3._concurrency import threads
from aios3._concurrency.threads import CallerThread, hash_body, in_library_thread, library_threads, refuse_if_still_used
from aios3._protocol.checksums.digests import sha256_hex
from aios3._protocol.wire.messages import Body
from aios3.errors import ConfigurationError
from aios3.options import KIB
from tests.support.fakes import turns

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


class Held:
    """A call that ends when it may."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.has_begun.set()
        self.may_end.wait()
        return "late"


async def test_the_librarys_work_needs_none_of_the_loops_threads() -> None:
    asyncio.get_running_loop().set_default_executor(full := ThreadPoolExecutor(1))
    held = Held()
    full.submit(held)
    try:
        VARIABLE.set("the caller's")
        assert await in_library_thread(VARIABLE.get) == "the caller's"
        assert await in_library_thread(lambda: threading.current_thread().name.startswith("aios3_"))
    finally:
        held.may_end.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_forked_process_has_threads_of_its_own() -> None:
    """Those of its parent do not exist in it, so work that was given to them would never be done."""
    await in_library_thread(int)
    pid = os.fork()
    if pid == 0:
        os._exit(library_threads().submit(lambda: 7).result(timeout=5))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


async def test_the_pool_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_pool", before := library_threads())
    threads._replace_pool()
    assert library_threads() is not before
    assert await in_library_thread(int) == 0


async def test_calls_run_in_one_daemon_thread_that_ends_with_them() -> None:
    """None is begun before the first; they see the caller's context variables as they are at each call."""
    before = threading.active_count()
    thread = CallerThread()
    assert threading.active_count() == before
    first = await thread.call(threading.current_thread)
    VARIABLE.set("second")
    assert await thread.call(VARIABLE.get) == "second"
    assert await thread.call(threading.current_thread) is first
    assert first.daemon
    thread.close()
    await until(lambda: not first.is_alive())


async def test_a_thread_ends_also_if_it_is_not_closed() -> None:
    thread = CallerThread()
    running = await thread.call(threading.current_thread)
    del thread
    gc.collect()
    await until(lambda: not running.is_alive())


async def test_a_thread_that_waits_holds_nothing_of_the_last_call() -> None:
    """A chunk would stay in memory for as long as its source stalls."""

    class Chunk:
        pass

    thread = CallerThread()
    chunk: Any = await thread.call(Chunk)
    gone = weakref.ref(chunk)
    del chunk
    await until(lambda: gone() is None)
    thread.close()


async def test_a_cancellation_does_not_wait_for_the_thread() -> None:
    """Nor does closing; calls that had not begun never begin."""
    thread, held, never = CallerThread(), Held(), Held()
    running = asyncio.create_task(thread.call(held))
    await until(held.has_begun.is_set)
    waiting = asyncio.create_task(thread.call(never))
    await turns(3)
    for task in (running, waiting):
        task.cancel()
    await asyncio.wait({running, waiting})
    assert thread.is_running
    thread.close()
    held.may_end.set()
    await until(lambda: not thread.is_running)
    assert not never.has_begun.is_set()


async def test_an_object_with_a_call_that_runs_on_is_refused() -> None:
    target, other, held = object(), object(), Held()
    thread = CallerThread(target)
    await thread.call(int)
    thread.close()
    refuse_if_still_used(target)
    thread = CallerThread(target)
    running = asyncio.create_task(thread.call(held))
    await until(held.has_begun.is_set)
    refuse_if_still_used(target)
    running.cancel()
    await asyncio.wait({running})
    thread.close()
    refuse_if_still_used(other)
    with pytest.raises(ConfigurationError, match="a read of this object, begun for an earlier upload, is still"):
        refuse_if_still_used(target)
    held.may_end.set()
    await until(lambda: not thread.is_running)
    refuse_if_still_used(target)


@pytest.mark.parametrize(
    ("sizes", "in_thread"),
    [((), False), ((128 * KIB,), False), ((64 * KIB, 64 * KIB), False), ((128 * KIB, 1), True), ((1024 * KIB,), True)],
)
async def test_large_bodies_are_hashed_in_a_thread(sizes: tuple[int, ...], in_thread: bool) -> None:
    """By the size of all slices together; small ones would pay more for the thread than for the hash."""
    threads: list[int] = []

    def function(body: Body) -> str:
        threads.append(threading.get_ident())
        return sha256_hex(body)

    body = [bytes(size) for size in sizes]
    assert await hash_body(function, body) == sha256_hex(body)
    assert (threads[0] != threading.get_ident()) == in_thread
