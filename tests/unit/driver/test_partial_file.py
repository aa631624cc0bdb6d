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
from tests.support.driver_scenes import files

MIB = 1024 * 1024


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
    async with PartialFile(tmp_path / "file", overwrite=False) as file:
        await file.write(b"12")
        await file.write(b"3")
        (hidden,) = tmp_path.iterdir()
        assert hidden.name.startswith(".aios3-")
        await file.commit(3)
        assert (tmp_path / "file").read_bytes() == b"123"
    assert files(tmp_path) == {"file": b"123"}


async def test_what_is_not_committed_is_removed(tmp_path):
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
    (tmp_path / "usual").touch()
    await write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


async def test_an_overwritten_link_becomes_a_file(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    await write(tmp_path / "link", overwrite=True)
    assert files(tmp_path) == {"target": b"old", "link": b"data"}
    assert not (tmp_path / "link").is_symlink()


def refusing(code: int):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
async def test_a_file_system_without_hard_links_does(tmp_path, monkeypatch, code):
    monkeypatch.setattr(os, "link", refusing(code))
    await write(tmp_path / "file")
    assert files(tmp_path) == {"file": b"data"}
    with pytest.raises(FileExistsError, match="taken"):
        async with PartialFile(tmp_path / "taken", overwrite=False) as file:
            (tmp_path / "taken").write_bytes(b"mine")
            await file.commit(0)
    assert files(tmp_path) == {"file": b"data", "taken": b"mine"}


@pytest.mark.parametrize(
    "failing",
    [
        {(os, "fsync"): errno.ENOSPC},
        {(os, "link"): errno.ENOSPC},
        {(os, "link"): errno.EPERM, (Path, "replace"): errno.EPERM},
    ],
    ids=["full disk", "no link", "no links at all"],
)
async def test_a_failed_commit_is_raised_and_leaves_nothing(tmp_path, monkeypatch, failing):
    for (owner, name), code in failing.items():
        monkeypatch.setattr(owner, name, refusing(code))
    with pytest.raises(OSError, match=os.strerror([*failing.values()][-1])):
        await write(tmp_path / "file")
    assert files(tmp_path) == {}


@pytest.mark.parametrize("path", ["", ".", "..", "/"])
async def test_a_path_without_a_name_is_a_directory(path):
    with pytest.raises(FileExistsError):
        await write(Path(path))
    with pytest.raises(IsADirectoryError):
        await write(Path(path), overwrite=True)


@pytest.mark.parametrize("cancellations", [1, 2])
@pytest.mark.parametrize("path", ["file", "missing/file"])
async def test_a_cancellation_while_the_file_is_made_leaves_none(tmp_path, monkeypatch, cancellations, path):
    """The thread cannot be stopped, so its end is waited for. Its failure is not logged as never retrieved."""
    held = Held(monkeypatch, PartialFile, "_create")
    monkeypatch.setattr(PartialFile, "_create", lambda self: held(self))
    task = asyncio.create_task(write(tmp_path / path))
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


async def test_a_cancelled_anyio_scope_waits_for_the_thread_too(tmp_path, monkeypatch):
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
