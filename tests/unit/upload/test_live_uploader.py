"""A live upload: what it says of its unfinished part, and of what is durable."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aios3._upload.live_uploader import LiveUploader
from aios3._upload.shared.tail_keeper import TailKeeper
from aios3._upload.uploader import Uploader
from tests.support.fakes import PART, Gate, make_job, turns
from tests.support.spill_scene import SpillScene
from tests.support.upload_scene import UploadScene, content


async def test_the_unfinished_part_is_given_when_all_parts_before_it_are_stored() -> None:
    scene = UploadScene()
    gate = Gate()
    scene.store.on("UploadPart", gate)

    async def block(upload: Uploader) -> None:
        assert isinstance(upload, LiveUploader)
        assert await upload.unfinished() == (0, b"")
        await upload.add(memoryview(content(1)))
        assert await upload.unfinished() == (0, content(1))
        await upload.add(memoryview(b"rest"))
        asking = asyncio.create_task(upload.unfinished())
        await turns(60)
        assert not asking.done()
        gate.opened.set()
        assert await asking == (PART, b"rest")
        assert upload.bytes_durable == PART
        upload.tail_keeper = TailKeeper(scene.engine, make_job(), upload, NoTail(), 1)
        upload.tail_keeper.bytes_kept = PART + 4
        assert upload.bytes_durable == PART + 4

    await scene.upload(block, keeps_tail=True)
    assert scene.object() == content(1) + b"rest"
    scene.assert_nothing_is_left()


async def test_an_upload_that_is_abandoned_before_it_has_a_tail_is_aborted() -> None:
    scene = UploadScene()

    async def block(upload: Uploader) -> None:
        await upload.add(memoryview(content(2.5)))
        await upload.abandon()
        raise KeyError

    with pytest.raises(KeyError):
        await scene.upload(block, keeps_tail=True)
    scene.assert_nothing_is_left()


async def test_an_unfinished_part_waits_for_memory_rather_than_move_to_the_disk(tmp_path: Path) -> None:
    """Its bytes must be at hand for the next tail."""
    scene = SpillScene(tmp_path)
    holder = scene.hold_memory()
    task = await scene.start(b"abc", keeps_tail=True)
    assert not task.done()
    scene.let_go(holder)
    await task
    assert (scene.object(), scene.files) == (b"abc", [])
    scene.assert_nothing_is_left()


class NoTail:
    async def write(self, *_: object) -> None:
        raise AssertionError

    async def delete(self) -> None:
        raise AssertionError
