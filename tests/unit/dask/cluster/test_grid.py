"""Pieces of any sizes on the grid."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aios3.dask._cluster.grid import Grid

PART = 10


@given(st.lists(st.integers(0, 35)))
def test_pieces_of_any_sizes_fill_each_part_once_and_in_order(sizes):
    content, grid, parts = bytes(index % 251 for index in range(sum(sizes))), Grid(PART), {}
    ends = {}
    offset = 0

    def complete(shared):
        if shared is not None:
            assert shared.number not in parts
            parts[shared.number] = b"".join(ends.pop(name) for name in shared.fragments)

    for index, size in enumerate(sizes):
        piece = content[offset : offset + size]
        place, completed = grid.place(size)
        assert (place.index, place.size) == (index, size)
        assert max(place.head, place.tail) < PART
        ends[index, "head"], ends[index, "tail"] = piece[: place.head], piece[size - place.tail :]
        if not place.has_parts:
            assert place.head + place.tail == size
        for number in range((size - place.head - place.tail) // PART):
            assert place.first_part + number not in parts
            start = place.head + number * PART
            parts[place.first_part + number] = piece[start : start + PART]
        complete(completed)
        offset += size
        assert (grid.count, grid.size) == (index + 1, offset)
    complete(grid.end())
    assert [parts[number] for number in sorted(parts)] == [
        content[start : start + PART] for start in range(0, max(1, len(content)), PART)
    ]
    assert sorted(parts) == list(range(1, len(parts) + 1))
