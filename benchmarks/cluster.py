"""Cost of uploads from a Dask cluster: ``python -m benchmarks.cluster`` (Linux only).

One object is sent by one process and by 1, 2 and 4 workers, in turns. Then workers upload many small files, and the
memory of the process that holds both the client and the scheduler is read.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from distributed import Client, LocalCluster

from aios3 import Credentials, S3StorageDriver
from aios3.dask import FilesUploaded, upload_files, upload_from_workers
from benchmarks.job import ACCESS_KEY, BUCKET, GIB, KIB, MIB, REGION, SECRET_KEY
from benchmarks.machine import facts
from benchmarks.sinks import RunningSink, Shape, running_sink

_PIECES: Final = 8
_CHUNK: Final = bytes(256 * KIB)
_FILE: Final = 4 * KIB
_SAMPLES: Final = 10


@dataclass(frozen=True, slots=True)
class _SinkDriver:
    """Factory of drivers for a sink."""

    endpoint: str

    def __call__(self) -> S3StorageDriver:
        keys = Credentials(ACCESS_KEY, SECRET_KEY)
        return S3StorageDriver("generic", endpoint_url=self.endpoint, region=REGION, credentials=keys)


@dataclass(frozen=True, slots=True)
class _Sent:
    """One object."""

    seconds: float
    cpu_seconds: float
    """CPU time of the processes of client, scheduler and workers."""
    requests: int


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--only", choices=["object", "files"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size-mib", type=int, default=512, help="bytes of the object (default: %(default)s)")
    parser.add_argument("--files", type=int, default=100_000, help=f"of {_FILE // KIB} KiB each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=300, help="no more files after this (default: %(default)s)")
    options = parser.parse_args()
    print("\n".join(facts()), flush=True)
    with running_sink("http", Shape()) as sink:
        if options.only != "files":
            print("\n".join(asyncio.run(_objects(sink, options.size_mib * MIB, options.rounds))), flush=True)
        if options.only != "object":
            print("\n".join(asyncio.run(_files(sink, options.files, options.seconds))), flush=True)


async def _objects(sink: RunningSink, size: int, rounds: int) -> list[str]:
    found: dict[str, list[_Sent]] = {"one process, without Dask": [], "1 worker": [], "2 workers": [], "4 workers": []}
    for turn in range(rounds):
        for way in sorted(found, reverse=bool(turn % 2)):
            workers = int(way.split()[0]) if "worker" in way else 0
            found[way].append(await (_by_workers(sink, size, workers) if workers else _by_one_process(sink, size)))
    table = [
        "",
        f"| one object of {size // MIB} MiB | MiB/s | CPU s/GiB | requests to the store |",
        "|---|---:|---:|---:|",
    ]
    for way, sent in found.items():
        rate = _text([size / MIB / each.seconds for each in sent], 0)
        cpu = _text([each.cpu_seconds * GIB / size for each in sent], 1)
        requests = sorted({each.requests for each in sent})
        table.append(f"| {way} | {rate} | {cpu} | {'-'.join(map(str, requests))} |")
    return table


def _text(values: list[float], digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


async def _by_one_process(sink: RunningSink, size: int) -> _Sent:
    async with _SinkDriver(sink.endpoint)() as driver:
        await driver.upload_object_via_stream(_chunks(16 * MIB), BUCKET, "first")
        upload = partial(driver.upload_object_via_stream, _chunks(size), BUCKET, "key")
        return await _timed(sink, size, upload, _own_cpu)


async def _by_workers(sink: RunningSink, size: int, workers: int) -> _Sent:
    pieces = [size // _PIECES] * _PIECES
    factory = _SinkDriver(sink.endpoint)
    async with _cluster(workers) as cluster, Client(cluster, asynchronous=True) as client:

        async def upload(pieces: list[int], key: str) -> None:
            producers = [partial(_chunks, piece) for piece in pieces]
            await upload_from_workers(client, factory, BUCKET, key, producers, sizes=pieces)

        async def cpu() -> float:
            return await _own_cpu() + sum((await client.run(time.process_time)).values())

        await upload([2 * MIB] * _PIECES, "first")  # imports
        return await _timed(sink, size, partial(upload, pieces, "key"), cpu)


async def _own_cpu() -> float:
    return time.process_time()


def _cluster(workers: int) -> AbstractAsyncContextManager[LocalCluster]:
    return LocalCluster(  # type: ignore[no-any-return]
        workers, threads_per_worker=1, dashboard_address=None, asynchronous=True, silence_logs=logging.CRITICAL
    )


def _chunks(size: int) -> Iterator[bytes]:
    for begin in range(0, size, len(_CHUNK)):
        yield _CHUNK[: size - begin]


async def _timed(sink: RunningSink, size: int, upload: Any, cpu: Callable[[], Awaitable[float]]) -> _Sent:
    sink.forget()
    before, cpu_before, begin = sink.statistics()["requests"], await cpu(), time.perf_counter()
    await upload()
    seconds, cpu_seconds = time.perf_counter() - begin, await cpu() - cpu_before
    after = sink.statistics()
    if (after["bytes"], after["open_uploads"]) != (size, 0):
        raise RuntimeError(f"{size} bytes were expected: {after}")
    return _Sent(seconds, cpu_seconds, after["requests"] - before - 1)


async def _files(sink: RunningSink, files: int, seconds: float) -> list[str]:
    """Upload one file to many keys, until `seconds` have passed."""
    sink.forget()
    table = ["", "| files | MiB of client and scheduler | tasks in the scheduler |", "|---:|---:|---:|"]
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(bytes(_FILE))
        async with _cluster(2) as cluster, Client(cluster, asynchronous=True) as client:

            def sample(so_far: FilesUploaded) -> None:
                if so_far.files >= files / _SAMPLES * (len(table) - 3):
                    table.append(f"| {so_far.files} | {_resident() / MIB:.0f} | {len(cluster.scheduler.tasks)} |")

            pairs = _until(begin + seconds, ((path, f"file/{number}") for number in range(files)))
            done = await upload_files(client, _SinkDriver(sink.endpoint), pairs, BUCKET, on_progress=sample)
            table.append(f"| {done.files} | {_resident() / MIB:.0f} | {len(cluster.scheduler.tasks)} |")
    took = time.monotonic() - begin
    found = sink.statistics()
    if (found["objects"], found["bytes"]) != (done.files, done.size):
        raise RuntimeError(f"{done.files} files were expected: {found}")
    return [*table, "", f"{took:.0f} s with the start of 2 workers, {done.files / took:.0f} files/s"]


def _until(deadline: float, pairs: Iterator[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    for pair in pairs:
        if time.monotonic() > deadline:
            return
        yield pair


def _resident() -> int:
    """Return the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 * KIB


if __name__ == "__main__":
    main()
