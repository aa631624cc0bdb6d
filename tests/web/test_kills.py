"""A sample of the deaths of ``python -m tests.web.kills``."""

from __future__ import annotations

from random import Random

from .kills.run import KillingStore, Point, count_requests, run_point
from .kills.scripts import draw
from .kills.servers import Aios3


async def test_deaths_of_a_process_lose_mix_and_leave_nothing(tmp_path):
    random = Random(5)
    async with KillingStore() as store:
        servers = Aios3(store, 64 * 1024, tmp_path, ready=1)
        try:
            script = draw(1, servers.part_size)
            requests, quiet = await count_requests(store, servers, script)
            assert quiet.problems == {}
            for number in random.sample(range(1, requests + 1), 4):
                result = await run_point(store, servers, Point(script, number, random.random() < 0.5))
                assert result.problems == {}, result
        finally:
            servers.close()
