"""The child processes, looked at from outside."""

from __future__ import annotations

import socket
import sys

import pytest

from benchmarks import sinks
from benchmarks.children import RunFailedError, run_child
from benchmarks.job import KIB, MIB, Job
from benchmarks.run import measure
from benchmarks.sinks import Shape, running_sink
from benchmarks.workloads import WORKLOADS, scaled

LONGEST = 30.0


@pytest.fixture(autouse=True)
def python_sink(monkeypatch):
    """Compile nothing."""
    monkeypatch.setattr(sinks, "sink_program", lambda: None)


def job_for(endpoint: str, client: str) -> Job:
    """Return a job of one MiB."""
    return Job(client, endpoint, None, "run-1", "stream", uploads=1, at_once=1, size=MIB, chunk_size=64 * KIB)


def test_a_run_is_weighed_from_outside():
    with running_sink("http", Shape()) as sink:
        outcome = run_child(sys.executable, job_for(sink.endpoint, "floor"), longest=LONGEST)
        assert sink.statistics("/bench/run-1-")["bytes"] == MIB
    assert 0 < outcome.cpu_seconds < LONGEST
    assert outcome.idle_bytes > MIB
    assert outcome.over_idle_bytes >= 0
    assert set(outcome.reported) == {"wall_seconds", "tail_seconds", "tail_max_seconds"}


def test_a_client_that_breaks_is_a_failure_with_its_words():
    with pytest.raises(RunFailedError, match="Connect call failed"):
        run_child(sys.executable, job_for("http://127.0.0.1:1", "floor"), longest=LONGEST)


def test_a_client_that_never_ends_is_ended():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        job = job_for(f"http://127.0.0.1:{silent.getsockname()[1]}", "floor")
        with pytest.raises(RunFailedError, match="ended early"):
            run_child(sys.executable, job, longest=1.5)


def test_a_measurement_has_a_sample_for_each_client_and_round(tmp_path):
    workload = scaled(WORKLOADS["stream"], 1.0, {"size": MIB, "protocols": ("http",)})
    result = measure([workload], ["floor", "aiohttp", "s5cmd"], 2, LONGEST, tmp_path / "result.json")
    assert [(entry.client, entry.turn) for entry in result.samples] == [
        ("floor", 0), ("aiohttp", 0), ("floor", 1), ("aiohttp", 1),
    ]  # fmt: skip
    assert [entry.client for entry in result.not_run] == ["s5cmd"]
    assert (tmp_path / "result.json").exists()


def test_a_workload_that_needs_another_sink_is_named_as_not_run():
    """Nothing is measured over a link that is not there."""
    result = measure([WORKLOADS["wan"]], ["floor"], 1, LONGEST)
    assert result.samples == []
    assert "compiled sink" in result.not_run[0].reason
