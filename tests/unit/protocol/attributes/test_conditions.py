"""Conditions, and the requests that may have to heed them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aios3._protocol.attributes.headers import ObjectHeaders, check_conditions, possible_commits, read_attributes
from aios3._protocol.parts.part_plan import PartPlan, StreamPlan
from aios3.errors import ConfigurationError
from aios3.providers import find_provider

ANY = find_provider("generic")
PLAN = PartPlan(100, 100, 10)
PUT, COMPLETE = "PutObject", "CompleteMultipartUpload"


def headers(**attributes: str) -> ObjectHeaders:
    return read_attributes("k", attributes, ANY)


@pytest.mark.parametrize(
    ("size", "commits"), [(None, {PUT, COMPLETE}), (0, {PUT}), (100, {PUT}), (101, {COMPLETE}), (10_000, {COMPLETE})]
)
def test_the_length_decides_what_commits(size: int | None, commits: set[str]) -> None:
    assert possible_commits(PLAN, size) == commits


def test_a_stream_is_always_put() -> None:
    assert possible_commits(StreamPlan(100, 100, 10, 1000), None) == {PUT}
    assert possible_commits(StreamPlan(100, 100, 10, 1000), 500) == {PUT}


@pytest.mark.parametrize("condition", [{"if_match": "e"}, {"if_none_match": "*"}])
@pytest.mark.parametrize(
    ("field", "refused"), [("conditional_put", PUT), ("conditional_complete", COMPLETE)], ids=["put", "complete"]
)
def test_a_condition_that_would_be_ignored_is_refused(condition: dict[str, str], field: str, refused: str) -> None:
    """For the request that would ignore it, and for uploads that may end in it."""
    provider = replace(ANY, **{field: False})
    for commits in ({refused}, {PUT, COMPLETE}):
        with pytest.raises(ConfigurationError, match=f"generic ignores if_match and if_none_match at {refused}"):
            check_conditions(headers(**condition), provider, commits)
    check_conditions(headers(**condition), provider, {PUT, COMPLETE} - {refused})


def test_what_is_not_known_to_be_ignored_is_sent() -> None:
    check_conditions(headers(if_none_match="*"), ANY, {PUT, COMPLETE})
    ignoring = replace(ANY, conditional_put=False, conditional_complete=False)
    check_conditions(headers(request_payer="requester"), ignoring, {PUT, COMPLETE})
