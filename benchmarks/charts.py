"""Draws bars from a saved result: ``python -m benchmarks.charts`` writes ``docs/images/speed.svg``."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.columns import cost
from benchmarks.contestants import contestant
from benchmarks.job import MIB
from benchmarks.report import Result
from benchmarks.rounds import Sample
from benchmarks.workloads import Workload

__all__ = ["as_chart"]

ROOT: Final = Path(__file__).parent.parent
CLIENTS: Final = ("floor", "aios3", "aiobotocore", "obstore", "boto3")
WIDTH, LEFT, ROW, TOP = 960, 210, 24, 30
Measure = Callable[[Workload, Sample], float]
MEASURES: Final[dict[str, Measure]] = {
    "CPU seconds per GiB": cost,
    "MiB over idle": lambda _, sample: sample.over_idle_bytes / MIB,
    "longest stall of the event loop, ms": lambda _, sample: 1000 * (sample.stall_max_seconds or 0),
}


def as_chart(result: Result) -> str:
    """Return the https streams of `CLIENTS` as an SVG document: a group of bars for each measure, medians."""
    body: list[str] = []
    top = TOP
    for title, measure in MEASURES.items():
        workload = next(each for each in result.workloads if each.name == ("stall" if "stall" in title else "stream"))
        values = [(name, _median(result, workload, name, measure)) for name in CLIENTS]
        values = [(name, value) for name, value in values if value]
        body.append(f'<text class="b" x="16" y="{top}">{title}</text>')
        for number, (name, value) in enumerate(values):
            y = top + 10 + ROW * number
            length = (WIDTH - LEFT - 80) * value / max(value for _, value in values)
            colour = "#2f6fb3" if name == "aios3" else "#b8c4d0"
            body += [
                f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(contestant(name).title)}</text>',
                f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{ROW - 7}" fill="{colour}"/>',
                f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{value:.3g}</text>',
            ]
        top += 10 + ROW * len(values) + 34
    rounds = len({each.turn for each in result.samples})
    sources = [f"https, 64 KiB chunks, {rounds} rounds, medians. {result.facts[2]}", result.facts[0]]
    top += 16 * len(sources) - 16
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 6}" role="img" aria-label="'
            f'CPU time, memory and stalls of a stream over https. Shorter bars are better.">',
            "<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.b{font-weight:600}.s{font-size:11px}</style>",
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{top + 5}" rx="8" fill="#fff" stroke="#d0d7de"/>',
            *body,
            *(
                f'<text class="s" x="16" y="{top - 6 - 16 * below}">{escape(source)}</text>'
                for below, source in enumerate(reversed(sources))
            ),
            "</svg>\n",
        ]
    )


def _median(result: Result, workload: Workload, client: str, measure: Measure) -> float:
    found = [
        measure(workload, sample)
        for sample in result.samples
        if (sample.workload, sample.protocol, sample.client) == (workload.name, "https", client)
    ]
    return median(found) if found else 0.0


def main() -> None:
    """Write the chart of the newest result."""
    result = Result.load(ROOT / "benchmarks" / "results" / "latest.json")
    (ROOT / "docs" / "images" / "speed.svg").write_text(as_chart(result))


if __name__ == "__main__":
    main()
