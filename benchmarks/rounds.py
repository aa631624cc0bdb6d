"""Plays workloads in turns and checks at the sink that what was sent is what arrived."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from benchmarks.children import Outcome, RunFailedError, UnsupportedRunError, run_child
from benchmarks.contestants import Contestant
from benchmarks.job import BUCKET, Job
from benchmarks.sinks import RunningSink, running_sink
from benchmarks.workloads import Workload

__all__ = ["NotRun", "Sample", "check", "play_rounds"]

_RUN_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one client, as it is kept."""

    workload: str
    protocol: str
    client: str
    turn: int
    cpu_seconds: float
    over_idle_bytes: int
    idle_bytes: int
    wall_seconds: float
    sink_cpu_seconds: float
    resent_bytes: int
    requests: int
    connections: int
    throttled: int
    tls: str
    tail_seconds: float | None = None
    """From the source's last byte to done; the median of the run's uploads."""
    tail_max_seconds: float | None = None
    fast_seconds: float | None = None
    """From the beginning of the fast streams to the end of the last of them."""
    stall_max_seconds: float | None = None
    stall_p999_seconds: float | None = None
    beats: int | None = None


@dataclass(frozen=True, slots=True)
class NotRun:
    """A client that has no figures for a workload, and why."""

    workload: str
    protocol: str
    client: str
    reason: str
    is_failure: bool
    """It should have worked."""


def play_rounds(
    workload: Workload, clients: list[Contestant], *, repeats: int, file: str | None, longest: float
) -> Iterator[Sample | NotRun]:
    """Play a workload over each of its protocols: each round is one run of every client, in turns.

    Whatever else the machine does so falls on all alike. A client that fails or
    cannot is not asked again.
    """
    for protocol in workload.protocols:
        left = list(clients)
        with running_sink(protocol, workload.shape) as sink:
            for turn in range(repeats):
                for client in list(left):
                    print(f"{workload.name} {protocol} {turn + 1}/{repeats}: {client.name}", file=sys.stderr)
                    try:
                        yield _run_once(workload, protocol, client, turn, sink, file, longest)
                    except (RunFailedError, UnsupportedRunError) as error:
                        left.remove(client)
                        is_failure = isinstance(error, RunFailedError)
                        yield NotRun(workload.name, protocol, client.name, str(error), is_failure)


def _run_once(
    workload: Workload,
    protocol: str,
    client: Contestant,
    turn: int,
    sink: RunningSink,
    file: str | None,
    longest: float,
) -> Sample:
    job = _job(workload, client, sink, file)
    before = sink.statistics()
    outcome = run_child(client.interpreter, job, longest=longest)
    after = sink.statistics(f"/{BUCKET}/{job.prefix}-")
    sink.forget()
    check(job, after)
    return _sample(workload, protocol, client, turn, outcome, before, after)


def _job(workload: Workload, client: Contestant, sink: RunningSink, file: str | None) -> Job:
    return Job(
        client=client.module,
        endpoint=sink.endpoint,
        certificate=sink.certificate,
        prefix=f"run-{next(_RUN_NUMBERS)}",
        kind=workload.kind,
        uploads=workload.uploads,
        at_once=workload.at_once,
        size=workload.size,
        chunk_size=workload.chunk_size,
        variant=client.variant,
        uvloop=client.uvloop,
        rate=workload.rate,
        head=workload.head,
        fast=workload.fast,
        fast_size=workload.fast_size,
        fast_after=workload.fast_after,
        heartbeat=workload.heartbeat,
        part_size=workload.part_size,
        concurrency=workload.concurrency,
        memory_limit=workload.memory_limit,
        file=file,
    )


def check(job: Job, stored: dict[str, int]) -> None:
    """Refuse a run unless the sink has committed every object with exactly the bytes of its source.

    Raises:
        RunFailedError: it has not.
    """
    sizes = [job.size] * job.uploads + [job.fast_size] * job.fast
    found = stored["objects"], stored["bytes"], stored["least"], stored["most"], stored["open_uploads"]
    if found != (len(sizes), sum(sizes), min(sizes), max(sizes), 0):
        raise RunFailedError(
            f"{len(sizes)} objects of {min(sizes)} to {max(sizes)} bytes were sent, {sum(sizes)} together; the sink "
            f"has {found[0]} with {found[1]} bytes, of {found[2]} to {found[3]} each, and {found[4]} uploads open"
        )


def _sample(
    workload: Workload,
    protocol: str,
    client: Contestant,
    turn: int,
    outcome: Outcome,
    before: dict[str, float],
    after: dict[str, float],
) -> Sample:
    grown = {name: after[name] - before[name] for name in ("cpu_seconds", "bytes_received", "requests", "connections")}
    return Sample(
        workload=workload.name,
        protocol=protocol,
        client=client.name,
        turn=turn,
        cpu_seconds=outcome.cpu_seconds,
        over_idle_bytes=outcome.over_idle_bytes,
        idle_bytes=outcome.idle_bytes,
        sink_cpu_seconds=grown["cpu_seconds"],
        resent_bytes=int(grown["bytes_received"]) - workload.total,
        requests=int(grown["requests"]),
        # The runner's own question is one of them.
        connections=int(grown["connections"]) - 1,
        throttled=int(after["throttled"] - before["throttled"]),
        tls=str(after["tls"]),
        **outcome.reported,  # type: ignore[arg-type]
    )
