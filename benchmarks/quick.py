"""Two minutes before and after a change: ``python -m benchmarks.quick --save``, then ``python -m benchmarks.quick``.

What is compared are ratios to a reference that was measured in turns with
aios3, so that a machine that is busier now than it was then matters little.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias

from benchmarks.job import MIB
from benchmarks.report import Result
from benchmarks.rounds import Sample
from benchmarks.run import measure
from benchmarks.workloads import WORKLOADS, Workload, scaled

__all__ = ["compared", "figures_of", "main"]

Figures: TypeAlias = dict[str, list[float]]

_SUBJECT: Final = "aios3"
_BEFORE: Final = Path(sys.prefix) / "bench-quick.json"
_NOTICED: Final = 0.05
"""The part of a figure that a change has to reach to be one."""
_PLAN: Final[dict[str, dict[str, Any]]] = {
    "stream": {"size": 256 * MIB},
    "small": {"uploads": 1000},
    "many": {"uploads": 16, "at_once": 16, "size": 16 * MIB},
    "stall": {"size": 256 * MIB, "protocols": ("https",)},
}


def main() -> None:
    """Measure; keep it as what was before, or compare it with that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--save", action="store_true", help="keep the figures as those of before")
    parser.add_argument("--before", type=Path, default=_BEFORE, help="where those are kept")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    workloads = [scaled(replace(WORKLOADS[name], **changes), options.scale, {}) for name, changes in _PLAN.items()]
    now = measure(workloads, ["floor", "aiohttp", _SUBJECT], options.repeats, longest=60)
    if options.save:
        now.save(options.before)
    is_after = options.before.exists() and not options.save
    before = figures_of(Result.load(options.before)) if is_after else {}
    print("\n".join(compared(before, figures_of(now))))
    sys.exit(any(entry.is_failure for entry in now.not_run))


def figures_of(result: Result) -> Figures:
    """Return the figures that are compared, one value for each round; less is better in all of them."""
    figures: Figures = {}
    for workload in result.workloads:
        for protocol in workload.protocols:
            here = [entry for entry in result.samples if (entry.workload, entry.protocol) == (workload.name, protocol)]
            for name, value in _figures(workload, here):
                figures.setdefault(f"{workload.name}, {protocol}: {name}", []).append(value)
    return figures


def _figures(workload: Workload, samples: list[Sample]) -> Iterator[tuple[str, float]]:
    references = {entry.turn: entry for entry in samples if entry.client == workload.reference}
    for sample in samples:
        if sample.client != _SUBJECT or sample.turn not in references:
            continue
        if sample.stall_max_seconds is not None and sample.stall_p999_seconds is not None:
            yield "longest stall, ms", sample.stall_max_seconds * 1000
            yield "99.9 % of stalls below, ms", sample.stall_p999_seconds * 1000
            continue
        reference = references[sample.turn]
        yield f"CPU ÷ {workload.reference}", sample.cpu_seconds / reference.cpu_seconds
        yield f"time ÷ {workload.reference}", sample.wall_seconds / reference.wall_seconds
        yield "MiB over idle", sample.over_idle_bytes / MIB


def compared(before: Figures, now: Figures) -> Iterator[str]:
    """Yield a table: medians, ranges, and a verdict; where the ranges overlap nothing has changed."""
    yield "| figure (less is better) | before | now | |"
    yield "|---|---:|---:|---|"
    for name, values in now.items():
        then = before.get(name, [])
        yield f"| {name} | {_text(then)} | {_text(values)} | {_verdict(then, values)} |"


def _text(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})" if values else ""


def _verdict(before: list[float], now: list[float]) -> str:
    if not before:
        return ""
    is_apart = max(now) < min(before) or min(now) > max(before)
    change = median(now) - median(before)
    if not is_apart or abs(change) < _NOTICED * median(before):
        return "the same"
    return "better" if change < 0 else "WORSE"


if __name__ == "__main__":
    main()
