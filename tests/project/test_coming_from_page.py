"""The page for users of other clients: the block of aios3 runs."""

from __future__ import annotations

from tests.support.documents import page_block

OURS = page_block("docs/coming-from.md", "aios3")


async def test_the_three_tasks_of_aios3_run(server, driver, tmp_path):
    async def chunks():
        yield b"live"

    path = tmp_path / "cat.mp4"
    path.write_bytes(b"cat")
    await driver.create_container("videos")
    names = OURS.run()
    await names["upload_stream"](driver, chunks())
    await names["upload_file"](driver, path)
    assert b"".join(await names["read"](driver)) == b"cat"
    assert server.objects["videos", "live.mp4"].body == b"live"
    assert server.objects["videos", "cat.mp4"].headers["content-type"] == "video/mp4"
