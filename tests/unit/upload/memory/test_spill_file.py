"""A file of one part: it gives back what was written, and has no name."""

from __future__ import annotations

from io import FileIO
from pathlib import Path

import pytest

from aios3._upload.memory.spill import SpillFile, check_directory
from tests.support.upload_scene import spilled_files


def read_back(file: SpillFile, *sizes: int) -> list[bytes]:
    pieces = [bytearray(size) for size in sizes]
    file.read([memoryview(piece) for piece in pieces])
    return [bytes(piece) for piece in pieces]


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """In other pieces, as often as wanted; a write that is repeated changes nothing."""
    file = SpillFile(str(tmp_path))
    file.write((b"abc", bytearray(b"de"), memoryview(b"f")), 0)
    file.write((b"ghi",), 6)
    file.write((b"ghi",), 6)
    assert read_back(file, 2, 7) == [b"ab", b"cdefghi"]
    assert read_back(file, 9) == [b"abcdefghi"]
    file.close()


def test_it_has_no_name_and_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    """And is there from the first write on only."""
    file = SpillFile(str(tmp_path))
    assert spilled_files(str(tmp_path)) == 0
    file.write((b"abc",), 0)
    assert (spilled_files(str(tmp_path)), list(tmp_path.iterdir())) == (1, [])
    file.close()
    file.close()
    assert spilled_files(str(tmp_path)) == 0


def test_short_writes_and_reads_go_on(tmp_path: Path) -> None:
    """The system may take, or give, less than was asked."""

    class Reluctant(FileIO):
        def write(self, data: memoryview) -> int:  # type: ignore[override]
            return super().write(data[:2])

        def readinto(self, data: memoryview) -> int:  # type: ignore[override]
            return super().readinto(data[:3])

    file = SpillFile(str(tmp_path))
    with Reluctant(tmp_path / "file", "w+") as reluctant:
        file._file = reluctant
        file.write((b"abcde", b"fg"), 0)
        assert read_back(file, 7) == [b"abcdefg"]


def test_bytes_that_are_missing_are_an_error(tmp_path: Path) -> None:
    """Never a part with zeros at its end."""
    file = SpillFile(str(tmp_path))
    file.write((b"abc",), 0)
    with pytest.raises(OSError, match="has lost bytes"):
        read_back(file, 4)
    file.close()


def test_a_failing_write_says_where(tmp_path: Path) -> None:
    """The system's own error, with a note."""
    with pytest.raises(FileNotFoundError) as caught:
        SpillFile(str(tmp_path / "missing")).write((b"abc",), 0)
    assert caught.value.__notes__ == [f"aios3: part bytes could not be spilled to {str(tmp_path / 'missing')!r}"]


def test_a_directory_is_checked_by_making_a_file(tmp_path: Path) -> None:
    """Which is gone at once."""
    check_directory(str(tmp_path))
    assert (spilled_files(str(tmp_path)), list(tmp_path.iterdir())) == (0, [])
    with pytest.raises(FileNotFoundError):
        check_directory(str(tmp_path / "missing"))
