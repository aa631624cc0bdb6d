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


def refusing(number: int):
    """Return a function that raises this error of the system."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture
def journal(tmp_path: Path) -> JournalFile:
    """A new journal."""
    return JournalFile.create(tmp_path, HERE)


def test_a_new_journal_is_locked_private_and_says_whose_it_is(tmp_path: Path) -> None:
    journal = JournalFile.create(tmp_path / "a" / "b", HERE)
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert HERE in journal.path.read_text()
    assert JournalFile.take_over(journal.path) is None
    journal.close()
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("end", [JournalFile.close, die])
def test_an_open_entry_stays_and_is_found_once(journal, tmp_path, end):
    journal.begin(1, entry())
    journal.begin(2, entry(key="other"))
    journal.add(created_line(1, "id"))
    journal.end(2)
    end(journal)
    (found,) = find_dead_journals(tmp_path, HERE)
    assert list(find_dead_journals(tmp_path, HERE)) == []
    assert (found.path, found.open) == (journal.path, {1: entry(upload_id="id")})
    found.end(1)
    found.close()
    found.close()
    assert list(tmp_path.iterdir()) == []
    assert JournalFile.take_over(found.path) is None


def test_a_beginning_is_synced_to_the_disk_and_an_end_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_entries_after_a_torn_line_are_whole(journal, tmp_path):
    journal.begin(1, entry())
    path = die(journal)
    with path.open("ab") as file:
        file.write(b'{"event":"ended","ent\0\0')
    (found,) = find_dead_journals(tmp_path, HERE)
    found.end(1)
    assert journal_file._read(path) == {}
    found.close()


def test_a_full_disk_tears_one_line_only(journal, tmp_path, monkeypatch):
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


def test_a_long_life_does_not_fill_the_disk(journal, tmp_path, monkeypatch):
    """A file in which nothing is open begins anew when it has grown; one with an open entry keeps all."""
    monkeypatch.setattr(journal_file, "_MOST_BYTES", 2000)
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


def test_a_file_that_is_removed_between_its_opening_and_its_lock_is_not_taken_over(journal, monkeypatch):
    journal.begin(1, entry())
    path = die(journal)
    lock = journal_file._lock
    monkeypatch.setattr(journal_file, "_lock", lambda descriptor: (path.unlink(), lock(descriptor)))
    assert JournalFile.take_over(path) is None


def test_a_file_that_cannot_be_locked_is_not_left_open(journal, tmp_path, monkeypatch):
    path = die(journal)
    monkeypatch.setattr(journal_file, "_lock", refusing(errno.ENOLCK))
    closed: list[int] = []
    close = os.close
    monkeypatch.setattr(os, "close", lambda descriptor: (closed.append(descriptor), close(descriptor)))
    for call in (lambda: JournalFile.take_over(path), lambda: JournalFile.create(tmp_path, HERE)):
        with pytest.raises(OSError, match="No locks"):
            call()
    assert len(closed) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_another_users_journal_is_left_alone(journal, tmp_path, monkeypatch):
    path = die(journal)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing(errno.EACCES))
        assert JournalFile.take_over(path) is None
        patch.setattr(Path, "open", refusing(errno.EACCES))
        assert list(find_dead_journals(tmp_path, HERE)) == []
        assert read_other_journals(tmp_path, HERE, ()) == []


def test_a_file_that_cannot_be_removed_is_unlocked_and_has_nothing_open(journal, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refusing(errno.EPERM))
        journal.close()
    (found,) = find_dead_journals(tmp_path, HERE)
    assert found.open == {}
    found.close()


def test_open_entries_of_other_journals_at_the_endpoint_can_be_read(journal, tmp_path, monkeypatch):
    living, foreign = JournalFile.create(tmp_path, HERE), JournalFile.create(tmp_path, "http://elsewhere")
    for each, key in ((journal, "own"), (living, "living"), (foreign, "foreign")):
        each.begin(1, entry(key=key))
    assert read_other_journals(tmp_path, HERE, {journal.path}) == [entry(key="living")]
    monkeypatch.setattr(journal_file, "_read", refusing(errno.ENOENT))
    assert read_other_journals(tmp_path, HERE, {journal.path}) == []
    for each in (journal, living, foreign):
        each.close()


def test_a_platform_without_locks_is_an_error_before_anything_is_made(tmp_path, monkeypatch):
    """Without locks two processes could end each other's uploads."""

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
