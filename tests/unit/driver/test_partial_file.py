"""A file that appears under its name only once it is whole."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from pathlib import Path

import anyio
import pytest

from aios3._driver.partial_file import PartialFile
from aios3.errors import IntegrityError

MIB = 1024 * 1024


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def write(path: Path, data: bytes = b"data", *, overwrite: bool = False) -> None:
    async with PartialFile(path, overwrite=overwrite) as file:
        await file.write(data)
        await file.commit(len(data))


class Held:
    """A file operation that stands still in its thread until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self._real = getattr(owner, name)
        self._loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self._released = threading.Event()
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *arguments, **options):
        self._loop.call_soon_threadsafe(self.entered.set)
        assert self._released.wait(10)
        return self._real(*arguments, **options)

    def release(self) -> None:
        self._released.set()


async def test_the_name_is_free_until_the_commit(tmp_path):
    """The bytes are in a hidden file beside it; after the block that is gone."""
    async with PartialFile(tmp_path / "file", overwrite=False) as file:
        await file.write(b"12")
        await file.write(b"3")
        (hidden,) = tmp_path.iterdir()
        assert hidden.name.startswith(".aios3-")
        await file.commit(3)
        assert (tmp_path / "file").read_bytes() == b"123"
    assert files(tmp_path) == {"file": b"123"}


async def test_what_is_not_committed_is_removed(tmp_path):
    """Also if nothing went wrong."""
    async with PartialFile(tmp_path / "file", overwrite=False) as file:
        await file.write(b"1" * 3 * MIB)
    assert files(tmp_path) == {}
    with pytest.raises(ZeroDivisionError):
        async with PartialFile(tmp_path / "file", overwrite=False):
            raise ZeroDivisionError
    assert files(tmp_path) == {}


async def test_small_writes_are_gathered(tmp_path, monkeypatch):
    """A thread for every few bytes would cost more than the writing; what is gathered is bounded."""
    calls = []
    real = PartialFile._append
    monkeypatch.setattr(
        PartialFile, "_append", lambda self, pieces: (calls.append(sum(map(len, pieces))), real(self, pieces))
    )
    async with PartialFile(tmp_path / "file", overwrite=False) as file:
        for _ in range(40):
            await file.write(bytes(64 * 1024))
        await file.commit(40 * 64 * 1024)
    assert calls == [MIB, MIB, MIB // 2]


async def test_another_size_is_not_committed(tmp_path):
    """Neither a byte more nor one less."""
    for size in (3, 5):
        with pytest.raises(IntegrityError, match=f"4 bytes were written of an object of {size} bytes"):
            async with PartialFile(tmp_path / "file", overwrite=True) as file:
                await file.write(b"1234")
                await file.commit(size)
    assert files(tmp_path) == {}


async def test_the_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """A crash in between leaves no name for an empty file."""
    order = []
    for name in ("fsync", "link", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (order.append(name), real(*args))[1])
    await write(tmp_path / "file")
    assert order == ["fsync", "link"]


async def test_the_file_has_the_usual_permissions(tmp_path):
    """Those that the umask leaves, as for any file that one opens."""
    (tmp_path / "usual").touch()
    await write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


async def test_an_overwritten_link_becomes_a_file(tmp_path):
    """What it pointed to stays as it was."""
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    await write(tmp_path / "link", overwrite=True)
    assert files(tmp_path) == {"target": b"old", "link": b"data"}
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
async def test_where_there_are_no_hard_links_it_still_works(tmp_path, monkeypatch, code):
    """And an existing file is not replaced there either."""

    def refuse(*_):
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    await write(tmp_path / "file")
    assert files(tmp_path) == {"file": b"data"}
    with pytest.raises(FileExistsError, match="taken"):
        async with PartialFile(tmp_path / "taken", overwrite=False) as file:
            (tmp_path / "taken").write_bytes(b"mine")
            await file.commit(0)
    assert files(tmp_path) == {"file": b"data", "taken": b"mine"}


async def test_a_failure_without_links_leaves_no_empty_file(tmp_path, monkeypatch):
    """The name that was taken is given back."""

    def refuse(*_):
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        await write(tmp_path / "file")
    assert files(tmp_path) == {}


async def test_another_failure_to_link_is_raised(tmp_path, monkeypatch):
    """It is not taken for a file system without links."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="full"):
        await write(tmp_path / "file")
    assert files(tmp_path) == {}


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    """Whichever write meets it."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="full"):
        await write(tmp_path / "file")
    assert files(tmp_path) == {}


@pytest.mark.parametrize("path", ["", ".", "..", "/"])
async def test_a_path_without_a_name_is_a_directory(path):
    """Whatever it looks like."""
    with pytest.raises(FileExistsError):
        await write(Path(path))
    with pytest.raises(IsADirectoryError):
        await write(Path(path), overwrite=True)


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_a_cancellation_while_the_file_is_made_leaves_none(tmp_path, monkeypatch, cancellations):
    """The thread cannot be stopped, so its end is waited for."""
    held = Held(monkeypatch, PartialFile, "_create")
    monkeypatch.setattr(PartialFile, "_create", lambda self: held(self))
    task = asyncio.create_task(write(tmp_path / "file"))
    await held.entered.wait()
    for _ in range(cancellations):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    held.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == {}


async def test_a_cancellation_during_the_commit_leaves_all(tmp_path, monkeypatch):
    """The file is there, whole, and the cancellation is raised."""
    held = Held(monkeypatch, os, "link")
    task = asyncio.create_task(write(tmp_path / "file"))
    await held.entered.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    held.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == {"file": b"data"}


async def test_a_failure_that_a_cancellation_overtakes_is_silent(tmp_path, monkeypatch):
    """The cancellation counts, and nobody is told of an exception that was never retrieved."""
    held = Held(monkeypatch, PartialFile, "_create")
    monkeypatch.setattr(PartialFile, "_create", lambda self: held(self))
    task = asyncio.create_task(write(tmp_path / "missing" / "file"))
    await held.entered.wait()
    task.cancel()
    held.release()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_anyio_scope_waits_for_the_thread_too(tmp_path, monkeypatch):
    """Without being woken at every turn of the loop meanwhile."""
    held = Held(monkeypatch, os, "link")
    waits = []
    real = asyncio.wait

    async def wait(*arguments, **options):
        waits.append(1)
        return await real(*arguments, **options)

    async def cancel(scope):
        await held.entered.wait()
        scope.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        held.release()

    with anyio.CancelScope() as scope:
        canceller = asyncio.create_task(cancel(scope))
        monkeypatch.setattr(asyncio, "wait", wait)
        await write(tmp_path / "file")
        await anyio.sleep(0)
    await canceller
    assert scope.cancelled_caught
    assert files(tmp_path) == {"file": b"data"}
    assert len(waits) < 15
