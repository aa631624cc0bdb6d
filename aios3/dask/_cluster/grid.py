"""Places of pieces on the grid of a multipart upload, found as soon as the sizes of all earlier pieces are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["FragmentName", "Grid", "PiecePlace", "SharedPart"]

FragmentName = Literal["head", "tail"]


@dataclass(frozen=True, slots=True)
class PiecePlace:
    """Place of one piece: a head that ends a part, whole parts, and a tail that begins another part."""

    index: int
    """Number of the piece, from 0."""
    size: int
    """Bytes of the piece."""
    head: int
    """Bytes before the first whole part. They belong to a part that an earlier piece has begun."""
    first_part: int
    """Number of the first whole part, if there is one."""
    tail: int
    """Bytes behind the last whole part, with which the next piece continues."""

    @property
    def has_parts(self) -> bool:
        """Whether a whole part lies inside the piece."""
        return self.size > self.head + self.tail


@dataclass(frozen=True, slots=True)
class SharedPart:
    """Part that no piece fills alone."""

    number: int
    fragments: tuple[tuple[int, FragmentName], ...]
    """Pieces and which end of each, in the order of the bytes; empty for the only part of an empty object."""


class Grid:
    """Lays pieces one behind the other on parts of equal size."""

    def __init__(self, part_size: int) -> None:
        """Begin at offset 0 of the object, with parts of `part_size` bytes."""
        self._part_size: Final = part_size
        self._fragments: list[tuple[int, FragmentName]] = []
        self.count = 0
        """Number of pieces that have a place."""
        self.size = 0
        """Bytes of these pieces."""

    def place(self, size: int) -> tuple[PiecePlace, SharedPart | None]:
        """Place the next piece, and return the shared part that it completes, if it completes one."""
        index, head = self.count, min(size, -self.size % self._part_size)
        number, left = divmod(self.size + head, self._part_size)
        tail = (size - head) % self._part_size
        if head:
            self._fragments.append((index, "head"))
        completed = self._complete(number) if head and not left else None
        if tail:
            self._fragments.append((index, "tail"))
        self.count += 1
        self.size += size
        return PiecePlace(index, size, head, number + 1, tail), completed

    def end(self) -> SharedPart | None:
        """Return the last part, if it is shorter than the others; ``None`` if the pieces end where a part ends."""
        if self.size and not self._fragments:
            return None
        return self._complete(self.size // self._part_size + 1)

    def _complete(self, number: int) -> SharedPart:
        completed = SharedPart(number, tuple(self._fragments))
        self._fragments.clear()
        return completed
