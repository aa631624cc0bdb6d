"""The file for blocking code: each call is one call of the writer on the loop."""

from __future__ import annotations

import array
import asyncio
import io

import pytest

from aios3._concurrency.blocking_file import BlockingFile
from aios3.errors import ConfigurationError


class Memory:
    """Writer into memory."""

    is_seekable = True

    def __init__(self) -> None:
        self.file = io.BytesIO()

    def tell(self) -> int:
        return self.file.tell()

    async def write(self, data: memoryview) -> None:
        await asyncio.sleep(0)
        if data == b"full":
            raise OSError("full")
        self.file.write(data)

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)


async def test_bytes_of_every_kind_arrive_in_order() -> None:
    writer = Memory()
    file = BlockingFile(writer, "name")

    def write() -> list[int]:
        lengths = [file.write(data) for data in (b"abc", bytearray(b"d"), array.array("H", [0x6665]), b"")]
        file.writelines([b"g", b"h"])
        return [*lengths, file.seek(1), file.seek(0, io.SEEK_END), file.tell()]

    assert await asyncio.to_thread(write) == [3, 1, 2, 0, 1, 8, 8]
    assert writer.file.getvalue() == b"abcdefgh"
    assert file.name == "name"


async def test_a_buffer_around_the_file_is_flushed_into_it() -> None:
    writer = Memory()
    raw = BlockingFile(writer, "name")

    def write() -> None:
        with io.BufferedWriter(raw) as file:
            for _ in range(100):
                file.write(b"x" * 100)

    await asyncio.to_thread(write)
    assert writer.file.getvalue() == b"x" * 10_000


async def test_errors_of_the_writer_reach_the_thread() -> None:
    file = BlockingFile(Memory(), "name")
    with pytest.raises(OSError, match="full"):
        await asyncio.to_thread(file.write, b"full")


async def test_a_call_in_the_thread_of_the_loop_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="in a thread"):
        BlockingFile(Memory(), "name").write(b"x")
