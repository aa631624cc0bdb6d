"""Command of ``make soak``: hundreds of uploads at once, for minutes, through a proxy that breaks connections.

Prints a row of gauges every five seconds and at each moment of rest. Exits with 0 if every upload kept its promises
and nothing grew, else with 1. Ctrl-C ends the run early, with the same check.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
from urllib.parse import urlsplit

from aios3.options import MIB
from tests.stores.stores import STORES, RunningStore

from .fault_proxy import running_proxy
from .run import Soak, Target


async def soak(store: RunningStore, options: argparse.Namespace) -> bool:
    """Run the soak against a store, print its results, and return whether every promise was kept."""
    url = urlsplit(store.endpoint_url)
    async with running_proxy(url.hostname or "", url.port or 80, options.seed, options.faults) as proxy:
        target = Target(
            store.provider, store.region, store.credentials, store.endpoint_url, proxy.endpoint_url, store.process_ids
        )
        run = Soak(target, options.seed, options.workers)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, run.interrupted.set)
        print(f"seed {options.seed}, {store.name} {store.version}, {options.workers} uploads at once\n")
        await run.run(60 * options.minutes, options.rounds)
    print_summary(run, proxy.done)
    return not run.problems


def print_summary(run: Soak, faults: dict[str, int]) -> None:
    """Print the endings of the uploads, the faults of the proxy, and the broken promises."""
    print(f"\nuploads: {dict(run.words.most_common())}")
    print(f"faults: {faults}")
    facts = {name: f"{count / MIB:.1f} MiB" if "bytes" in name else count for name, count in run.facts.items()}
    print(f"also: {facts}; a cancelled upload ended within {run.slowest_end:.1f} s")
    for problem in run.problems[:40]:
        print(f"BROKEN: {problem}")
    print(f"{len(run.problems)} problems" if run.problems else "every promise was kept, and nothing grew")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of uploading; ending and looking come on top")
    parser.add_argument("--rounds", type=int, default=5, help="moments of rest after the first one")
    parser.add_argument("--workers", type=int, default=200, help="uploads at once")
    parser.add_argument("--faults", type=float, default=0.02, help="the probability of a reset per answer")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--store", choices=STORES, default="rclone")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the soak, and exit."""
    options = parse(sys.argv[1:])
    with STORES[options.store]() as store:
        is_good = asyncio.run(soak(store, options))
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
