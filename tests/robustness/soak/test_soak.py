"""Tests of the soak: a short run keeps every promise, and deliberate defects are found."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from aios3.options import MIB
from aios3.testing import S3Server

from .fault_proxy import FaultProxy
from .gauges import Gauges, growth
from .plan import Plan
from .run import Soak, Target
from .upload import BUCKET, run_and_judge

PLAN = Plan(7, "generator", 300_000, 65_536, 0.0, "none", 0.0, False, False, True)
REST = Gauges("rest", 10, 0, 0, 1, 10, 2, 3, 500_000, 9 * MIB, 70 * MIB, 0, 0)


def target_of(server: S3Server) -> Target:
    return Target("generic", server.region, server.credentials, server.endpoint_url, server.endpoint_url)


# A call that is cancelled while its file is being opened leaves the closing to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_short_soak_keeps_every_promise() -> None:
    async with S3Server() as server:
        url = urlsplit(server.endpoint_url)
        proxy = FaultProxy(str(url.hostname), int(url.port or 0), seed=5, rate=0.01)
        listening = await proxy.serve()
        faulty = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        run = Soak(replace(target_of(server), faulty_url=faulty), seed=3, workers=6, allowed_growth=200 * MIB)
        await run.run(0.6, rounds=1)
        listening.close()
        await proxy.aclose()
    assert run.problems == []
    assert run.words["committed"] > 3
    assert [rest.moment for rest in run.rests] == ["rest 0", "rest 1"]


async def test_an_upload_is_judged_by_its_key() -> None:
    async with S3Server(buckets=(BUCKET,)) as server:
        control = target_of(server).driver(with_faults=False)
        driver = target_of(server).driver(with_faults=True)
        async with control, driver:
            assert (await run_and_judge(PLAN, driver, control)).problems == []
            put = driver.upload_object_via_stream
            driver.upload_object_via_stream = lambda source, *where: put(b"other", *where)  # type: ignore[method-assign]
            (receipt, key) = (await run_and_judge(PLAN, driver, control)).problems
    assert "it returned, but the key holds something else" in receipt
    assert "the receipt says" in key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": 2}, "tasks grew from 1 to 2"),
        ({"sockets": 3}, "sockets grew from 2 to 3"),
        ({"held": 5}, "held is 5 at rest, and not 0"),
        ({"open_uploads": 1}, "open_uploads is 1 at rest, and not 0"),
        ({"blocks": 600_000}, "objects grew: 500000 to 600000 blocks"),
        ({"in_use": 10 * MIB}, "in_use grew from 9.0 to 10.0 MiB"),
        ({"rss": 100 * MIB}, "rss grew from 70.0 to 100.0 MiB"),
    ],
)
def test_growth_of_any_gauge_is_found(changes: dict[str, int], words: str) -> None:
    assert growth([REST, replace(REST, **changes)], allowed=0, allowed_rss=24 * MIB) == [words]  # type: ignore[arg-type]
