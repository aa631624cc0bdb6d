"""Measures clients side by side: ``python -m benchmarks.run [--workloads NAME ...] [--clients NAME ...]``.

Every run is a process of its own, one at a time, in turns. Progress goes to
standard error; the tables go to standard output, and with ``--output`` into a
file beside the samples they were made of.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.contestants import CONTESTANTS, Contestant, contestant, versions_of
from benchmarks.job import KIB, MIB
from benchmarks.machine import facts
from benchmarks.report import Result, as_markdown
from benchmarks.rounds import NotRun, play_rounds
from benchmarks.workloads import WORKLOADS, Workload, scaled

__all__ = ["main", "measure"]

_RESULTS: Final = Path(__file__).with_name("results")
_USUAL: Final = tuple(name for name in WORKLOADS if not name.startswith("growth"))


def main() -> None:
    """Measure what was asked for and print it; the exit status says whether all that should run did."""
    options = _options()
    if options.list:
        print("\n".join(f"{name:20} {workload.title}" for name, workload in WORKLOADS.items()))
        print("\n".join(f"{name:20} {client.title}" for name, client in CONTESTANTS.items()))
        return
    save_to = _RESULTS / f"{options.output}.json" if options.output else None
    workloads = [scaled(WORKLOADS[name], options.scale, options.changes) for name in options.workloads]
    result = measure(workloads, options.clients, options.repeats, options.longest, save_to)
    text = as_markdown(result)
    if save_to is not None:
        title = f"# Results\n\nWritten by `python -m benchmarks.run {' '.join(sys.argv[1:])}`.\n\n"
        save_to.with_suffix(".md").write_text(title + text)
    print(text, end="")
    sys.exit(any(entry.is_failure for entry in result.not_run))


def measure(
    workloads: list[Workload], names: list[str], repeats: int, longest: float, save_to: Path | None = None
) -> Result:
    """Play the workloads with those clients that are installed, and save after each."""
    result = Result(facts(), {})
    clients = list(_installed(names, result))
    for workload in workloads:
        result.workloads.append(workload)
        with _file_for(workload) as file:
            try:
                for found in play_rounds(workload, clients, repeats=repeats, file=file, longest=longest):
                    result.add(found)
            except LookupError as error:
                result.add(NotRun(workload.name, "", "all", str(error), is_failure=False))
        if save_to is not None:
            result.save(save_to)
    return result


def _installed(names: list[str], result: Result) -> Iterator[Contestant]:
    for name in names:
        client = contestant(name)
        try:
            result.versions |= versions_of(client)
        except LookupError as error:
            result.add(NotRun("", "", name, str(error), is_failure=False))
        else:
            yield client


@contextmanager
def _file_for(workload: Workload) -> Iterator[str | None]:
    """Write the file that is uploaded, so that it is in the page cache; remove it afterwards."""
    if workload.kind != "file":
        yield None
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        block = os.urandom(min(MIB, workload.size))
        with path.open("wb") as file:
            for start in range(0, workload.size, len(block)):
                file.write(block[: workload.size - start])
        yield str(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=list(_USUAL), metavar="NAME")
    parser.add_argument("--clients", nargs="+", default=list(CONTESTANTS), metavar="NAME", help="NAME+uvloop, too")
    parser.add_argument("--list", action="store_true", help="name workloads and clients")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--scale", type=float, default=1.0, help="bytes (or small objects) multiplied by this")
    parser.add_argument("--longest", type=float, default=300.0, help="seconds after which one run is ended")
    parser.add_argument("--output", metavar="NAME", help="write results/NAME.json and results/NAME.md")
    parser.add_argument("--protocol", choices=["http", "https"], help="one protocol instead of a workload's own")
    parser.add_argument("--reference", metavar="CLIENT", help="what ratios are to")
    for name, unit in {"size": "mib", "chunk": "kib", "part": "mib"}.items():
        parser.add_argument(f"--{name}-{unit}", type=int, help=f"exchanges the {name} of every workload")
    for name in ("uploads", "at-once", "concurrency"):
        parser.add_argument(f"--{name}", type=int, help=f"exchanges {name} of every workload")
    options = parser.parse_args()
    for name in options.clients:
        try:
            contestant(name)
        except LookupError as error:
            parser.error(str(error))
    options.changes = dict(_changes(options))
    return options


def _changes(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    bytes_of = {"size": ("size_mib", MIB), "chunk_size": ("chunk_kib", KIB), "part_size": ("part_mib", MIB)}
    for field, (option, unit) in bytes_of.items():
        if getattr(options, option) is not None:
            yield field, getattr(options, option) * unit
    for field in ("uploads", "at_once", "concurrency", "reference"):
        if getattr(options, field) is not None:
            yield field, getattr(options, field)
    if options.protocol:
        yield "protocols", (options.protocol,)


if __name__ == "__main__":
    main()
