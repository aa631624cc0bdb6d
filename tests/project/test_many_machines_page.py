"""The page on many machines: its example runs."""

from __future__ import annotations

from tests.support.clusters import StoreDriver, cluster_in_loop
from tests.support.documents import page_block


async def test_the_example_makes_one_object(server, driver):
    block = page_block("docs/many-machines.md", "upload_from_workers(")
    names = {"__name__": "example"}
    exec(compile(block.text, "docs/many-machines.md", "exec"), names)
    names["make_driver"] = StoreDriver.of(server, 1024)
    await driver.create_container("videos")
    async with cluster_in_loop() as (_, client):
        receipt = await names["upload"](client, 3)
    assert server.objects["videos", "film.mp4"].body == b"".join(b"piece %d\n" % number * 1000 for number in range(3))
    assert len(receipt.parts) == 24
