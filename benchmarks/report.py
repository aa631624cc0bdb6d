"""Keeps what was measured and writes it as Markdown: ``python -m benchmarks.report RESULT.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.columns import COLUMNS
from benchmarks.contestants import contestant
from benchmarks.job import KIB, MIB
from benchmarks.rounds import NotRun, Sample
from benchmarks.sinks import Shape
from benchmarks.workloads import Workload

__all__ = ["Result", "as_markdown"]

_FAILURE_LENGTH: Final = 200


@dataclass(slots=True)
class Result:
    """Everything that one call of the runner has found out."""

    facts: list[str]
    versions: dict[str, str]
    workloads: list[Workload] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)

    def add(self, found: Sample | NotRun) -> None:
        """Take in what a run gave."""
        if isinstance(found, Sample):
            self.samples.append(found)
        else:
            self.not_run.append(found)

    def save(self, path: Path) -> None:
        """Write it as JSON, in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        new.rename(path)

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read what `save` wrote."""
        kept: dict[str, Any] = json.loads(path.read_text())
        return cls(
            facts=kept["facts"],
            versions=kept["versions"],
            workloads=[_workload(entry) for entry in kept["workloads"]],
            samples=[Sample(**entry) for entry in kept["samples"]],
            not_run=[NotRun(**entry) for entry in kept["not_run"]],
        )


def _workload(entry: dict[str, Any]) -> Workload:
    lists = {name: tuple(entry[name]) for name in ("protocols", "columns")}
    return Workload(**entry | lists | {"shape": Shape(**entry["shape"])})


def as_markdown(result: Result) -> str:
    """Return the facts, a table for each workload and protocol, and what did not run."""
    lines = [f"- {fact}" for fact in result.facts]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
    lines += [f"- {versions}"] if versions else []
    for workload in result.workloads:
        lines += _tables(workload, result)
    lines += _what_did_not_run(result.not_run)
    return "\n".join(lines) + "\n"


def _tables(workload: Workload, result: Result) -> Iterator[str]:
    yield f"\n## {workload.title}"
    yield f"\n`{workload.name}`: {_figures(workload)}"
    for protocol in workload.protocols:
        rows: dict[str, list[Sample]] = {}
        for sample in result.samples:
            if (sample.workload, sample.protocol) == (workload.name, protocol):
                rows.setdefault(sample.client, []).append(sample)
        if rows:
            yield from _table(workload, protocol, rows)


def _table(workload: Workload, protocol: str, rows: dict[str, list[Sample]]) -> Iterator[str]:
    columns = [column for name in workload.columns for column in COLUMNS[name]]
    reference = rows.get(workload.reference, [])
    titles = [title.format(reference=workload.reference) for title, _ in columns]
    tls = next((sample.tls for samples in rows.values() for sample in samples), "")
    yield f"\n### {protocol}{f' ({tls})' if tls else ''}\n"
    yield "| " + " | ".join(["client", *titles]) + " |"
    yield "|---|" + "---:|" * len(titles)
    for name, samples in rows.items():
        cells = [column(workload, samples, reference) for _, column in columns]
        yield "| " + " | ".join([contestant(name).title, *cells]) + " |"


def _figures(workload: Workload) -> str:
    shape = workload.shape
    said = [f"{workload.uploads} x {_bytes(workload.size)}, {workload.at_once} at once"]
    said += [f"the first {_bytes(workload.head)} of each at once"] if workload.head else []
    said += [f"after {workload.fast_after:g} s {workload.fast} x {_bytes(workload.fast_size)}"] if workload.fast else []
    said += [f"chunks of {_bytes(workload.chunk_size)}"] if workload.kind == "stream" else []
    said += [f"parts of {_bytes(workload.part_size)}, {workload.concurrency} in flight"]
    said += [f"memory_limit {_bytes(workload.memory_limit)}"] if workload.memory_limit else []
    said += [f"{workload.rate / 1e6:g} MB/s a source"] if workload.rate else []
    said += [f"{shape.latency * 1000:g} ms a round trip"] if shape.latency else []
    said += [f"{shape.rate / 1e6:g} MB/s a connection"] if shape.rate else []
    said += [f"{shape.requests:g} requests/s"] if shape.requests else []
    said += [f"ideal {workload.ideal_seconds:.2f} s"] if workload.ideal_seconds else []
    return "; ".join(said)


def _bytes(count: int) -> str:
    if count % KIB:
        return f"{count} bytes"
    return f"{count // MIB} MiB" if count % MIB == 0 else f"{count // KIB} KiB"


def _what_did_not_run(missing: list[NotRun]) -> Iterator[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in missing:
        reason = " ".join(entry.reason.split())[-_FAILURE_LENGTH:]
        where = " ".join(filter(None, (entry.workload, entry.protocol)))
        kind = "failed: " if entry.is_failure else ""
        reasons.setdefault((entry.client, f"{kind}{reason}"), []).append(where)
    if reasons:
        yield "\n## Not run\n"
    for (client, reason), places in reasons.items():
        where = f" ({', '.join(filter(None, places))})" if any(places) else ""
        yield f"- {client}{where}: {reason}"


def main() -> None:
    """Print a saved result."""
    print(as_markdown(Result.load(Path(sys.argv[1]))), end="")


if __name__ == "__main__":
    main()
