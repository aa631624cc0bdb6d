"""Plan of one upload and its ending, drawn beforehand from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from aios3.options import KIB, MIB

__all__ = ["PART", "Ending", "Kind", "Plan", "draw_plan"]

PART: Final = 5 * MIB
Kind = Literal["generator", "reader", "bytes", "sync_iterator", "file", "writer"]
KINDS: Final[tuple[Kind, ...]] = (
    "generator", "generator", "generator", "reader", "bytes", "sync_iterator", "file", "writer", "writer",
)  # fmt: skip
Ending = Literal["none", "cancel", "cancel_twice", "timeout", "source_error", "too_short", "too_long", "max_size"]
_ENDINGS: Final[dict[Ending, int]] = {
    "none": 60, "cancel": 12, "cancel_twice": 4, "timeout": 6, "source_error": 8, "too_short": 3, "too_long": 3,
    "max_size": 4,
}  # fmt: skip
_LARGEST: Final = 20 * MIB
_EDGES: Final = (0, 0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 1, _LARGEST)


@dataclass(frozen=True, slots=True)
class Plan:
    """Parameters of one upload."""

    number: int
    kind: Kind
    size: int
    """Bytes of the source."""
    chunk: int
    """Bytes of each chunk except the last."""
    pause: float
    """Seconds before each chunk, for kinds of sources that can wait."""
    ending: Ending
    moment: float
    """Moment of the ending: seconds after the start, or for a source the share of its bytes that it gives."""
    is_declared: bool
    has_old: bool
    """Whether the key holds an object before the upload."""
    is_read_back: bool
    """Whether the whole object is compared afterwards, not only its length and both ends."""

    @property
    def key(self) -> str:
        """Key that no other upload has."""
        return f"{self.number:06}/{self.kind}-{self.size}"

    @property
    def must_fail(self) -> bool:
        """Whether the source or its declared size allows no commit."""
        if self.ending in ("too_long", "max_size"):
            return self.size > 0
        return self.ending in ("source_error", "too_short")


def _draw_size(random: Random) -> int:
    match random.randrange(10):
        case 0 | 1:
            return random.choice(_EDGES)
        case 2 | 3 | 4:
            return random.randrange(64 * KIB)
        case 5 | 6:
            return random.randrange(PART)
        case 7 | 8:
            return random.randrange(PART, 2 * PART)
        case _:
            return random.randrange(_LARGEST + 1)


def draw_plan(seed: int, number: int) -> Plan:
    """Draw the plan of one upload. The same seed and number give the same plan."""
    random = Random(f"{seed}/{number}")
    kind, size = random.choice(KINDS), _draw_size(random)
    (ending,) = random.choices(list(_ENDINGS), list(_ENDINGS.values()))
    if ending == "source_error" and kind in ("bytes", "file"):
        ending = "cancel"  # these cannot fail
    if ending in ("too_short", "too_long", "max_size") and kind == "file":
        ending = "none"  # a file says its size itself
    moment = random.random() if ending == "source_error" else random.choice((0.0, 0.05, 1.0, 3.0)) * random.random()
    return Plan(
        number=number,
        kind=kind,
        size=size,
        chunk=random.choice((4 * KIB, 64 * KIB, 100_003, MIB) if size < MIB else (100_003, 256 * KIB, MIB, 3 * MIB)),
        pause=random.choice((0.0, 0.0, 0.001, 0.02)),
        ending=ending,
        moment=moment,
        is_declared=random.random() < 0.4,
        has_old=random.random() < 0.3,
        is_read_back=random.random() < 0.35,
    )
