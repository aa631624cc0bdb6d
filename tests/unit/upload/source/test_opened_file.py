"""A file that is opened in a thread does not stay open, also if nobody waits for it any more."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from aios3._upload.source.files import OpenedFile
from tests.support.fakes import turns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def has_no_reader(writer: int) -> bool:
    try:
        os.write(writer, b"x")
    except BrokenPipeError:
        return True
    return False


async def test_it_is_open_in_the_block_only(path: Path) -> None:
    """Also if that is left by an exception."""
    with pytest.raises(ZeroDivisionError):
        async with OpenedFile(path) as opened:
            file = opened.file
            assert (file.read(), file.closed) == (b"content", False)
            raise ZeroDivisionError
    assert file.closed


async def test_what_cannot_be_opened_says_so(path: Path) -> None:
    """With the error of open."""
    with pytest.raises(FileNotFoundError):
        async with OpenedFile(path.with_name("nothing")):
            pass


async def test_a_pipe_without_a_writer_does_not_hold_a_cancellation_up(pipe: Path) -> None:
    """What is opened afterwards is closed at once, and not left to the garbage collector."""

    async def use() -> None:
        async with OpenedFile(pipe):
            raise AssertionError

    task = asyncio.create_task(use())
    await turns()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    try:
        await until(lambda: has_no_reader(writer))
    finally:
        os.close(writer)


@pytest.mark.parametrize("name", ["file", "nothing"])
async def test_a_cancellation_at_any_turn_leaves_nothing_open(path: Path, name: str) -> None:
    """Neither while it is opened, nor in the block, nor while it is closed; an error that comes too late is dropped."""

    async def use() -> None:
        async with OpenedFile(path.with_name(name)):
            await asyncio.sleep(0)

    for turn in range(12):
        task = asyncio.create_task(use())
        await turns(turn)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.to_thread(int)


async def test_the_loops_threads_are_not_needed(path: Path) -> None:
    """The caller may have filled them."""
    may_go_on = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    loop.run_in_executor(None, may_go_on.wait)
    try:
        async with OpenedFile(path) as opened:
            assert await opened.thread.call(opened.file.read) == b"content"
        assert opened.file.closed
    finally:
        may_go_on.set()


async def test_a_read_that_hangs_is_not_waited_for(pipe: Path) -> None:
    """The file is closed when it ends."""
    writer = os.open(pipe, os.O_RDWR)
    async with OpenedFile(pipe) as opened:
        reading = opened.thread.begin(opened.file.read, 10)
        await turns(3)
    assert not opened.file.closed
    os.write(writer, b"late")
    assert (await reading).unwrap() == b"late"
    os.close(writer)
    await until(lambda: opened.file.closed)


async def test_it_is_closed_in_a_cancelled_anyio_scope(path: Path) -> None:
    """Before the scope is left."""
    with anyio.CancelScope() as scope:
        async with OpenedFile(path) as opened:
            scope.cancel()
            await anyio.sleep(1)
    assert opened.file.closed
