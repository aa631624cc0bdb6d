"""A journal on disk: durable, private, locked while its process lives, and whole whatever tears it."""

from __future__ import annotations

import errno
import importlib
import os
from pathlib import Path

import pytest

from aios3._journal import journal_file
from aios3._journal.entries import created_line
from aios3._journal.journal_file import JournalFile, find_dead_journals, read_other_journals
from aios3.errors import ConfigurationError
from tests.support.journal_scene import HERE, entry


def die(journal: JournalFile) -> Path:
    """Let the journal's process die: the lock goes, the file stays."""
    os.close(journal._descriptor)
    journal._descriptor = -1
    return journal.path


def test_a_new_journal_is_locked_private_and_says_whose_it_is(tmp_path: Path) -> None:
    """In a directory that is made for it."""
    journal = JournalFile.create(tmp_path / "a" / "b", HERE)
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert HERE in journal.path.read_text()
    assert JournalFile.take_over(journal.path) is None
    journal.close()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_is_open_stays_and_is_found(tmp_path: Path) -> None:
    """When its process has closed the file, or died."""
    for end in (JournalFile.close, die):
        journal = JournalFile.create(tmp_path, HERE)
        journal.begin(1, entry())
        journal.begin(2, entry(key="other"))
        journal.add(created_line(1, "id"))
        journal.end(2)
        end(journal)
        (found,) = find_dead_journals(tmp_path, HERE)
        assert (found.path, found.open) == (journal.path, {1: entry(upload_id="id")})
        found.end(1)
        found.close()
        found.close()
        assert list(tmp_path.iterdir()) == []


def test_announced_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the name of the file; an end is not waited for."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = JournalFile.create(tmp_path, HERE)
    assert len(synced) == 2
    journal.begin(1, entry())
    journal.add(created_line(1, "id"))
    assert synced[2:] == [journal._descriptor] * 2
    journal.end(1)
    assert len(synced) == 4
    journal.close()


def test_others_go_on_after_a_torn_line(tmp_path: Path) -> None:
    """What they write is no part of it."""
    journal = JournalFile.create(tmp_path, HERE)
    journal.begin(1, entry())
    path = die(journal)
    with path.open("ab") as file:
        file.write(b'{"event":"ended","ent\0\0')
    (found,) = find_dead_journals(tmp_path, HERE)
    found.end(1)
    assert journal_file._read(path) == {}
    found.close()


def test_a_full_disk_tears_one_line_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is room again the next line is whole."""
    journal = JournalFile.create(tmp_path, HERE)
    write = os.write
    rooms = [10, 0]

    def write_a_little(descriptor: int, data: bytes) -> int:
        if not (room := rooms.pop(0)):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:room])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_a_little)
        with pytest.raises(OSError, match="No space"):
            journal.begin(1, entry())
    journal.begin(2, entry(key="second"))
    assert journal_file._read(journal.path) == {2: entry(key="second")}
    journal.end(1)
    journal.end(2)
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_long_life_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in which nothing is open begins anew when it has grown; one with an open entry keeps all."""
    monkeypatch.setattr(journal_file, "_MOST_BYTES", 2000)
    journal = JournalFile.create(tmp_path, HERE)
    head = journal.path.stat().st_size
    journal.begin(1, entry())
    for number in range(2, 20):
        journal.begin(number, entry())
        journal.end(number)
    assert journal.path.stat().st_size > 2000
    journal.end(1)
    assert journal.path.stat().st_size == head
    journal.begin(20, entry(key="after"))
    path = die(journal)
    (found,) = find_dead_journals(tmp_path, HERE)
    assert (found.path, found.open) == (path, {20: entry(key="after")})
    found.close()


def test_journals_of_other_endpoints_are_not_even_locked(tmp_path: Path) -> None:
    """Their own processes may look for them at any moment."""
    foreign = JournalFile.create(tmp_path, "http://elsewhere")
    foreign.begin(1, entry())
    path = die(foreign)
    (tmp_path / "nobodys.journal").write_bytes(b"\0" * 100)
    seen = find_dead_journals(tmp_path, HERE)
    assert list(seen) == []
    assert list(tmp_path.iterdir()) != []
    (found,) = find_dead_journals(tmp_path, "http://elsewhere")
    assert found.path == path
    found.close()


