"""A watched directory: what is still written waits, and a playlist waits for the files that it names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from aios3 import S3StorageDriver
from aios3.cli._files.directory import Directory
from aios3.cli._files.directory_uploads import DirectoryUpload
from aios3.cli._files.file_uploads import FileJob, FileOptions, FileUploads
from aios3.cli._shared.exit_codes import ExitCode
from aios3.cli._shared.progress import make_display
from aios3.cli._shared.targets import S3Url
from aios3.testing import Fault, S3Server
from tests.support.watched_files import Step, playlist, writing


async def watch(driver: S3StorageDriver, steps: list[Step]) -> ExitCode:
    """Watch the current directory: before each look one step is done, and a second passes after each."""
    seconds = iter(range(1000))

    async def changes() -> AsyncGenerator[None]:
        for step in steps:
            await asyncio.to_thread(step)
            yield

    with make_display("none") as display:
        options = FileOptions({}, lambda _: None, as_json=False, resumes=False, at_once=1)
        uploads = FileUploads(driver, display, options)
        whole = DirectoryUpload(driver, uploads, Directory(".", S3Url("bucket", "live/")), None, skips_equal=True)
        return await whole.watch(changes(), 2.0, lambda: float(next(seconds)) / 2)


def nothing() -> None: ...


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def puts(server: S3Server) -> list[str]:
    return [str(request.key).removeprefix("live/") for request in server.requests if request.operation == "PutObject"]


async def test_segments_come_before_the_playlist_that_names_them(
    driver: S3StorageDriver, server: S3Server, here: Path
) -> None:
    await asyncio.to_thread(writing("a.m3u8", playlist("0.ts")))
    await asyncio.to_thread(writing("0.ts", "zero"))
    steps = [nothing, nothing, nothing, nothing, writing("1.ts", "one"), writing("a.m3u8", playlist("0.ts", "1.ts"))]
    assert await watch(driver, [*steps, *[nothing] * 6]) == ExitCode.DONE
    assert puts(server) == ["0.ts", "a.m3u8", "1.ts", "a.m3u8"]
    assert server.objects["bucket", "live/a.m3u8"].body == playlist("0.ts", "1.ts").encode()


async def test_a_playlist_that_changes_after_the_check_is_sent_as_it_was(
    driver: S3StorageDriver, server: S3Server, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = FileUploads.run

    async def change_and_send(uploads: FileUploads, jobs: list[FileJob]) -> ExitCode:
        if jobs:
            await asyncio.to_thread(writing("a.m3u8", playlist("later.ts")))
        return await send(uploads, jobs)

    monkeypatch.setattr(FileUploads, "run", change_and_send)
    await watch(driver, [writing("a.m3u8", playlist()), *[nothing] * 2])
    assert server.objects["bucket", "live/a.m3u8"].body == playlist().encode()


async def test_what_is_still_written_waits(driver: S3StorageDriver, server: S3Server, here: Path) -> None:
    growing = [writing("0.ts", "x" * length) for length in range(8)]
    await watch(driver, [writing("a.m3u8", playlist("0.ts")), *growing])
    assert puts(server) == []


async def test_a_playlist_that_never_rests_is_sent_nevertheless(
    driver: S3StorageDriver, server: S3Server, here: Path
) -> None:
    await watch(driver, [writing("a.m3u8", playlist() + f"#{number}\n") for number in range(12)])
    assert len(puts(server)) >= 2


async def test_what_is_there_and_equal_is_not_sent_again(driver: S3StorageDriver, server: S3Server, here: Path) -> None:
    await asyncio.to_thread(writing("0.ts", "zero"))
    await watch(driver, [nothing] * 6)
    await watch(driver, [nothing] * 6)
    assert puts(server) == ["0.ts"]


async def test_a_store_that_does_not_respond_is_tried_again_and_a_refusal_ends_the_watch(
    make_driver: Callable[..., S3StorageDriver], server: S3Server, here: Path
) -> None:
    server.faults.add(Fault("drop_before", "PutObject", times=6))
    await asyncio.to_thread(writing("0.ts", "zero"))
    assert await watch(make_driver(), [nothing] * 7) == ExitCode.DONE
    assert puts(server)[-1] == "0.ts"
    assert set(server.objects) == {("bucket", "live/0.ts")}
    server.faults.add(Fault("answer", "PutObject", status=403, code="AccessDenied"))
    assert await watch(make_driver(), [writing("1.ts", "one"), *[nothing] * 6]) == ExitCode.REFUSED
