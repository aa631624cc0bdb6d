"""Deaths of serving processes: ``python -m tests.web.kills SEED COUNT [--server tus-node --folder DIR]``.

Each script is played once without a death. Then it is played once for each of its requests to the store, and each half
of it: the process dies before the store has processed the request, or after it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from collections import Counter
from pathlib import Path

from .run import KillingStore, Point, Result, count_requests, run_point
from .scripts import draw
from .servers import Aios3, Servers, TusNode

KINDS = {"aios3": Aios3, "tus-node": TusNode}


async def campaign(store: KillingStore, servers: Servers, seed: int, count: int, results: list[Result]) -> None:
    """Append the results of `count` points, from the script of `seed` on."""
    while len(results) < count:
        script = draw(seed, servers.part_size, servers.kinds)
        requests, quiet = await count_requests(store, servers, script)
        if quiet.problems:
            print(f"{script.kind} seed {seed} without a death: {quiet.problems}", flush=True)
        for number in range(1, requests + 1):
            for is_processed in (False, True):
                if len(results) == count:
                    break
                result = await run_point(store, servers, Point(script, number, is_processed))
                results.append(result)
                for kind, text in result.problems.items():
                    half = "after" if is_processed else "before"
                    print(f"{script.kind} seed {seed}, {half} request {number}: {kind}: {text}", flush=True)
        seed += 1


def table(results: list[Result]) -> str:
    """Return the results as a table in Markdown."""
    found = Counter(kind for result in results for kind in result.problems)
    by_script = Counter(result.point.script.kind for result in results)
    clean = sum(not result.problems for result in results)
    rows = [("points", len(results)), ("of them without a defect", clean), *sorted(found.items())]
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(by_script.items()))
    return "\n".join(["| result | points |", "| --- | ---: |", *(f"| {name} | {n} |" for name, n in rows), "", kinds])


async def main() -> None:
    """Run the campaign that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--server", choices=sorted(KINDS), default="aios3")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent.parent / "peers" / "tus-node")
    parser.add_argument("--part-size", type=int, default=None)
    options = parser.parse_args()
    part_size = options.part_size or (5 * 2**20 if options.server == "tus-node" else 64 * 1024)
    began = time.monotonic()
    results: list[Result] = []
    async with KillingStore() as store:
        servers = KINDS[options.server](store, part_size, options.folder)
        try:
            await campaign(store, servers, options.seed, options.count, results)
        finally:
            servers.close()
            print(table(results), f"{time.monotonic() - began:.0f} s", sep="\n", flush=True)  # also when interrupted


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main())
