"""What a store does, beside what its record says."""

from __future__ import annotations

import pytest

from aios3._doctor.abilities import Ability, Shown


@pytest.mark.parametrize(
    ("relies", "shown", "level", "advice"),
    [
        (True, "obeyed", "ok", ""),
        (False, "obeyed", "ok", "aios3 does not rely on this"),
        (None, "ignored", "warning", "instead"),
        (True, "ignored", "problem", "choose the right --provider"),
        (True, "refused", "problem", "choose the right --provider"),
        (True, "unclear", "warning", ""),
    ],
)
def test_only_what_the_record_promises_is_a_problem(relies: bool | None, shown: Shown, level: str, advice: str) -> None:
    found = Ability("x", "obeyed", "ignored", "instead", "If-None-Match", relies, "conditional_put").judge(shown, "503")
    assert (found.level, found.advice[: len(advice)]) == (level, advice)
    assert bool(found.advice) == bool(advice)
