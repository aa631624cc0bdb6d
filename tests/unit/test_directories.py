"""Files of a watched directory: what is still written waits, and a playlist waits for the files that it names."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from aios3 import ConfigurationError
from aios3.directories import DirectoryWatch, directory_changes, files_below, is_playlist, names_in, wake_ups
from tests.support.watched_files import playlist, writing


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def read(source: object) -> bytes:
    if isinstance(source, bytes):
        return source
    return await asyncio.to_thread(lambda: b"".join(source))  # type: ignore[call-overload]


async def test_files_come_before_the_playlist_that_names_them_and_again_when_they_change(here: Path) -> None:
    for name, text in {"live.m3u8": playlist("0.ts"), "0.ts": "zero", "skip.tmp": "x"}.items():
        writing(name, text)()
    async with aclosing(directory_changes(here, exclude=["*.tmp"], settle=0.05)) as changes:
        segment, listed = await anext(changes), await anext(changes)
        assert (segment.relative, segment.size, segment.content) == ("0.ts", 4, None)
        assert await read(segment.source) == b"zero"
        assert (listed.relative, listed.path) == ("live.m3u8", here / "live.m3u8")
        await asyncio.to_thread(writing("live.m3u8", playlist("0.ts", "sub/1.ts")))
        assert listed.source == playlist("0.ts").encode()  # as it was when all that it names was there
        await asyncio.to_thread((here / "sub").mkdir)
        await asyncio.to_thread(writing("sub/1.ts", "one"))
        assert [(await anext(changes)).relative, (await anext(changes)).relative] == ["sub/1.ts", "live.m3u8"]


async def test_a_playlist_that_has_changed_during_an_upload_waits_for_the_new_file_that_it_names(here: Path) -> None:
    for name, text in {"live.m3u8": playlist("0.ts"), "0.ts": "zero"}.items():
        writing(name, text)()
    async with aclosing(directory_changes(here, settle=0.05)) as changes:
        assert (await anext(changes)).relative == "0.ts"
        await asyncio.to_thread(writing("1.ts", "one"))
        await asyncio.to_thread(writing("live.m3u8", playlist("0.ts", "1.ts")))
        assert [(await anext(changes)).relative for _ in range(2)] == ["1.ts", "live.m3u8"]


async def test_a_file_that_was_not_stored_comes_again_to_the_next_watch(here: Path) -> None:
    writing("0.ts", "zero")()
    for _ in range(2):
        with pytest.raises(OSError, match="no store"):
            async with aclosing(directory_changes(".", settle=0.05)) as changes:
                async for file in changes:
                    assert file.relative == "0.ts"
                    raise OSError("no store")


async def test_a_directory_that_is_not_there_is_an_error(here: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        await anext(directory_changes("nowhere"))


def test_without_the_watcher_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ConfigurationError, match=r"aios3-upload\[cli\]"):
        wake_ups(".", 1.0)


async def test_a_change_on_the_disk_wakes_the_watch(here: Path) -> None:
    async with aclosing(await asyncio.to_thread(wake_ups, ".", 60.0)) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        while not waiting.done():
            await asyncio.to_thread(writing("file", str(os.urandom(4))))
            await asyncio.sleep(0.05)
        await waiting


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\nsub/0.m4s?x=1\na b.ts\n', {"init.mp4", "0.m4s", "a b.ts"}),
        (b"<BaseURL>video%201.mp4</BaseURL></MPD>", {"video 1.mp4"}),
    ],
)
def test_the_names_in_a_playlist_are_found(body: bytes, names: set[str]) -> None:
    assert names <= names_in(body)


def test_a_master_playlist_waits_for_the_first_version_of_the_others(here: Path) -> None:
    for name, text in {"master.m3u8": playlist("a.m3u8"), "a.m3u8": playlist()}.items():
        writing(name, text)()
    files = files_below(".")
    watched = DirectoryWatch(settle=0)
    watched.see(files, 0.0)
    variant, master = (file for file in files if is_playlist(file))
    assert not watched.is_complete(master, playlist("a.m3u8").encode())
    watched.sent(variant)
    assert watched.is_complete(master, playlist("a.m3u8").encode())
    assert not watched.is_complete(master, b"#EXTM3U\n#EXTIN")
