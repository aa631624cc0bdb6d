"""Faults as data: which request is hit."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aios3.testing import ALL_FAULT_KINDS, Fault, FaultPlan


def test_the_nth_matching_requests_are_hit_and_no_others():
    plan = FaultPlan()
    fault = plan.add(Fault("answer", "UploadPart", part_number=2, nth=2, times=2))
    assert plan.take("UploadPart", 1) is None
    assert plan.take("CreateMultipartUpload", None) is None
    hits = [plan.take("UploadPart", 2) for _ in range(4)]
    assert hits == [None, fault, fault, None]


def test_two_faults_on_one_request_both_count_it():
    plan = FaultPlan()
    first, second = plan.add(Fault("drop_before")), plan.add(Fault("drop_after", times=2))
    assert [plan.take("PutObject", None) for _ in range(3)] == [first, second, None]


def test_faults_that_never_came_are_unused():
    plan = FaultPlan()
    fault = plan.add(Fault("answer", nth=2))
    plan.take("PutObject", None)
    assert plan.unused == (fault,)
    plan.take("PutObject", None)
    assert plan.unused == ()
    plan.clear()
    assert plan.take("PutObject", None) is None


def test_every_kind_is_documented_in_order():
    places = [str(Fault.__doc__).find(f"``{kind}``") for kind in ALL_FAULT_KINDS]
    assert places[0] > 0
    assert all(before < after for before, after in pairwise(places))


@pytest.mark.parametrize("wrong", [{"kind": "explode"}, {"nth": 0}, {"times": 0}, {"after_bytes": -1}])
def test_impossible_faults_are_refused(wrong: dict[str, object]):
    """A fault that could never happen is an error where it is written."""
    with pytest.raises(ValueError):
        Fault(**{"kind": "answer", **wrong})
