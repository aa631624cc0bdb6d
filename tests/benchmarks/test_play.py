"""How a job is played on a client."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.clients import Client, in_parts, in_threads
from benchmarks.job import Job
from benchmarks.play import play
from benchmarks.source import Source


def job_of(**figures) -> Job:
    """Return a job of seven uploads of 100 bytes, three at a time."""
    usual = {"client": "x", "endpoint": "http://x", "certificate": None, "prefix": "run-1", "kind": "stream"}
    usual |= {"uploads": 7, "at_once": 3, "size": 100, "chunk_size": 30}
    return Job(**usual | figures)


async def test_every_upload_is_played_once_and_no_more_than_may_at_once():
    running, most, keys = set(), [], []

    async def stream(source, key):
        keys.append((key, sum([len(chunk) async for chunk in source])))
        running.add(key)
        most.append(len(running))
        await asyncio.sleep(0)
        running.remove(key)

    figures = await play(Client(stream=stream), job_of())
    assert sorted(keys) == [(f"run-1-{number}", 100) for number in range(7)]
    assert max(most) == 3
    assert figures["tail_max_seconds"] >= figures["tail_seconds"] >= 0


async def test_fast_streams_run_beside_the_others_and_are_timed():
    ended = asyncio.Event()
    lengths = {}

    async def stream(source, key):
        lengths[key] = sum([len(chunk) async for chunk in source])
        if "fast" in key:
            ended.set()
        await asyncio.wait_for(ended.wait(), timeout=10)

    figures = await play(Client(stream=stream), job_of(fast=1, fast_size=1000, fast_after=0.05, at_once=7))
    assert lengths == {f"run-1-{number}": 100 for number in range(7)} | {"run-1-fast-0": 1000}
    assert 0 < figures["fast_seconds"] < figures["wall_seconds"] - 0.04


async def test_without_fast_streams_nothing_is_said_of_them():
    async def put(body, key): ...

    assert "fast_seconds" not in await play(Client(put=put), job_of(kind="put"))


async def test_small_objects_are_new_objects_of_their_size():
    """A client cannot win by having seen the same bytes object before."""
    bodies = []

    async def put(body, key):
        bodies.append(body)

    await play(Client(put=put), job_of(kind="put"))
    assert {len(body) for body in bodies} == {100}
    assert len({id(body) for body in bodies}) == 7


async def test_what_a_client_knows_better_is_passed_on():
    async def put(body, key): ...

    figures = await play(Client(put=put, figures=lambda: {"cpu_seconds": 3.0}), job_of(kind="put"))
    assert figures["cpu_seconds"] == 3.0


async def test_the_heartbeat_beats_if_it_is_wanted():
    async def put(body, key):
        await asyncio.sleep(0.01)

    figures = await play(Client(put=put), job_of(kind="put", heartbeat=True))
    assert figures["beats"] > 1
    assert figures["stall_max_seconds"] >= figures["stall_p999_seconds"] >= 0


async def test_blocking_clients_have_a_thread_for_each_upload():
    """Seven of them, two of which are fast ones, wait for each other, which they could not in fewer threads."""
    import threading

    together = threading.Barrier(7, timeout=10)
    client = in_threads(job_of(at_once=5, fast=2), lambda source, key: together.wait())
    await asyncio.gather(*(client.stream(Source(1, 1), "key") for _ in range(7)))
    assert client.put is None


@pytest.mark.parametrize(("size", "lengths"), [(100, [60, 40]), (60, [60]), (0, [])])
async def test_chunks_are_joined_to_parts(size, lengths):
    assert [len(part) async for part in in_parts(Source(size, 30), 45)] == lengths
