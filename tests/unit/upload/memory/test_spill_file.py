"""The file of one spilled part: it gives back the written bytes, and has no name."""

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
    """In other pieces, and more than once. A repeated write changes nothing."""
    file = SpillFile(str(tmp_path))
    file.write((b"abc", bytearray(b"de"), memoryview(b"f")), 0)
    file.write((b"ghi",), 6)
    file.write((b"ghi",), 6)
    assert read_back(file, 2, 7) == [b"ab", b"cdefghi"]
    assert read_back(file, 9) == [b"abcdefghi"]
    file.close()


def test_it_has_no_name_and_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    file = SpillFile(str(tmp_path))
    assert spilled_files(str(tmp_path)) == 0
    file.write((b"abc",), 0)
    assert (spilled_files(str(tmp_path)), list(tmp_path.iterdir())) == (1, [])
    file.close()
    file.close()
    assert spilled_files(str(tmp_path)) == 0


def test_short_writes_and_reads_are_continued(tmp_path: Path) -> None:
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


def test_missing_bytes_are_an_error(tmp_path: Path) -> None:
    file = SpillFile(str(tmp_path))
    file.write((b"abc",), 0)
    with pytest.raises(OSError, match="has lost bytes"):
        read_back(file, 4)
    file.close()


def test_an_error_of_a_write_names_the_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        SpillFile(str(tmp_path / "missing")).write((b"abc",), 0)
    assert caught.value.__notes__ == [f"aios3: part bytes could not be spilled to {str(tmp_path / 'missing')!r}"]


def test_a_directory_is_checked_with_a_file_that_is_gone_at_once(tmp_path: Path) -> None:
    check_directory(str(tmp_path))
    assert (spilled_files(str(tmp_path)), list(tmp_path.iterdir())) == (0, [])
    with pytest.raises(FileNotFoundError):
        check_directory(str(tmp_path / "missing"))
