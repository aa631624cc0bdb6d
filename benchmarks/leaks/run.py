"""Fills the table and writes it: ``python -m benchmarks.leaks.run``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.leaks.cells import Cell, fill
from benchmarks.leaks.clients import CLIENTS
from benchmarks.leaks.report import Results, as_json, as_markdown
from benchmarks.leaks.stores import STORE_NAMES, Store, running_store
from benchmarks.leaks.verdicts import Observation
from benchmarks.leaks.ways import WAYS

_AT_ONCE: Final = 8
"""Cells that are filled at the same time; each is mostly waiting."""


def main() -> None:
    """Fill what was asked for."""
    options = _options()
    _forget_surroundings()
    context = multiprocessing.get_context("forkserver")
    modules = [f"benchmarks.leaks.clients.{module}" for module, _ in CLIENTS.values()]
    context.set_forkserver_preload(["benchmarks.leaks.cells", *modules])
    began = time.monotonic()
    with ExitStack() as stack:
        stores = {name: stack.enter_context(running_store(name)) for name in options.stores}
        results = _fill_all(options, stores, context)
    versions = {store.name: store.version for store in stores.values()}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    if missing := [cell for cell, seen in results.items() if seen.failure]:
        # A table with holes would look better than it is.
        sys.exit(f"{len(missing)} of {len(results)} cells were not measured, for example {missing[0]}")
    text = as_markdown(results, versions, time.monotonic() - began)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)


def _fill_all(
    options: argparse.Namespace, stores: dict[str, Store], context: multiprocessing.context.ForkServerContext
) -> Results:
    cells = [Cell(store, way, client) for way in options.ways for client in options.clients for store in stores]
    deadline = time.monotonic() + options.limit

    def fill_in_time(cell: Cell) -> Observation:
        if time.monotonic() > deadline:
            return Observation(failure=f"the run took longer than {options.limit} s")
        return fill(cell, stores[cell.store], context)

    results = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for cell, seen in zip(cells, pool.map(fill_in_time, cells), strict=True):
            results[cell] = seen
            print(f"{len(results)}/{len(cells)} {cell.store}, {cell.way}, {cell.client}", file=sys.stderr)
    return results


def _forget_surroundings() -> None:
    """Remove from the environment what would lead a client elsewhere: proxies and AWS settings."""
    for name in list(os.environ):
        if name.upper().startswith("AWS_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=STORE_NAMES, default=list(STORE_NAMES))
    parser.add_argument("--clients", nargs="+", choices=list(CLIENTS), default=list(CLIENTS))
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which no more cells are begun")
    parser.add_argument("--output", type=Path, help="the Markdown file; standard output if it is not given")
    parser.add_argument("--json", type=Path, help="a file for all that was seen")
    return parser.parse_args()


if __name__ == "__main__":
    main()
