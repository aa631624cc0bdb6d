"""The growth of the plan, by calculation."""

from __future__ import annotations

import json
import sys

import pytest

from aios3 import TransferConfig
from aios3._protocol.parts.part_plan import plan_parts
from aios3.providers import PROVIDERS
from benchmarks import plan
from benchmarks.bookkeeping import Bookkeeping, keep_books
from benchmarks.job import GIB, KIB, MIB
from benchmarks.layouts import Layout, Refused, lay_out, sizes_of
from benchmarks.plan import as_markdown

TIB = 1024 * GIB


def laid_out(name: str, size: int, *, is_declared: bool = False) -> Layout:
    """Return how a source is cut that the store takes."""
    layout = lay_out(PROVIDERS[name], size, is_declared=is_declared)
    assert isinstance(layout, Layout)
    return layout


@pytest.mark.parametrize("is_declared", [False, True])
@pytest.mark.parametrize("size", [1, 5 * MIB, 5 * MIB + 1, GIB - 1, 50_000 * MIB, TIB])
@pytest.mark.parametrize("name", ["aws", "cloudflare"])
def test_the_parts_are_the_source_within_the_limits(name, size, is_declared):
    layout = laid_out(name, size, is_declared=is_declared)
    assert layout.size == size
    assert layout.parts <= PROVIDERS[name].max_parts
    assert layout.largest <= layout.held <= min(size, layout.memory_limit, 9 * layout.largest)
    assert (layout.parts - 1) * layout.first < size <= layout.parts * layout.largest


def test_every_byte_is_in_a_part():
    parts = plan_parts(PROVIDERS["generic"], TransferConfig(), size=None, memory_limit=256 * MIB)
    assert sizes_of(parts, 12 * MIB) == [5 * MIB, 5 * MIB, 2 * MIB]
    assert sizes_of(parts, 0) == []


@pytest.mark.parametrize(("size", "parts", "requests"), [(5 * MIB, 1, 1), (5 * MIB + 1, 2, 4), (GIB, 205, 207)])
def test_what_fits_into_one_part_is_one_request(size, parts, requests):
    layout = laid_out("aws", size)
    assert (layout.parts, layout.requests) == (parts, requests)


def test_a_declared_size_has_equal_parts_where_an_unknown_length_has_parts_that_grow():
    """The same 48.8 GiB are 10,000 parts of 5 MiB, or fewer."""
    assert laid_out("aws", 50_000 * MIB, is_declared=True).largest == 5 * MIB
    grown = laid_out("aws", 50_000 * MIB)
    assert grown.first == 5 * MIB < grown.largest
    assert grown.parts < 10_000


@pytest.mark.parametrize(
    ("name", "size", "is_declared", "part_size", "memory_limit"),
    [
        ("aws", GIB, False, 5 * MIB, 256 * MIB),
        ("aws", TIB, True, 5 * MIB, 256 * MIB),
        ("aws", TIB, False, 5 * MIB, GIB),
        ("cloudflare", TIB, False, 160 * MIB, 256 * MIB),
        ("aws", 50_000 * GIB, False, 5 * GIB, 8 * GIB),
    ],
)
def test_the_defaults_are_left_only_where_they_do_not_do(name, size, is_declared, part_size, memory_limit):
    layout = laid_out(name, size, is_declared=is_declared)
    assert (layout.part_size, layout.memory_limit) == (part_size, memory_limit)


@pytest.mark.parametrize("is_declared", [False, True])
@pytest.mark.parametrize(
    ("name", "most"), [("aws", 50_000 * GIB), ("generic", 50_000 * GIB), ("google", 5 * TIB), ("scaleway", 5 * 10**12)]
)
def test_a_source_that_the_store_does_not_take_is_said_to_be_too_large(name, most, is_declared):
    refused = lay_out(PROVIDERS[name], most + 1, is_declared=is_declared)
    assert refused == Refused(name, most + 1, is_declared, most)


def test_keeping_count_is_weighed_for_all_parts():
    few, many = (keep_books(count, timed_seconds=0.0) for count in (100, 1_000))
    assert min(many.cut_seconds, many.record_seconds, many.commit_seconds) > 0
    assert many.body_bytes - few.body_bytes > 900 * len("<Part><PartNumber>101</PartNumber><ETag></ETag></Part>")
    assert 5 * few.kept_bytes < many.kept_bytes < 20 * few.kept_bytes


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of every row of all tables."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_what_is_alike_is_one_row():
    asked = [(name, size, declared) for name in ("aws", "google") for size in (GIB, 6 * TIB) for declared in (0, 1)]
    layouts = [lay_out(PROVIDERS[name], size, is_declared=bool(declared)) for name, size, declared in asked]
    rows = {(row[0], row[1], row[2]): row[3:] for row in rows_of(as_markdown(layouts, []))}
    assert rows["1 GiB", "either", "aws, google"] == [
        "5 MiB", "256 MiB", "205", "5 MiB", "5 MiB", "4 MiB", "45 MiB", "207",
    ]  # fmt: skip
    assert rows["6 TiB", "either", "google"][0] == "at most 5 TiB"
    assert {("6 TiB", "unknown", "aws"), ("6 TiB", "declared", "aws")} < rows.keys()


def test_keeping_count_is_shown_for_each_part():
    books = [Bookkeeping(1_000, 0.001, 0.002, 0.0005, body_bytes=86 * KIB, kept_bytes=200_000)]
    *_, row = rows_of(as_markdown([], books))
    assert row == ["1,000", "1.00", "2.00", "0.50", "3.50", "200", "86 KiB"]


def test_the_tables_are_saved_beside_their_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "_RESULTS", tmp_path)
    monkeypatch.setattr(plan, "_SIZES", (MIB, GIB))
    monkeypatch.setattr(plan, "_COUNTS", (2,))
    monkeypatch.setattr(sys, "argv", ["plan", "--output", "growth"])
    plan.main()
    assert (tmp_path / "growth.md").read_text().endswith(capsys.readouterr().out)
    kept = json.loads((tmp_path / "growth.json").read_text())
    assert len(kept["layouts"]) == 4 * 2 * 2
    assert [entry["parts"] for entry in kept["books"]] == [2]
