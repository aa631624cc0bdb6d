"""The tables that the benchmarks write: figures, verdicts and layouts."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import plan
from benchmarks.job import MIB
from benchmarks.leaks.cells import Cell
from benchmarks.leaks.report import as_markdown as leaks_page
from benchmarks.leaks.report import cell_text
from benchmarks.leaks.verdicts import Look, Observation, judge
from benchmarks.leaks.ways import WAYS
from benchmarks.quick import compared, figures_of
from benchmarks.report import Result, as_markdown
from benchmarks.rounds import NotRun, Sample
from benchmarks.workloads import WORKLOADS


def sample(client: str, turn: int, cpu: float) -> Sample:
    """Return a run of the stream that took so much CPU time."""
    usual = {"over_idle_bytes": 40 * MIB, "idle_bytes": 60 * MIB, "wall_seconds": 2.0, "sink_cpu_seconds": 0.5}
    usual |= {"resent_bytes": 0, "requests": 100, "connections": 8, "throttled": 0, "tls": "a cipher"}
    return Sample(client=client, turn=turn, cpu_seconds=cpu, workload="stream", protocol="https", **usual)


@pytest.fixture
def result() -> Result:
    """Return a result of two clients and three rounds, the second of which was slow for all."""
    samples = [sample("floor", turn, cpu) for turn, cpu in enumerate([1.0, 4.0, 1.0])]
    samples += [sample("aios3", turn, cpu) for turn, cpu in enumerate([1.5, 6.0, 2.0])]
    missing = [NotRun("stream", "https", "boto3", "it broke", is_failure=True)]
    return Result(["yesterday"], {"aiohttp": "3"}, [WORKLOADS["stream"]], samples, missing)


def test_figures_are_medians_and_ratios_are_medians_of_the_rounds_ratios(result):
    text = as_markdown(result)
    (line,) = [line for line in text.splitlines() if line.startswith("| aios3 |")]
    assert [cell.strip() for cell in line.split("|")[3:4]] == ["1.50"]
    assert text.startswith("- yesterday\n- aiohttp 3\n")
    assert "- boto3 (stream https): failed: it broke" in text


def test_a_saved_result_is_the_same_when_it_is_read(result, tmp_path):
    result.save(tmp_path / "new" / "result.json")
    assert Result.load(tmp_path / "new" / "result.json") == result


def test_quick_figures_are_ratios_to_the_reference_of_the_same_round(result):
    assert figures_of(result)["stream, https: CPU ÷ floor"] == [1.5, 1.5, 2.0]


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ([2.0, 2.2], [1.0, 1.5], "better"),
        ([1.0, 1.5], [2.0, 2.2], "WORSE"),
        ([1.0, 2.0], [1.9, 3.0], "the same"),
        ([1.0, 1.0], [1.04, 1.04], "the same"),
        ([], [1.0], ""),
    ],
)
def test_only_ranges_apart_are_a_change(before, now, said):
    *_, line = compared({"x": before}, {"x": now})
    assert line.split("|")[-2].strip() == said


def test_plans_are_saved_beside_their_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "_RESULTS", tmp_path)
    monkeypatch.setattr(plan, "_SIZES", (MIB, 6 * 1024**4))
    monkeypatch.setattr(plan, "_COUNTS", (2,))
    monkeypatch.setattr(sys, "argv", ["plan", "--output", "growth"])
    plan.main()
    text = (tmp_path / "growth.md").read_text()
    assert text.endswith(capsys.readouterr().out)
    assert "at most 5 TiB" in text  # Google's largest object
    assert [entry["parts"] for entry in json.loads((tmp_path / "growth.json").read_text())["books"]] == [2]


def seen(ending="raised", stored="absent", uploads=0, tasks=0) -> Observation:
    """Return what was seen, spotless for a failure unless something else is said."""
    look = Look(uploads, tasks, stored)
    return Observation(ending, "", look, look, 0)


@pytest.mark.parametrize(
    ("way", "ending", "stored", "verdict"),
    [
        ("clean", "returned", "whole", "ok"),
        ("clean", "returned", "absent", "nothing stored"),
        ("clean", "raised", "absent", "raised"),
        ("clean", "raised", "whole", "stored, yet raised"),
        ("cancel", "raised", "absent", "ok"),
        ("cancel", "raised", "other", "wrong bytes"),
        ("cancel", "returned", "whole", "returned"),
        ("complete", "raised", "absent", "ok"),
        ("close", "hung", "absent", "hung"),
    ],
)
def test_the_object_has_to_be_what_was_reported(way, ending, stored, verdict):
    assert judge(WAYS[way], seen(ending, stored)) == verdict


@pytest.mark.parametrize(
    ("observation", "text"),
    [
        (seen(), "0 / 0 / 0 / ok"),
        (seen(tasks=None), "0 / - / 0 / ok"),
        (seen(uploads=1, tasks=8), "**1 / 8 / 0 / ok**"),
        (Observation("raised", "", Look(1, 2, "absent"), Look(0, 0, "absent"), 0), "**1 → 0 / 2 → 0 / 0 / ok**"),
        (Observation("hung", "", Look(1, None, "absent")), "**1 / - / ? / hung**"),
        (Observation(is_possible=False), "-"),
        (Observation(failure="Traceback"), "**not reached**"),
    ],
)
def test_cells_say_what_was_left(observation, text):
    assert cell_text(Cell("rclone", "cancel", "aios3 stream"), observation) == text


def test_the_page_counts_the_stores_on_which_something_was_left_and_names_who_committed_a_part():
    results = {
        Cell(store, "cancel", client): seen(stored="other" if client == "b" else "absent")
        for store in ("rclone", "moto")
        for client in ("a", "b")
    }
    page = leaks_page(results, {"rclone": "1.75", "moto": "5.2"}, 12.0)
    assert "| `task.cancel()` | 0 | **2 of 2** |" in page
    assert "### moto 5.2" in page
    assert "other bytes than the source's: b" in page
