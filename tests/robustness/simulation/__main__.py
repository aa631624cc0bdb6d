"""Replay of simulations: ``python -m tests.robustness.simulation SEED`` for one, ``FIRST LAST`` for a range."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import asdict
from pprint import pprint

from .run import simulate


def main() -> None:
    logging.disable()  # thousands of uploads are refused their abort on purpose
    seeds = [int(seed) for seed in sys.argv[1:]]
    if len(seeds) == 1:
        result = simulate(seeds[0])
        pprint(asdict(result.schedule), width=140, sort_dicts=False)
        print(result.trace)
        print("\n".join(result.problems) or "every promise was kept")
        return
    began = time.process_time()
    turns = requests = broken = 0
    for seed in range(*seeds):
        result = simulate(seed)
        turns, requests = turns + result.turns, requests + result.requests
        if result.problems:
            broken += 1
            print(f"{seed}: {result.problems[0][:200]}", flush=True)
    spent = time.process_time() - began
    count = seeds[1] - seeds[0]
    print(f"{count} simulations, {requests} requests, {turns} turns, {spent:.1f} s, {broken} broken")


if __name__ == "__main__":
    main()
