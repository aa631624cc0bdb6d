"""The record of parts: complete and in order, or an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios3._protocol.parts.part_tracker import PartTracker
from aios3.errors import IntegrityError
from aios3.models import UploadedPart


def tracker_of(*numbers: int) -> PartTracker:
    tracker = PartTracker()
    for number in numbers:
        tracker.record(number, size=10, etag=f'"{number}"', checksum=f"c{number}")
    return tracker


def test_parts_are_listed_in_order() -> None:
    tracker = tracker_of(3, 1, 2)
    assert tracker.finish(count=3, size=30) == ((1, '"1"', "c1"), (2, '"2"', "c2"), (3, '"3"', "c3"))


def test_a_receipt_gets_the_etags_without_quotes() -> None:
    tracker = PartTracker()
    second = tracker.record(2, size=5, etag="W/bare")
    first = tracker.record(1, size=7, etag='"quoted"', checksum="c")
    assert (first, second) == (UploadedPart(1, 7, "quoted", "c"), UploadedPart(2, 5, "bare", None))
    assert tracker.uploaded_parts() == (first, second)


def test_a_part_is_acknowledged_once() -> None:
    """Another answer for it would make one of the two ETags wrong."""
    tracker = tracker_of(1, 2)
    with pytest.raises(IntegrityError, match="part 2 was acknowledged twice"):
        tracker.record(2, size=10, etag="e")
    assert (len(tracker), tracker.bytes_stored) == (2, 20)


@pytest.mark.parametrize(
    ("numbers", "count", "words"),
    [
        ((1, 3), 3, r"2 of 3 parts were acknowledged; missing: \[2\]"),
        ((2, 3), 3, r"missing: \[1\]"),
        ((1, 2), 3, r"missing: \[3\]"),
        ((), 2, r"0 of 2 parts were acknowledged; missing: \[1, 2\]"),
        ((1, 2, 3), 2, "3 of 2 parts"),
        ((), 100, r"missing: \[1, 2, 3, 4, 5, 6, 7, 8, 9, 10\]"),
    ],
)
def test_a_gap_is_never_committed(numbers: tuple[int, ...], count: int, words: str) -> None:
    with pytest.raises(IntegrityError, match=words):
        tracker_of(*numbers).finish(count=count, size=10 * count)


@pytest.mark.parametrize("size", [29, 31])
def test_another_size_is_never_committed(size: int) -> None:
    with pytest.raises(IntegrityError, match=f"the source had {size} bytes, but the parts hold 30"):
        tracker_of(1, 2, 3).finish(count=3, size=size)


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)))
def test_any_order_and_any_loss(order: list[int], lost: set[int]) -> None:
    tracker = tracker_of(*(number for number in order if number not in lost))
    if lost:
        with pytest.raises(IntegrityError):
            tracker.finish(count=11, size=110)
    else:
        assert [number for number, _, _ in tracker.finish(count=11, size=110)] == list(range(1, 12))


def test_what_is_durable_ends_at_the_first_gap() -> None:
    tracker = PartTracker()
    durable = []
    for number in (2, 1, 5, 3, 4):
        tracker.record(number, size=10**number, etag=f'"{number}"')
        durable.append((tracker.bytes_durable, [part.number for part in tracker.durable_parts()]))
    assert durable == [(0, []), (110, [1, 2]), (110, [1, 2]), (1_110, [1, 2, 3]), (111_110, [1, 2, 3, 4, 5])]
    assert PartTracker().bytes_durable == 0


def test_restored_parts_are_as_if_they_had_been_sent() -> None:
    parts = (UploadedPart(1, 7, "first", "c"), UploadedPart(2, 5, "second", None))
    tracker = PartTracker()
    tracker.restore(parts)
    assert (tracker.bytes_stored, tracker.bytes_durable, tracker.durable_parts()) == (12, 12, parts)
    assert tracker.finish(count=2, size=12) == ((1, '"first"', "c"), (2, '"second"', None))
    with pytest.raises(IntegrityError, match="part 1 was acknowledged twice"):
        tracker.restore(parts)


def test_only_parts_with_a_checksum_are_combined() -> None:
    tracker = PartTracker()
    tracker.record(3, size=30, etag="e", checksum="c3")
    tracker.record(2, size=20, etag="e")
    tracker.record(1, size=10, etag="e", checksum="c1")
    assert tracker.checksums() == [("c1", 10), ("c3", 30)]
