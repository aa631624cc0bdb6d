"""Scripts of one client, drawn from a seed: what is uploaded, and by which requests."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["KINDS", "Script", "draw"]

KINDS: Final = ("plain", "with_upload", "deferred", "terminated", "checksum", "concatenated")


@dataclass(frozen=True, slots=True)
class Script:
    """Requests of one client."""

    seed: int
    kind: str
    size: int
    """Bytes of the object."""
    chunks: tuple[int, ...]
    """Bytes of each body in turn; the last one repeats until the end."""

    @property
    def content(self) -> bytes:
        """Bytes of the object, no two parts of which are alike."""
        return Random(self.seed).randbytes(self.size)


def draw(seed: int, part_size: int, kinds: tuple[str, ...] = KINDS) -> Script:
    """Draw a script whose sizes lie on the part grid, beside it, and far from it."""
    random = Random(seed)
    kind = kinds[seed % len(kinds)]

    def near_the_grid(parts: int) -> int:
        return max(1, parts * part_size + random.choice((-1, 0, 1, part_size // 3, -part_size // 7)))

    size = near_the_grid(random.choice((0, 1, 2)))
    chunks = tuple(near_the_grid(random.choice((0, 0, 1))) for _ in range(2)) + (part_size // 2 + 1,)
    return Script(seed, kind, size, chunks)
