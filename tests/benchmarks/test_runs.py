"""One run of a benchmark: its source, its client, its process and its figures."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from benchmarks import clients, sinks
from benchmarks.children import RunFailedError, run_child
from benchmarks.clients import Client, in_parts
from benchmarks.clients.program import Program
from benchmarks.columns import COLUMNS
from benchmarks.contestants import CONTESTANTS
from benchmarks.job import KIB, MIB, Job
from benchmarks.layers import bench, small_stages, stream_stages
from benchmarks.play import play
from benchmarks.run import measure
from benchmarks.sinks import Shape, running_sink
from benchmarks.source import AsyncReader, Reader, Source
from benchmarks.workloads import WORKLOADS, scaled

LONGEST = 30.0


@pytest.fixture(autouse=True)
def python_sink(monkeypatch):
    """Compile nothing."""
    monkeypatch.setattr(sinks, "sink_program", lambda: None)


def job_for(endpoint: str = "http://x", **figures) -> Job:
    """Return a job of one upload of one MiB."""
    usual = {"kind": "stream", "uploads": 1, "at_once": 1, "size": MIB, "chunk_size": 64 * KIB}
    return Job("floor", endpoint, None, "run-1", **usual | figures)


def test_a_measurement_has_a_sample_for_each_client_and_round(tmp_path):
    workload = scaled(WORKLOADS["stream"], 1.0, {"size": MIB, "protocols": ("http",)})
    result = measure([workload], ["floor", "aiohttp", "s5cmd"], 2, LONGEST, tmp_path / "result.json")
    assert [(entry.client, entry.turn) for entry in result.samples] == [
        ("floor", 0), ("aiohttp", 0), ("floor", 1), ("aiohttp", 1),
    ]  # fmt: skip
    assert all(0 < entry.cpu_seconds < LONGEST and entry.idle_bytes > MIB for entry in result.samples)
    assert [entry.client for entry in result.not_run] == ["s5cmd"]
    assert (tmp_path / "result.json").exists()


def test_a_client_that_breaks_is_a_failure_with_its_words():
    with pytest.raises(RunFailedError, match="Connect call failed"):
        run_child(sys.executable, job_for("http://127.0.0.1:1"), longest=LONGEST)


def test_a_client_that_never_ends_is_ended():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        job = job_for(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(RunFailedError, match="ended early"):
            run_child(sys.executable, job, longest=1.5)


async def test_every_stage_sends_the_same():
    size = 15 * MIB
    with running_sink("http", Shape()) as sink:
        async with bench(sink.endpoint, sink.certificate) as to:
            for stages, sent in ((small_stages(to, 40), 40 * 16 * KIB), (stream_stages(to, size), size)):
                for name, stage in stages.items():
                    sink.forget()
                    await stage()
                    found = sink.statistics()
                    assert (found["bytes"], found["open_uploads"]) == (0 if "feeding alone" in name else sent, 0), name


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_every_workload_can_be_shown_and_shrunk(workload):
    shrunk = scaled(workload, 0.001, {})
    assert set(workload.columns) <= set(COLUMNS)
    assert workload.reference in CONTESTANTS
    assert shrunk.total <= workload.total
    assert shrunk.uploads >= shrunk.at_once == workload.at_once


@pytest.mark.parametrize("entry", CONTESTANTS.values(), ids=CONTESTANTS)
def test_every_contestant_has_a_module_that_gives_a_client(entry):
    """Its module defines `client`; it is not imported, for peers are not installed here."""
    tree = ast.parse((Path(clients.__file__).parent / f"{entry.module}.py").read_text())
    assert "client" in {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}


async def test_every_upload_is_played_once_and_no_more_than_may_at_once():
    running, most, lengths = set(), [], {}

    async def stream(source, key):
        running.add(key)
        most.append(len(running))
        lengths[key] = sum([len(chunk) async for chunk in source])
        await asyncio.sleep(0.001)
        running.remove(key)

    job = job_for(uploads=7, at_once=3, size=100, chunk_size=30, fast=1, fast_size=1000, heartbeat=True)
    figures = await play(Client(stream=stream), job)
    assert lengths == {f"run-1-{number}": 100 for number in range(7)} | {"run-1-fast-0": 1000}
    assert max(most) <= 3 + 1
    assert figures["tail_max_seconds"] >= figures["tail_seconds"] >= 0
    assert figures["fast_seconds"] > 0
    assert figures["beats"] > 0


async def test_a_program_is_fed_every_byte_and_weighed():
    program = Program(os.environ, at_once=2)
    counting = "import sys, time; got = len(sys.stdin.buffer.read()); time.sleep(0.1); sys.exit(got != {expected})"
    await program.run_idle(sys.executable, "-c", "import time; time.sleep(0.1)")
    await program.run(sys.executable, "-c", counting.format(expected=20 * MIB), source=Source(20 * MIB, MIB))
    assert program.figures()["cpu_seconds"] > 0
    assert program.figures()["over_idle_bytes"] > 15 * MIB
    with pytest.raises(RuntimeError, match="ended with 1"):
        await program.run(sys.executable, "-c", counting.format(expected=1), source=Source(2, 1))


async def test_a_source_is_the_same_bytes_however_it_is_read():
    source = Source(25, 10)
    whole = b"".join(source)
    reader, awaited = Reader(source), AsyncReader(source)
    assert [len(chunk) async for chunk in source] == [10, 10, 5]
    assert b"".join(iter(lambda: reader.read(7), b"")) == whole
    assert [await awaited.read(20), await awaited.read(-1), await awaited.read(1)] == [whole[:20], whole[20:], b""]
    assert [len(part) async for part in in_parts(Source(100, 30), 45)] == [60, 40]


async def test_a_rate_makes_each_chunk_wait_until_its_bytes_are_due(monkeypatch):
    """At 10 bytes a second the second chunk of 5 is due after one second, and a late one at once."""
    now, waits = 100.0, []

    async def sleep(seconds):
        nonlocal now
        now += seconds
        waits.append(seconds)

    monkeypatch.setattr("benchmarks.source.time.perf_counter", lambda: now)
    monkeypatch.setattr("benchmarks.source.asyncio.sleep", sleep)
    async for _ in Source(15, 5, rate=10):
        now += 0.3 if len(waits) == 1 else 1.0
    assert waits == [0.5, pytest.approx(0.2)]
