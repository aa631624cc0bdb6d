"""Files that are opened and read in a thread: never left open, and read once, in order."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import pytest

from aios3._upload.source.files import FileReader, OpenedFile
from aios3._upload.source.readers import END
from tests.support.fakes import turns

CONTENT = bytes(range(200))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
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


async def test_a_file_is_open_in_the_block_only(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with OpenedFile(path) as opened:
            file = opened.file
            assert (file.read(), file.closed) == (CONTENT, False)
            raise ZeroDivisionError
    assert file.closed


async def test_a_pipe_without_a_writer_does_not_delay_a_cancellation(pipe: Path) -> None:
    """If it opens later, it is closed at once."""

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
async def test_a_cancellation_at_any_turn_leaves_no_file_open(path: Path, name: str) -> None:
    async def use() -> None:
        async with OpenedFile(path.with_name(name)):
            await asyncio.sleep(0)

    for turn in range(12):
        task = asyncio.create_task(use())
        await turns(turn)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.to_thread(int)


async def test_a_file_whose_read_hangs_is_closed_after_the_read(pipe: Path) -> None:
    writer = os.open(pipe, os.O_RDWR)
    async with OpenedFile(pipe) as opened:
        reading = opened.thread.begin(opened.file.read, 10)
        await turns(3)
    assert not opened.file.closed
    os.write(writer, b"late")
    assert (await reading).unwrap() == b"late"
    os.close(writer)
    await until(lambda: opened.file.closed)


async def test_a_file_is_closed_in_a_cancelled_anyio_scope(path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with OpenedFile(path) as opened:
            scope.cancel()
            await anyio.sleep(1)
    assert opened.file.closed


# reading


class Trickling(FileIO):
    """Gives little at a time, as network file systems may, and fails at byte 100."""

    def readinto(self, buffer: Any) -> int:
        if self.tell() >= 100:
            raise OSError(errno.EIO, "the disk broke")
        return super().readinto(buffer[:7])  # type: ignore[return-value]


async def test_reads_into_memory_and_pulls_share_one_position(path: Path) -> None:
    first, second = bytearray(30), bytearray(50)
    async with OpenedFile(path) as opened:
        async with FileReader(opened) as reader:
            assert await reader.pull(20) == CONTENT[:20]
            reading = reader.begin_reading([memoryview(first), memoryview(second)])
            assert (await reading).unwrap() == 80
            assert first + second == CONTENT[20:100]
            assert await reader.pull(1000) == CONTENT[100:]
            assert await reader.pull(1000) is END
        assert not opened.file.closed


@pytest.mark.parametrize(
    ("sizes", "count"), [((150, 100), 200), ((100, 100), 200), ((200, 5), 200), ((), 0), ((0,), 0)]
)
async def test_a_read_of_less_than_the_memory_holds_is_the_end(path: Path, sizes: tuple[int, ...], count: int) -> None:
    memory = [bytearray(b"x" * size) for size in sizes]
    async with OpenedFile(path) as opened:
        assert (await FileReader(opened).begin_reading(map(memoryview, memory))).unwrap() == count
    assert b"".join(memory) == (CONTENT[:count]).ljust(sum(sizes), b"x")


async def test_a_short_read_is_continued_and_an_error_is_the_systems(path: Path) -> None:
    memory = bytearray(90)
    async with OpenedFile(path) as opened:
        opened.file.close()
        opened.file = Trickling(path)
        reader = FileReader(opened)
        assert (await reader.begin_reading([memoryview(memory)[:40], memoryview(memory)[40:]])).unwrap() == 90
        assert memory == CONTENT[:90]
        with pytest.raises(OSError, match="the disk broke"):
            (await reader.begin_reading([memoryview(memory)])).unwrap()
