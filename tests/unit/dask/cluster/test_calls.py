"""Results of the tasks of a call, on a cluster."""

from __future__ import annotations

import asyncio

import pytest

from aios3.dask._cluster.calls import ClusterCall
from tests.support.clusters import cluster_in_loop


@pytest.mark.parametrize("what", [lambda state: state.lose(), lambda state: state.set_error(OSError(), None)])
async def test_a_result_that_has_come_counts_although_its_worker_dies_afterwards(what):
    """The engine then runs the task again, which may fail."""
    async with cluster_in_loop(workers=1) as (_, client), asyncio.timeout(60):
        call = ClusterCall(client, retries=0)
        future = call.submit("sum", 0, sum, (1, 2))
        call.wait_for(future)
        await future
        while not call._ended.qsize():
            await asyncio.sleep(0)
        what(future._state)
        assert [result async for result in call.results()] == [3]
        assert call.waiting == 0
