"""The comparison of commands on the page about the command line: its rows for ``aios3`` are what a run shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import pipes
from benchmarks.job import MIB
from tests.support.documents import text_of


@pytest.fixture
def aios3() -> pipes.Uploader:
    return pipes._uploaders(Path())[0]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("producer dies", pipes._row_of_a_dying_producer),
        ("empty input", pipes._row_of_an_empty_input),
        ("no-clobber", pipes._row_of_no_clobber),
        ("SIGTERM", pipes._row_of_a_signal),
    ],
)
def test_the_page_shows_what_aios3_does(aios3: pipes.Uploader, name: str, row) -> None:
    assert f"| {name} | {row(aios3)} |" in text_of("docs/command-line.md")


def test_a_plan_of_fixed_parts_says_when_it_fails() -> None:
    assert pipes._plan_of(50 * MIB) == "2,048 parts of 50 MiB"
    assert pipes._plan_of(8 * MIB) == "12,800 parts of 8 MiB: fails after 10,000"


def test_the_plan_of_aios3_is_that_of_the_page() -> None:
    assert f"| {pipes._own_plan()} |" in text_of("docs/command-line.md")
    assert f"| {pipes._own_limit() / 2**30:.1f} GiB |" in text_of("docs/command-line.md")
