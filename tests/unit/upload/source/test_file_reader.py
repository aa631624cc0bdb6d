"""A file that is read by two ways gives its bytes once, in order."""

from __future__ import annotations

import errno
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from aios3._upload.source.files import FileReader, OpenedFile
from aios3._upload.source.readers import END

CONTENT = bytes(range(200))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


class Trickling(FileIO):
    """Gives little at a time, as file systems of a network may, and fails at byte 100."""

    def readinto(self, buffer: Any) -> int:
        if self.tell() >= 100:
            raise OSError(errno.EIO, "the disk broke")
        return super().readinto(buffer[:7])  # type: ignore[return-value]


async def test_both_ways_move_on(path: Path) -> None:
    """What was read into memory is not read again, nor the other way round; closing leaves the file open."""
    first, second = bytearray(30), bytearray(50)
    async with OpenedFile(path) as opened:
        async with FileReader(opened) as reader:
            assert await reader.pull(20) == CONTENT[:20]
            assert await reader.read_into([memoryview(first), memoryview(second)]) == 80
            assert first + second == CONTENT[20:100]
            assert await reader.pull(1000) == CONTENT[100:]
            assert await reader.pull(1000) is END
        assert not opened.file.closed


@pytest.mark.parametrize(
    ("sizes", "count"), [((150, 100), 200), ((100, 100), 200), ((200, 5), 200), ((), 0), ((0,), 0)]
)
async def test_less_than_the_memory_holds_is_the_end(path: Path, sizes: tuple[int, ...], count: int) -> None:
    """The rest stays as it was."""
    memory = [bytearray(b"x" * size) for size in sizes]
    async with OpenedFile(path) as opened:
        assert await FileReader(opened).read_into(map(memoryview, memory)) == count
    assert b"".join(memory) == (CONTENT[:count]).ljust(sum(sizes), b"x")


async def test_a_short_read_is_not_the_end(path: Path) -> None:
    """It is read on; an error is the file's own."""
    memory = bytearray(90)
    async with OpenedFile(path) as opened:
        opened.file.close()
        opened.file = Trickling(path)
        reader = FileReader(opened)
        assert await reader.read_into([memoryview(memory)[:40], memoryview(memory)[40:]]) == 90
        assert memory == CONTENT[:90]
        with pytest.raises(OSError, match="the disk broke"):
            await reader.read_into([memoryview(memory)])
