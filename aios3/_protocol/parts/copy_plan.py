"""Sizes of the parts of a copy, whose bytes pass neither the network nor the memory of this process."""

from __future__ import annotations

from typing import Final

from aios3.errors import PartLimitError
from aios3.options import MIB
from aios3.providers import Provider

from .part_plan import PartPlan

__all__ = ["plan_copy"]

_USUAL: Final = 256 * MIB
"""Bytes of a part. A store copies one within seconds, and some at once are as fast as the store."""


def plan_copy(provider: Provider, size: int) -> PartPlan:
    """Lay out the parts of a copy of `size` bytes, all equal but the last.

    Raises:
        PartLimitError: `size` is more than the provider's parts can hold.
    """
    most = min(provider.max_part_size, provider.max_copy_size)
    needed = -(-size // provider.max_parts)
    if needed > most:
        raise PartLimitError(f"{size} bytes are more than {provider.max_parts} copied parts of {most} bytes can hold")
    rounded = -(-needed // MIB) * MIB
    part = min(most, max(provider.min_part_size, _USUAL, rounded))
    return PartPlan(part, part, provider.max_parts)
