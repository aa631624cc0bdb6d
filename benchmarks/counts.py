"""Costs that no busy machine changes: ``python -m benchmarks.counts [SCENARIO ...] [--functions 30] [--eager]``.

Each scenario uploads fixed bytes over connections that send nothing. Counted are the calls that the code of aios3 makes
or receives, Python's own functions included, and the instructions of its bytecode, in the thread of the event loop. A
call takes about 50 ns or more, an instruction 5 to 20 ns. The last run shows the peak of allocated memory.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeAlias

import aios3
from aios3 import Credentials, S3StorageDriver, TransferConfig
from benchmarks.job import ACCESS_KEY, BUCKET, KIB, MIB, REGION, SECRET_KEY
from benchmarks.memory_store import connect_to_memory

__all__ = ["SCENARIOS", "Counts", "count", "main"]

Upload: TypeAlias = Callable[[S3StorageDriver], Awaitable[object]]

_CODE: Final = str(Path(aios3.__file__).parent)
_SIZE: Final = 64 * MIB


@dataclass(frozen=True)
class Counts:
    """What one run of a scenario cost."""

    by_function: Mapping[str, int]
    """Calls by function: those of aios3, and those that it calls. Making an object of a C type is no call here."""
    instructions: int
    """Bytecode instructions in the code of aios3."""
    peak: int
    """Most bytes that were allocated at once, above those before."""

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(self.by_function.values())


async def _chunks(size: int, chunk_size: int = 64 * KIB) -> AsyncIterator[bytes]:
    chunk = bytes(chunk_size)
    for _ in range(size // chunk_size):
        yield chunk


async def _small(driver: S3StorageDriver) -> None:
    await driver.upload_object_via_stream(bytes(16 * KIB), BUCKET, "key")


async def _stream(driver: S3StorageDriver) -> None:
    await driver.upload_object_via_stream(_chunks(_SIZE), BUCKET, "key")


async def _file(driver: S3StorageDriver) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(_SIZE)
        await driver.upload_object(file.name, BUCKET, "key")


async def _many(driver: S3StorageDriver) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(64):
            group.create_task(driver.upload_object_via_stream(_chunks(6 * MIB, MIB), BUCKET, f"key-{number}"))


SCENARIOS: Final[Mapping[str, Upload]] = {
    "one object of 16 KiB": _small,
    "a stream of 64 MiB in chunks of 64 KiB": _stream,
    "a file of 64 MiB": _file,
    "64 streams of 6 MiB at once, in chunks of 1 MiB": _many,
}


@asynccontextmanager
async def _driver() -> AsyncIterator[S3StorageDriver]:
    """Give a driver whose connections and caches are warm."""
    driver = S3StorageDriver(
        "generic",
        endpoint_url="http://store.test",
        region=REGION,
        credentials=Credentials(ACCESS_KEY, SECRET_KEY),
        transfer=TransferConfig(payload_signing="unsigned"),
    )
    async with driver:
        engine: Any = await driver._open()
        connect_to_memory(engine.client.transport._session.connector)
        yield driver


async def count(upload: Upload, *, eager: bool = False) -> Counts:
    """Run `upload` four times: to warm up, and for its calls, its instructions and its peak of memory.

    With `eager`, tasks run until they first wait as soon as they are made, which needs Python 3.12.
    """
    if eager:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    async with _driver() as driver:
        await upload(driver)
        calls = await _count_calls(upload(driver))
        instructions = await _count_instructions(upload(driver))
        return Counts(calls, instructions, await _find_peak(upload(driver)))


async def _count_calls(work: Awaitable[object]) -> Counter[str]:
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "c_call":
            if code.co_filename.startswith(_CODE):
                calls[f"{argument.__qualname__} (in C)"] += 1
        elif event == "call":
            caller = frame.f_back
            if code.co_filename.startswith(_CODE):
                calls[f"{code.co_filename.removeprefix(_CODE)[1:]}:{code.co_firstlineno} {code.co_qualname}"] += 1
            elif caller is not None and caller.f_code.co_filename.startswith(_CODE):
                calls[f"{Path(code.co_filename).name}:{code.co_firstlineno} {code.co_qualname}"] += 1

    sys.setprofile(note)
    try:
        await work
    finally:
        sys.setprofile(None)
    return calls


async def _count_instructions(work: Awaitable[object]) -> int:
    counter = itertools.count()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_CODE):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return step

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            next(counter)
        return step

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        await work
    finally:
        sys.settrace(before)
    return next(counter)


async def _find_peak(work: Awaitable[object]) -> int:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await work
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def main() -> None:
    """Count what was asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="beginning of a name; all by default")
    parser.add_argument("--functions", type=int, default=0, help="show so many functions, those with most calls first")
    parser.add_argument("--eager", action="store_true", help="with asyncio.eager_task_factory, from Python 3.12 on")
    options = parser.parse_args()
    for name, upload in SCENARIOS.items():
        if not options.scenarios or name.startswith(tuple(options.scenarios)):
            found = asyncio.run(count(upload, eager=options.eager))
            print(f"{name}: {found.calls} calls, {found.instructions} instructions, {found.peak / KIB:.0f} KiB")
            for function, calls in Counter(found.by_function).most_common(options.functions):
                print(f"{calls:10} {function}")


if __name__ == "__main__":
    main()
