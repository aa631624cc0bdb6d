"""The columns of the tables: what each says about the runs of one client, beside those it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, TypeAlias

from benchmarks.job import GIB, MIB
from benchmarks.rounds import Sample
from benchmarks.workloads import Workload

__all__ = ["COLUMNS", "cost", "spread"]

Column: TypeAlias = Callable[[Workload, Sequence[Sample], Sequence[Sample]], str]


def spread(values: Sequence[float], form: str) -> str:
    """Return the median and, if there is more than one value, the least and the most."""
    text = f"{median(values):{form}}"
    return f"{text} ({min(values):{form}}-{max(values):{form}})" if len(values) > 1 else text


def cost(workload: Workload, sample: Sample) -> float:
    """Return CPU seconds per GiB, of small objects CPU milliseconds per object."""
    if workload.kind == "put":
        return sample.cpu_seconds * 1000 / workload.uploads
    return sample.cpu_seconds * GIB / workload.total


def _cost(workload: Workload, samples: Sequence[Sample], _: Sequence[Sample]) -> str:
    return spread([cost(workload, sample) for sample in samples], ".2f")


def _ratio(figure: str) -> Column:
    def column(_: Workload, samples: Sequence[Sample], reference: Sequence[Sample]) -> str:
        # Round by round: what slowed a whole round down falls out.
        others = {sample.turn: getattr(sample, figure) for sample in reference}
        pairs = [(getattr(sample, figure), others.get(sample.turn)) for sample in samples]
        ratios = [value / other for value, other in pairs if value is not None and other]
        return f"{median(ratios):.2f}" if ratios else ""

    return column


def _speed(workload: Workload, samples: Sequence[Sample], _: Sequence[Sample]) -> str:
    return spread([workload.total / MIB / sample.wall_seconds for sample in samples], ".0f")


def _objects(workload: Workload, samples: Sequence[Sample], _: Sequence[Sample]) -> str:
    return spread([workload.uploads / sample.wall_seconds for sample in samples], ".0f")


def _memory(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    return spread([sample.over_idle_bytes / MIB for sample in samples], ".0f")


def _wall(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    return spread([sample.wall_seconds for sample in samples], ".2f")


def _ideal(workload: Workload, samples: Sequence[Sample], _: Sequence[Sample]) -> str:
    ideal = workload.ideal_seconds
    return f"{median(sample.wall_seconds for sample in samples) / ideal:.2f}" if ideal else ""


def _sink(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    return f"{median(sample.sink_cpu_seconds / sample.wall_seconds for sample in samples):.0%}"


def _fast(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    taken = [sample.fast_seconds for sample in samples if sample.fast_seconds is not None]
    return spread(taken, ".2f") if taken else ""


def _milliseconds(values: Sequence[float | None]) -> str:
    known = [value * 1000 for value in values if value is not None]
    return spread(known, ".1f") if known else ""


def _tail(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    return _milliseconds([sample.tail_seconds for sample in samples])


def _longest_stall(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    return _milliseconds([sample.stall_max_seconds for sample in samples])


def _usual_stall(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
    return _milliseconds([sample.stall_p999_seconds for sample in samples])


def _count(name: str, unit: int = 1) -> Column:
    def column(_: Workload, samples: Sequence[Sample], __: Sequence[Sample]) -> str:
        return f"{median(getattr(sample, name) / unit for sample in samples):.0f}"

    return column


COLUMNS: Final[dict[str, tuple[tuple[str, Column], ...]]] = {
    "cpu": (("CPU s/GiB", _cost),),
    "object": (("CPU ms per object", _cost),),
    "ratio": (("÷ {reference}", _ratio("cpu_seconds")),),
    "speed": (("MiB/s", _speed),),
    "objects": (("objects/s", _objects),),
    "memory": (("MiB over idle", _memory),),
    "wall": (("s", _wall),),
    "ideal": (("÷ ideal", _ideal),),
    "fast": (("fast one done, s", _fast), ("÷ {reference}", _ratio("fast_seconds"))),
    "tail": (("last byte to done, ms", _tail),),
    "stalls": (("longest stall, ms", _longest_stall), ("99.9 % of stalls below, ms", _usual_stall)),
    "sink": (("sink busy", _sink),),
    "connections": (("connections", _count("connections")),),
    "throttled": (("SlowDowns", _count("throttled")), ("requests", _count("requests"))),
    "resent": (("MiB sent twice", _count("resent_bytes", MIB)),),
}
"""By the name that a workload calls them by."""
