"""The page on many machines: its example runs."""

from __future__ import annotations

import re

from tests.support.clusters import StoreDriver, cluster_in_loop
from tests.support.places import ROOT

PAGE = ROOT / "docs/many-machines.md"


async def test_the_example_makes_one_object(server, driver):
    block, *_ = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names = {"__name__": "example"}
    exec(compile(block, str(PAGE), "exec"), names)
    names["make_driver"] = StoreDriver.of(server, 1024)
    await driver.create_container("videos")
    async with cluster_in_loop() as (_, client):
        receipt = await names["upload"](client, 3)
    assert server.objects["videos", "film.mp4"].body == b"".join(b"piece %d\n" % number * 1000 for number in range(3))
    assert len(receipt.parts) == 24
