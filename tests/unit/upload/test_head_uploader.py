"""An upload with a head: its parts go last, and the budget has their memory while it runs."""

from __future__ import annotations

from aios3._upload.head_uploader import HeadUploader
from aios3._upload.uploader import Uploader
from tests.support.fakes import PART
from tests.support.upload_scene import UploadScene, content


async def test_the_parts_of_the_head_are_sent_last_and_hold_what_was_written_last() -> None:
    scene = UploadScene()

    async def block(upload: Uploader) -> None:
        assert isinstance(upload, HeadUploader)
        await upload.begin()
        assert scene.engine.memory.kept == 2 * PART
        await upload.add(memoryview(bytes(10)))
        await upload.seek(0)
        await upload.add(memoryview(content(4.5)))
        assert (upload.position, upload.bytes_read, upload.bytes_durable) == (len(content(4.5)), len(content(4.5)), 0)

    await scene.upload(block, head_parts=2)
    numbers = [int(dict(request.query)["partNumber"]) for request in scene.store.requests("UploadPart")]
    assert set(numbers[:-2]) == {3, 4, 5}
    assert set(numbers[-2:]) == {1, 2}
    assert scene.object() == content(4.5)
    scene.assert_nothing_is_left()
