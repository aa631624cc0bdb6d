"""The page on threats: every line of it is shown by a test that exists."""

from __future__ import annotations

import re

from tests.support.places import ROOT

PAGE = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")
MOST_LINES = 130
"""Limit of the page in lines. A reader finishes it in one sitting."""


def rows() -> list[list[str]]:
    """Return the cells of every row of every table, without heads."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    tables = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in tables if row[-1] != "shown by" and not row[0].startswith("---")]


def test_tests_that_the_page_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 30
    for path, test in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), f"{path}::{test}"


def test_every_defence_names_its_test() -> None:
    """A promise without one would be a hope."""
    assert len(rows()) > 15
    assert [row[0] for row in rows() if "`tests/" not in row[-1]] == []


def test_it_is_short() -> None:
    assert len(PAGE.splitlines()) <= MOST_LINES