def test_a_journal_is_taken_over_once(tmp_path: Path) -> None:
    """Whoever comes second does not get it."""
    journal = JournalFile.create(tmp_path, HERE)
    journal.begin(1, entry())
    die(journal)
    (first,) = find_dead_journals(tmp_path, HERE)
    assert list(find_dead_journals(tmp_path, HERE)) == []
    first.end(1)
    first.close()
    assert JournalFile.take_over(first.path) is None


def test_a_journal_that_is_finished_before_it_is_locked_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file was removed between the opening and the lock."""
    journal = JournalFile.create(tmp_path, HERE)
    journal.begin(1, entry())
    path = die(journal)
    lock = journal_file._lock

    def lock_late(descriptor: int) -> None:
        path.unlink()
        lock(descriptor)

    monkeypatch.setattr(journal_file, "_lock", lock_late)
    assert JournalFile.take_over(path) is None


def test_a_file_that_cannot_be_locked_is_not_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error goes on."""
    journal = JournalFile.create(tmp_path, HERE)
    path = die(journal)

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(journal_file, "_lock", refuse)
    closed: list[int] = []
    close = os.close
    monkeypatch.setattr(os, "close", lambda descriptor: (closed.append(descriptor), close(descriptor)))
    with pytest.raises(OSError, match="No locks"):
        JournalFile.take_over(path)
    assert len(closed) == 1
    with pytest.raises(OSError, match="No locks"):
        JournalFile.create(tmp_path, HERE)
    assert len(closed) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_another_users_journal_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be opened, and that is no failure."""
    journal = JournalFile.create(tmp_path, HERE)
    path = die(journal)

    def refuse(*args: object, **options: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert JournalFile.take_over(path) is None
        patch.setattr(Path, "open", refuse)
        assert list(find_dead_journals(tmp_path, HERE)) == []
        assert read_other_journals(tmp_path, HERE, ()) == []


def test_a_file_that_cannot_be_removed_is_still_unlocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process finds it, and nothing open in it."""
    journal = JournalFile.create(tmp_path, HERE)

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        journal.close()
    (found,) = find_dead_journals(tmp_path, HERE)
    assert found.open == {}
    found.close()


def test_what_others_have_open_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Living or dead, at that endpoint; a file that is finished meanwhile has nothing open."""
    own = JournalFile.create(tmp_path, HERE)
    own.begin(1, entry(key="own"))
    living = JournalFile.create(tmp_path, HERE)
    living.begin(1, entry(key="living"))
    foreign = JournalFile.create(tmp_path, "http://elsewhere")
    foreign.begin(1, entry(key="foreign"))
    assert read_other_journals(tmp_path, HERE, {own.path}) == [entry(key="living")]

    def gone(path: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(journal_file, "_read", gone)
    assert read_other_journals(tmp_path, HERE, {own.path}) == []
    for journal in (own, living, foreign):
        journal.close()


def test_a_platform_without_locks_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal without them would let two processes end each other's uploads."""

    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigurationError, match="flock"):
        JournalFile.create(tmp_path / "new", HERE)
    assert not (tmp_path / "new").exists()


def test_a_fork_lets_go_of_every_file(tmp_path: Path) -> None:
    """It neither unlocks, writes nor removes anything; closing the files later does nothing."""
    journal, closed = JournalFile.create(tmp_path, HERE), JournalFile.create(tmp_path, HERE)
    closed.close()
    journal.begin(1, entry())
    content = journal.path.read_text()
    held = os.dup(journal._descriptor)  # as the other process has it
    journal_file._opening.acquire()
    journal_file._release_in_fork()
    journal.close()
    assert JournalFile.take_over(journal.path) is None
    assert journal.path.read_text() == content
    os.close(held)
    (found,) = find_dead_journals(tmp_path, HERE)
    assert found.open == {1: entry()}
    found.close()
