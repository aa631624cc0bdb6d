"""The tables that are written of the samples."""

from __future__ import annotations

import pytest

from benchmarks.job import MIB
from benchmarks.report import Result, as_markdown
from benchmarks.rounds import NotRun, Sample
from benchmarks.workloads import WORKLOADS, scaled

STREAM = scaled(WORKLOADS["stream"], 1.0, {"size": 512 * MIB, "protocols": ("https",)})


def sample(client: str, turn: int, cpu: float, **figures) -> Sample:
    """Return a run of the stream that took so much CPU time."""
    usual = {
        "workload": "stream",
        "protocol": "https",
        "over_idle_bytes": 40 * MIB,
        "idle_bytes": 60 * MIB,
        "wall_seconds": 2.0,
        "sink_cpu_seconds": 0.5,
        "resent_bytes": 0,
        "requests": 100,
        "connections": 8,
        "throttled": 0,
        "tls": "a cipher",
    }
    return Sample(client=client, turn=turn, cpu_seconds=cpu, **usual | figures)


@pytest.fixture
def result() -> Result:
    """Return a result of two clients and three rounds, the second of which was slow for all."""
    samples = [sample("floor", turn, cpu) for turn, cpu in enumerate([1.0, 4.0, 1.0])]
    samples += [sample("aios3", turn, cpu) for turn, cpu in enumerate([1.5, 6.0, 2.0])]
    missing = [NotRun("", "", "s5cmd", "not installed", is_failure=False)]
    return Result(["yesterday"], {"aiohttp": "3"}, [STREAM], samples, missing)


def row_of(text: str, title: str) -> list[str]:
    """Return the cells of a row."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_figures_are_medians_with_their_range(result):
    assert row_of(as_markdown(result), "aios3") == [
        "aios3", "4.00 (3.00-12.00)", "1.50", "256 (256-256)", "40 (40-40)", "25%",
    ]  # fmt: skip


def test_a_ratio_is_the_median_of_the_rounds_ratios(result):
    assert row_of(as_markdown(result), "aios3")[2] == "1.50"


def test_a_ratio_to_nobody_is_left_out(result):
    result.samples = [entry for entry in result.samples if entry.client != "floor"]
    assert row_of(as_markdown(result), "aios3")[2] == ""


def test_the_time_of_fast_streams_has_a_ratio_of_its_own():
    mixed = scaled(WORKLOADS["mixed"], 1.0, {"columns": ("fast",)})
    times = [("aios3-spill", 0, 0.5), ("aios3-spill", 1, 1.0), ("aios3", 0, 4.0), ("aios3", 1, 6.0)]
    samples = [sample(client, turn, 1.0, workload="mixed", fast_seconds=time) for client, turn, time in times]
    text = as_markdown(Result([], {}, [mixed], [*samples, sample("floor", 0, 1.0, workload="mixed")]))
    assert "after 3 s 1 x 64 MiB" in text
    assert "| fast one done, s | ÷ aios3-spill |" in text
    assert row_of(text, "aios3") == ["aios3", "5.00 (4.00-6.00)", "7.00"]
    assert row_of(text, "floor (asyncio, no S3)") == ["floor (asyncio, no S3)", "", ""]


def test_the_facts_the_figures_and_the_cipher_are_said(result):
    text = as_markdown(result)
    assert text.startswith("- yesterday\n- aiohttp 3\n")
    assert "1 x 512 MiB, 1 at once; chunks of 64 KiB; parts of 5 MiB, 8 in flight" in text
    assert "### https (a cipher)" in text


def test_who_did_not_run_is_named_with_the_reason(result):
    result.add(NotRun("stream", "https", "boto3", "it broke", is_failure=True))
    text = as_markdown(result)
    assert "- s5cmd: not installed" in text
    assert "- boto3 (stream https): failed: it broke" in text


def test_a_saved_result_is_the_same_when_it_is_read(result, tmp_path):
    path = tmp_path / "new" / "result.json"
    result.save(path)
    again = Result.load(path)
    assert again == result
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
