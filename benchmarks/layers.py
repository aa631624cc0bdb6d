"""Where the time goes: ``python -m benchmarks.layers [--protocol https] [--rounds 9] [--output NAME]``.

The same bytes are sent through more and more of aios3, in one process and in
turns, each stage beside the floor of the same round. The difference of two
stages is what the layer between them costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from aios3 import Credentials, S3StorageDriver
from aios3._client.client import OperationClient
from aios3._driver.base import DriverBase
from aios3._protocol.operations import (
    CompleteMultipartUpload,
    CreateMultipartUpload,
    PutObject,
    UploadPart,
)
from aios3._protocol.parts.part_buffer import SEGMENT_SIZE
from aios3._protocol.wire.messages import Body, Request, Response
from aios3._protocol.wire.sigv4 import UNSIGNED_PAYLOAD, Scope, sign
from aios3._transport.interface import Transport
from aios3.options import TransferConfig
from benchmarks.clients import Client, bare_aiohttp, floor
from benchmarks.job import ACCESS_KEY, BUCKET, GIB, KIB, MIB, REGION, SECRET_KEY, Job
from benchmarks.machine import facts
from benchmarks.sinks import Shape, running_sink
from benchmarks.source import Source

__all__ = ["as_markdown", "main", "measure", "small_stages", "stream_stages"]

Stages: TypeAlias = Mapping[str, Callable[[], Awaitable[None]]]

_RESULTS: Final = Path(__file__).with_name("results")
_OBJECT: Final = 16 * KIB
_AT_ONCE: Final = 32
_PART: Final = 5 * MIB
_KEYS: Final = Credentials(ACCESS_KEY, SECRET_KEY)


@dataclass(slots=True)
class Bench:
    """What the stages send with, to one sink."""

    job: Job
    driver: S3StorageDriver
    client: OperationClient
    bare: Client
    floor: Client
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def key(self) -> str:
        """Return one that nothing was put to yet."""
        return f"layers-{next(self.numbers)}"


@asynccontextmanager
async def bench(endpoint: str, certificate: str | None) -> AsyncIterator[Bench]:
    """Give what the stages send with; payloads go unsigned, as over https by default."""
    job = Job("aios3_driver", endpoint, certificate, "", "stream", 1, 1, 0, 64 * KIB)
    driver = S3StorageDriver(
        "generic",
        endpoint_url=endpoint,
        region=REGION,
        credentials=_KEYS,
        ssl_context=job.ssl_context(),
        transfer=TransferConfig(payload_signing="unsigned"),
    )
    async with driver, bare_aiohttp.client(job) as bare, floor.client(job) as sender:
        engine = await DriverBase._open(driver)
        yield Bench(job, driver, engine.client, bare, sender)


def small_stages(to: Bench, count: int) -> Stages:
    """Return what puts `count` small objects, stage by stage, some at once."""

    async def transport(body: bytes) -> None:
        await to.client.transport.send(_put(to, body))

    async def signed(body: bytes) -> None:
        await to.client.transport.send(_signed(to, _put(to, body)))

    async def client(body: bytes) -> None:
        await to.client.run(PutObject(BUCKET, to.key(), _HEADERS, (body,)))

    async def driver(body: bytes) -> None:
        await to.driver.upload_object_via_stream(body, BUCKET, to.key())

    async def bare(body: bytes) -> None:
        await to.bare.put(body, to.key())

    stages = {
        "aiohttp PUT": bare,
        "transport: watched, bounded, with a body of slices": transport,
        "and signed": signed,
        "operation client: attempts, retry, clock": client,
        "driver: checks, headers, receipt": driver,
    }
    return {name: lambda put=put: _all_of(put, count) for name, put in stages.items()}  # type: ignore[misc]


_HEADERS: Final = {"content-type": "application/octet-stream"}


def _put(to: Bench, body: bytes) -> Request:
    return PutObject(BUCKET, to.key(), _HEADERS, (body,)).build(to.client.endpoint)


def _signed(to: Bench, request: Request) -> Request:
    return sign(request, _KEYS, Scope(REGION), to.client.clock_skew.now(), UNSIGNED_PAYLOAD)


async def _all_of(put: Callable[[bytes], Awaitable[None]], count: int) -> None:
    template, numbers = memoryview(bytes(_OBJECT)), iter(range(count))

    async def work() -> None:
        for _ in numbers:
            await put(bytes(template))  # a new object each time, as anybody's would be

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())


def stream_stages(to: Bench, size: int) -> Stages:
    """Return what sends a stream of `size` bytes, stage by stage."""

    async def plain() -> None:
        await to.floor.stream(Source(size, to.job.chunk_size), to.key())

    async def whole() -> None:
        await to.driver.upload_object_via_stream(Source(size, to.job.chunk_size), BUCKET, to.key())

    async def fed() -> None:
        transport = to.client.transport
        to.client.transport = _NoStore(size)
        try:
            await whole()
        finally:
            to.client.transport = transport

    return {
        "floor: the chunks as they come, on one connection": plain,
        "parts that are there already, 1 at once out of the memory of 1": lambda: _parts(to, size, 1),
        "parts that are there already, 8 at once out of the memory of 8": lambda: _parts(to, size, 8),
        "feeding alone: the transport answers at once": fed,
        "driver": whole,
    }


async def _parts(to: Bench, size: int, at_once: int) -> None:
    key, client = to.key(), to.client
    memory: list[Body] = [[bytearray(SEGMENT_SIZE) for _ in range(_PART // SEGMENT_SIZE)] for _ in range(at_once)]
    upload = await client.run(CreateMultipartUpload(BUCKET, key, {}))
    numbers, etags = iter(range(1, size // _PART + 1)), {}

    async def work() -> None:
        for number in numbers:
            part = UploadPart(BUCKET, key, upload, number, memory[number % at_once], {}, None)
            etags[number] = (await client.run(part)).etag

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    parts = [(number, etags[number], None) for number in sorted(etags)]
    await client.run(CompleteMultipartUpload(BUCKET, key, upload, parts, None, {}, None))


class _NoStore(Transport):
    """Answers everything at once, and takes no byte."""

    def __init__(self, size: int) -> None:
        self._size = size

    async def send(
        self, request: Request, *, read_timeout: float | None = None, on_sent: Callable[[], None] | None = None
    ) -> Response:
        await asyncio.sleep(0)
        if on_sent is not None:
            on_sent()
        headers = {"etag": '"e"', "content-length": str(self._size)}
        return Response(200, headers, _DOCUMENTS.get(request.operation, b""))


_DOCUMENTS: Final = {
    "CreateMultipartUpload": b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
    "CompleteMultipartUpload": b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>',
}


async def measure(stages: Stages, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of every stage, by round; a first round, which opens connections, does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for turn in range(rounds + 1):
        for name, stage in stages.items():
            gc.collect()
            began = time.process_time()
            await stage()
            if turn:
                seconds[name].append(time.process_time() - began)
    return seconds


def as_markdown(seconds: Mapping[str, Sequence[float]], unit: str, scale: float) -> str:
    """Return a table; `scale` makes seconds the unit, ratios are medians of the rounds' ratios to the first row."""
    reference = next(iter(seconds.values()))
    lines = [f"| stage | {unit} | ÷ first |", "|---|---:|---:|"]
    for name, figures in seconds.items():
        scaled = [figure * scale for figure in figures]
        ratio = median(figure / first for figure, first in zip(figures, reference, strict=True))
        lines.append(f"| {name} | {median(scaled):.2f} ({min(scaled):.2f}-{max(scaled):.2f}) | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


async def _tables(protocol: str, rounds: int, count: int, size: int) -> str:
    with running_sink(protocol, Shape()) as sink:
        async with bench(sink.endpoint, sink.certificate) as to:
            small = await measure(small_stages(to, count), rounds)
            stream = await measure(stream_stages(to, size), rounds)
    return (
        f"## Small objects over {protocol}: {count} x {_OBJECT // KIB} KiB, {_AT_ONCE} at once\n\n"
        f"{as_markdown(small, 'CPU us per object', 1e6 / count)}\n"
        f"## One stream over {protocol}: {size // MIB} MiB in chunks of 64 KiB, parts of {_PART // MIB} MiB\n\n"
        f"{as_markdown(stream, 'CPU s/GiB', GIB / size)}"
    )


def main() -> None:
    """Measure, print, and save what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--protocol", choices=("http", "https"), help="one of them instead of both")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--size-mib", type=int, default=500)
    parser.add_argument("--output", metavar="NAME", help="write results/NAME.md")
    options = parser.parse_args()
    notes = "\n".join(f"- {fact}" for fact in facts())
    protocols = (options.protocol,) if options.protocol else ("http", "https")
    size = options.size_mib * MIB
    tables = [asyncio.run(_tables(name, options.rounds, options.objects, size)) for name in protocols]
    text = f"{notes}\n\n" + "\n".join(tables)
    print(text, end="")
    if options.output:
        title = f"# Where the time goes\n\nWritten by `python -m benchmarks.layers {' '.join(sys.argv[1:])}`.\n\n"
        (_RESULTS / f"{options.output}.md").write_text(title + text)


if __name__ == "__main__":
    main()
