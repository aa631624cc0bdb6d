"""Errors of the system that tell a path the caller knows."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aios3._concurrency.named_files import NamedFile, naming
from aios3._journal.journal_file import JournalFile, find_dead_journals, read_other_journals
from aios3._upload.memory.spill import SpillFile, check_directory
from tests.support.journal_scene import HERE, entry

resource = pytest.importorskip("resource")

UNREADABLE = "/proc/self/mem"
"""Can be opened; reading its first bytes is an input/output error."""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to make any file larger, as a full disk does; it names no file then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/.aios3-1.part"),
        FileExistsError(errno.EEXIST, "File exists", "/a/.aios3-1.part", None, "/a/file"),
        PermissionError(errno.EACCES, "Permission denied", 5),
    ],
)
def test_only_the_name_is_changed(error: OSError) -> None:
    number, text = error.errno, error.strerror
    with pytest.raises(type(error)) as caught, naming(Path("/a/file")):
        raise error
    assert caught.value is error
    assert (error.errno, error.strerror, error.filename, error.filename2) == (number, text, "/a/file", None)
    assert str(error) == f"[Errno {number}] {text}: '/a/file'"


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), naming("/a/file"):
        raise KeyError


def test_a_file_reads_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    with NamedFile(path) as file:
        memory = bytearray(2)
        assert (file.read(2), file.readinto(memory), memory, file.read(None)) == (b"ab", 2, b"cd", b"ef")


def write_to_a_full_disk(directory: Path) -> None:
    journal = JournalFile.create(directory, HERE)
    try:
        with largest_file(len(journal.path.read_bytes()) + 10):
            journal.begin(1, entry())
    finally:
        journal.close()


def make_on_a_full_disk(directory: Path) -> None:
    with largest_file(5):
        JournalFile.create(directory, HERE)


def below_a_file(directory: Path) -> Path:
    (directory / "file").touch()
    return directory / "file" / "below"


def spill_to_a_full_disk(directory: Path) -> None:
    with largest_file(1000):
        file = SpillFile(str(directory))
        try:
            file.write((bytes(5000),), 0)
        finally:
            file.close()


def read_with(read: Callable[[NamedFile], object]) -> None:
    with NamedFile(UNREADABLE) as file:
        read(file)


def unreadable(directory: Path) -> Path:
    """Return a journal's file whose bytes cannot be read."""
    path = directory / "1.journal"
    path.symlink_to(UNREADABLE)
    return path


SCENES: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "a journal that grows": (write_to_a_full_disk, "*.journal", errno.EFBIG),
    "a new journal": (make_on_a_full_disk, ".", errno.EFBIG),
    "a journal's directory": (lambda path: JournalFile.create(below_a_file(path), HERE), "file/below", errno.ENOTDIR),
    "the journals of others": (
        lambda path: (unreadable(path), list(find_dead_journals(path, HERE))), "1.journal", errno.EIO
    ),
    "their entries": (lambda path: (unreadable(path), read_other_journals(path, HERE, [])), "1.journal", errno.EIO),
    "a spilled part": (spill_to_a_full_disk, ".", errno.EFBIG),
    "a spilled part's directory": (
        lambda path: SpillFile(str(path / "missing")).read([memoryview(bytearray(1))]), "missing", errno.ENOENT
    ),
    "the spill directory": (lambda path: check_directory(str(path / "missing")), "missing", errno.ENOENT),
    "a source that is read": (lambda path: read_with(lambda file: file.read(5)), UNREADABLE, errno.EIO),
    "one that fills memory": (lambda path: read_with(lambda file: file.readinto(bytearray(5))), UNREADABLE, errno.EIO),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_every_file_of_ours_is_named_by_a_path_that_the_caller_knows(name: str, tmp_path: Path) -> None:
    """Of a temporary file that is the directory which the caller chose."""
    fail, path, number = SCENES[name]
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        fail(tmp_path)
    assert caught.value.errno == number
    assert caught.value.filename2 is None
    told = Path(caught.value.filename)
    assert told == tmp_path / path or (told.parent == tmp_path and told.match(path))
