"""Turns samples into the Markdown that is printed: medians, spread, ratios, and the facts they belong to."""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final

__all__ = ["Sample", "facts", "table"]

_GIB: Final = 1024**3
_MIB: Final = 1024**2
_DISTRIBUTIONS: Final = ("aios3-upload", "aiohttp", "aiobotocore", "botocore")
_COLUMNS: Final = (
    "client", "CPU s/GiB", "÷ floor", "÷ aiobotocore", "MiB/s", "MiB over idle", "longest stall ms",
    "99.9 % of stalls below, ms", "sink busy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one client. The stalls are set in rounds with the heartbeat, which count for nothing else."""

    bytes: int
    wall_seconds: float
    cpu_seconds: float
    over_idle_bytes: int
    sink_cpu_seconds: float
    resent_bytes: int
    stall_max_seconds: float | None = None
    stall_p999_seconds: float | None = None

    @property
    def cpu_per_gib(self) -> float:
        """CPU seconds, user and system, per GiB streamed."""
        return self.cpu_seconds * _GIB / self.bytes


def table(protocol: str, tls: str | None, samples: dict[str, list[Sample]]) -> str:
    """Return one protocol's table. Rows whose name begins with floor or aiobotocore are what is divided by."""
    lines = [
        f"\n### {protocol}{f' ({tls})' if tls else ''}\n",
        "| " + " | ".join(_COLUMNS) + " |",
        "|---|" + "---:|" * (len(_COLUMNS) - 1),
    ]
    floor, peer = _measured(samples, "floor"), _measured(samples, "aiobotocore")
    for name, taken in samples.items():
        lines.append("| " + " | ".join([name, *_cells(taken, floor, peer)]) + " |")
    resent = {name: sum(sample.resent_bytes for sample in taken) for name, taken in samples.items()}
    lines += [f"\n{name} sent {size} bytes more than the source had." for name, size in resent.items() if size]
    return "\n".join(lines)


def facts(arguments: list[str], size_mib: int, chunk_kib: int, repeats: int, stall_repeats: int) -> str:
    """Return what the figures belong to: command, date, machine, versions."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _DISTRIBUTIONS)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    system = f"{platform.system()} {platform.release()}"
    return "\n".join(
        [
            f"`benchmarks/run.py {' '.join(arguments)}`".replace(" `", "`"),
            "",
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC{_revision()}; load average at the start {load}",
            f"- {os.cpu_count()} cores, {_processor()}, {_memory_gib():.0f} GiB; {system}",
            f"- {platform.python_implementation()} {platform.python_version()}, {ssl.OPENSSL_VERSION}; {versions}",
            f"- a stream of {size_mib} MiB in chunks of {chunk_kib} KiB; parts of 5 MiB, 8 in flight",
            f"- median (least-most) of {repeats} rounds, a ratio is the median of the rounds' ratios; stalls from "
            f"{stall_repeats} further rounds",
        ]
    )


def _measured(samples: dict[str, list[Sample]], prefix: str) -> list[Sample]:
    for name, taken in samples.items():
        if name.startswith(prefix):
            return _without_heartbeat(taken)
    return []


def _without_heartbeat(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.stall_max_seconds is None]


def _cells(samples: list[Sample], floor: list[Sample], peer: list[Sample]) -> list[str]:
    measured = _without_heartbeat(samples)
    return [
        _spread(measured, lambda sample: sample.cpu_per_gib, ".2f"),
        _ratio(measured, floor),
        _ratio(measured, peer),
        _spread(measured, lambda sample: sample.bytes / _MIB / sample.wall_seconds, ".0f"),
        _spread(measured, lambda sample: sample.over_idle_bytes / _MIB, ".0f"),
        _stall([sample.stall_max_seconds for sample in samples]),
        _stall([sample.stall_p999_seconds for sample in samples]),
        f"{median(sample.sink_cpu_seconds / sample.wall_seconds for sample in measured):.0%}",
    ]


def _spread(samples: list[Sample], figure: Callable[[Sample], float], form: str) -> str:
    values = [figure(sample) for sample in samples]
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def _ratio(samples: list[Sample], others: list[Sample]) -> str:
    # Round by round: what slowed a whole round down falls out.
    if not others:
        return ""
    return f"{median(a.cpu_per_gib / b.cpu_per_gib for a, b in zip(samples, others, strict=True)):.2f}"


def _stall(seconds: list[float | None]) -> str:
    values = [value * 1000 for value in seconds if value is not None]
    return f"{median(values):.1f}" if values else ""


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _revision() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return f", revision {answer.stdout.strip()}" if answer.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
