"""The record of parts against a model, in any order of acknowledgements, repetitions, looks and attempts to finish."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from aios3._protocol.parts.part_tracker import PartTracker
from aios3.errors import IntegrityError
from aios3.models import UploadedPart

NUMBERS = st.integers(1, 9)
SIZES = st.integers(0, 50)


class TrackerMachine(RuleBasedStateMachine):
    """The model is a dict of sizes by number."""

    numbers = Bundle("numbers")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = PartTracker()
        self.model: dict[int, int] = {}
        self.durable = 0
        self.stored = 0

    @initialize(sizes=st.lists(SIZES, max_size=3))
    def go_on_from_parts(self, sizes: list[int]) -> None:
        """An upload may begin with parts that the store has."""
        parts = [UploadedPart(number, size, f"etag-{number}", None) for number, size in enumerate(sizes, 1)]
        self.tracker.restore(parts)
        self.model = {part.number: part.size for part in parts}

    @rule(target=numbers, number=NUMBERS, size=SIZES)
    def acknowledge(self, number: int, size: int) -> int:
        """A part is taken once; a second answer for it changes nothing."""
        if number in self.model:
            with pytest.raises(IntegrityError, match=f"part {number} was acknowledged twice"):
                self.tracker.record(number, size=size, etag='"other"')
        else:
            self.tracker.record(number, size=size, etag=f'"etag-{number}"')
            self.model[number] = size
        return number

    @rule(number=numbers, size=SIZES)
    def acknowledge_again(self, number: int, size: int) -> None:
        """Whatever came in between."""
        with pytest.raises(IntegrityError, match="acknowledged twice"):
            self.tracker.record(number, size=size, etag='"again"')

    @rule(count=st.integers(0, 10), excess=st.sampled_from((0, 0, 0, -1, 1)))
    def finish(self, count: int, excess: int) -> None:
        """Only all parts, and exactly the source's bytes, make an object."""
        size = sum(self.model.values()) + excess
        if sorted(self.model) == list(range(1, count + 1)) and not excess:
            listed = self.tracker.finish(count=count, size=size)
            assert listed == tuple((number, f'"etag-{number}"', None) for number in range(1, count + 1))
        else:
            with pytest.raises(IntegrityError):
                self.tracker.finish(count=count, size=size)

    @rule()
    def finish_what_is_there(self) -> None:
        """A gap is never committed, however many bytes there are."""
        count, size = len(self.model), sum(self.model.values())
        if sorted(self.model) == list(range(1, count + 1)):
            assert len(self.tracker.finish(count=count, size=size)) == count
        else:
            with pytest.raises(IntegrityError, match="missing"):
                self.tracker.finish(count=count, size=size)

    @invariant()
    def counts_are_the_models(self) -> None:
        """Stored is all, durable what comes before the first gap; neither ever goes down."""
        tracker = self.tracker
        assert (len(tracker), tracker.bytes_stored) == (len(self.model), sum(self.model.values()))
        before_gap = [number for number in self.model if all(earlier in self.model for earlier in range(1, number))]
        assert tracker.bytes_durable == sum(self.model[number] for number in before_gap)
        assert [part.number for part in tracker.durable_parts()] == sorted(before_gap)
        assert tracker.bytes_durable >= self.durable
        assert tracker.bytes_stored >= self.stored
        self.durable, self.stored = tracker.bytes_durable, tracker.bytes_stored

    @invariant()
    def receipts_are_in_order(self) -> None:
        """Numbers and sizes as acknowledged, ETags without quotes."""
        parts = [(part.number, part.size, part.etag) for part in self.tracker.uploaded_parts()]
        assert parts == [(number, size, f"etag-{number}") for number, size in sorted(self.model.items())]


TrackerMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=25)


class TestTracker(TrackerMachine.TestCase):  # type: ignore[misc, name-defined]
    """Runs the machine."""
