"""The page for users of other clients: the blocks of aios3 run, and each other block says why it does not."""

from __future__ import annotations

import re

from tests.support.places import ROOT

PAGE = (ROOT / "docs/coming-from.md").read_text(encoding="utf-8")
(OURS,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


async def test_the_three_tasks_of_aios3_run(server, driver, tmp_path):
    async def chunks():
        yield b"live"

    path = tmp_path / "cat.mp4"
    path.write_bytes(b"cat")
    await driver.create_container("videos")
    names = {}
    exec(compile(OURS, "docs/coming-from.md", "exec"), names)
    await names["upload_stream"](driver, chunks())
    await names["upload_file"](driver, path)
    assert b"".join(await names["read"](driver)) == b"cat"
    assert server.objects["videos", "live.mp4"].body == b"live"
    assert server.objects["videos", "cat.mp4"].headers["content-type"] == "video/mp4"


def test_each_block_of_another_client_compiles_and_says_why_it_is_not_run():
    blocks = re.findall(r"^([^\n]*)\n```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == PAGE.count("```py\n") == 6
    for line_before, code in blocks:
        assert re.fullmatch(r"<!-- not run: .+ -->", line_before)
        body = "".join(f"    {line}\n" for line in code.splitlines())
        compile(f"async def block():\n{body}", "docs/coming-from.md", "exec")
