"""How aios3 would cut a source: its own plan and cutter, driven with sizes alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from aios3 import ConfigurationError, PartLimitError, Provider, TransferConfig
from aios3._protocol.parts.part_buffer import PartBuffer
from aios3._protocol.parts.part_plan import PartPlan, plan_upload

__all__ = ["CONCURRENCY", "Layout", "Refused", "lay_out", "sizes_of"]

CONCURRENCY: Final = 8
_DEFAULTS: Final = TransferConfig()
_MORE_PARTS: Final = 10
_MORE_MEMORY: Final = 6
"""How often the defaults are doubled at most: to 5 GiB a part, and to 16 GiB, in which parts can grow to that."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one source is cut, with the least options, in doublings of the defaults, that take it to its end."""

    provider: str
    size: int
    is_declared: bool
    part_size: int
    memory_limit: int
    parts: int
    """1 is one PutObject."""
    first: int
    largest: int
    last: int
    held: int
    """Source bytes in memory, at most."""
    requests: int
    """If none has to be repeated, without the HEAD that may come last."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A source that is too large for the store, whatever the options."""

    provider: str
    size: int
    is_declared: bool
    most: int
    """Bytes of the largest object there."""


def lay_out(provider: Provider, size: int, *, is_declared: bool) -> Layout | Refused:
    """Cut a source of ``size`` bytes, told beforehand or not."""
    most = min(provider.max_parts * provider.max_part_size, provider.max_object_size or sys.maxsize)
    if size <= most:
        for transfer in _options(provider):
            try:
                plan = plan_upload(provider, transfer, transfer, size=size if is_declared else None)
                sizes = sizes_of(plan, size)
            except (ConfigurationError, PartLimitError):
                continue
            return _layout(provider, transfer, sizes, is_declared)
    return Refused(provider.name, size, is_declared, most)


def _options(provider: Provider) -> Iterator[TransferConfig]:
    """Yield the defaults, then more memory, then larger parts with all the memory limits that hold one."""
    parts = [min(_DEFAULTS.part_size << step, provider.max_part_size) for step in range(_MORE_PARTS + 1)]
    limits = [_DEFAULTS.memory_limit << step for step in range(_MORE_MEMORY + 1)]
    for part_size, limit in product(parts, limits):
        if part_size <= limit:
            yield TransferConfig(part_size=part_size, memory_limit=limit, concurrency=CONCURRENCY)


def sizes_of(plan: PartPlan, size: int) -> list[int]:
    """Return the bytes of every part of a source.

    Raises:
        PartLimitError: the source is longer than all parts together.
    """
    cutter = PartBuffer(plan)
    sizes: list[int] = []
    while size > 0:
        cutter.begin()
        sizes.append(min(size, cutter.missing))
        size -= sizes[-1]
        cutter.take()
    return sizes


def _layout(provider: Provider, transfer: TransferConfig, sizes: list[int], is_declared: bool) -> Layout:
    size, largest = sum(sizes), max(sizes)
    return Layout(
        provider=provider.name,
        size=size,
        is_declared=is_declared,
        part_size=transfer.part_size,
        memory_limit=transfer.memory_limit,
        parts=len(sizes),
        first=sizes[0],
        largest=largest,
        last=sizes[-1],
        held=min((CONCURRENCY + 1) * largest, transfer.memory_limit, size),
        requests=1 if len(sizes) == 1 else len(sizes) + 2,
    )
