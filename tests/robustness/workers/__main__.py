"""Deaths of workers during uploads of one object: ``python -m tests.robustness.workers SEED COUNT``.

A seed draws the pieces, and the request to the store during which the process that sends it is killed, before or after
the store has processed it. With every tenth seed each process that sends that part is killed, until Dask gives up.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from distributed import KilledWorker, Scheduler

from aios3.dask import upload_from_workers
from aios3.testing import S3Server
from aios3.testing.wire.answers import Answer, Refusal
from tests.support.clusters import StoreDriver, cluster_in_loop, provider_of, worker_process

PART = 1024
WORKERS = 2


@dataclass(frozen=True)
class Point:
    """One upload, and the moment of the death."""

    seed: int
    sizes: tuple[int, ...]
    knows_sizes: bool
    part: int
    """Number of the part during whose request the process dies."""
    is_processed: bool
    """Whether the store processes this request before the death."""
    deaths: int
    """Number of processes that are killed."""

    @classmethod
    def draw(cls, seed: int) -> Point:
        """Draw the pieces and the moment."""
        chance = random.Random(seed)
        sizes = tuple(chance.choice([0, 300, 700, PART, 2500, 6000]) for _ in range(chance.randint(2, 7)))
        part = chance.randint(1, max(1, -(-sum(sizes) // PART)))
        return cls(seed, sizes, chance.random() < 0.5, part, chance.random() < 0.5, 1 if seed % 10 else 100)

    @property
    def pieces(self) -> list[bytes]:
        """Bytes of the pieces."""
        return [random.Random(self.seed * 1000 + index).randbytes(size) for index, size in enumerate(self.sizes)]


def produce(content: bytes) -> Iterator[bytes]:
    """Give a piece in chunks."""
    return (content[start : start + 500] for start in range(0, len(content), 500))


class KillingStore(S3Server):
    """Store that kills the worker that sends it a certain part."""

    def __init__(self) -> None:
        super().__init__(provider_of(PART), check_signatures=False)
        self.deaths = 0

    def begin(self, point: Point) -> None:
        """Forget everything, and wait for the request of a point."""
        self.store.objects.clear()
        self.store.uploads.clear()
        self.requests.clear()
        self.point, self.deaths = point, 0

    def process(self, request: Any, body: Any) -> Answer:
        """Process a request, and kill its sender before or after that."""
        is_part = request.operation == "UploadPart" and ("partNumber", str(self.point.part)) in request.query
        is_victim = is_part and self.deaths < self.point.deaths
        answer = super().process(request, body) if self.point.is_processed or not is_victim else None
        if is_victim:
            self.deaths += 1
            signature = {name.lower(): value for name, value in request.headers}["authorization"]
            os.kill(
                int(signature.partition("-HMAC-SHA256 Credential=")[2].partition("/")[0].partition("-")[2]),
                signal.SIGKILL,
            )
        return Refusal(503, "SlowDown").answer("killed") if answer is None else answer


async def run_point(store: KillingStore, scheduler: Scheduler, upload: Any, point: Point) -> tuple[str, str]:
    """Play a point; return its end, and what is wrong or an empty text."""
    store.begin(point)
    async with asyncio.timeout(120):
        while len(scheduler.workers) < WORKERS:
            await asyncio.sleep(0.05)
        pieces = point.pieces
        producers = [partial(produce, piece) for piece in pieces]
        try:
            await upload("bucket", "key", producers, sizes=point.sizes if point.knows_sizes else None)
            end = "object"
        except KilledWorker:
            end = "nothing"
    found = store.objects.get(("bucket", "key"))
    wanted = b"".join(pieces) if end == "object" else None
    if (None if found is None else found.body) != wanted:
        return end, "not exact"
    if store.store.uploads:
        return end, "upload left open"
    return end, "" if store.deaths else "no process died"


async def main() -> None:
    """Play the points that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    began = time.monotonic()
    found: Counter[str] = Counter()
    async with KillingStore() as store, cluster_in_loop(workers=0) as (scheduler, client), AsyncExitStack() as stack:
        factory = replace(StoreDriver.of(store, PART), names_process=True)  # before the workers get their environment
        for _ in range(WORKERS):
            await stack.enter_async_context(worker_process(scheduler))
        for seed in range(options.seed, options.seed + options.count):
            point = Point.draw(seed)
            end, problem = await run_point(store, scheduler, partial(upload_from_workers, client, factory), point)
            found[f"{end}, {problem or 'as promised'}"] += 1
            found["processes killed"] += store.deaths
            if problem:
                print(f"{point}: {end}, {problem}", flush=True)
    print(*(f"{count:4} {what}" for what, count in sorted(found.items())), sep="\n")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main())
