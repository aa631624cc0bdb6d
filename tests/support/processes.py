"""Programs that upload in child processes, for tests that kill these."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from aios3 import Credentials
from tests.support.places import ROOT

UPLOAD = """
import asyncio, sys
from aios3 import S3StorageDriver

async def main(provider, journal, path, bucket, *keys):
    async def stop(progress):
        if progress.parts_stored >= 2:
            print("stored", flush=True)
            await asyncio.Event().wait()

    async with S3StorageDriver(provider, journal=journal) as driver:
        await asyncio.gather(*(driver.upload_object(path, bucket, key, on_progress=stop) for key in keys))

asyncio.run(main(*sys.argv[1:]))
"""
"""Program that uploads a file to each of the keys, and stops when two parts of one key are stored."""

FORK = """
import asyncio, multiprocessing, os, subprocess, sys, time
from aios3 import S3StorageDriver

def fork(way):
    if way == "os.fork":
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        return child
    if way == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        process.start()
        return process.pid
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False).pid

async def main(way, provider, journal, path):
    async def stop(progress):
        if progress.parts_stored >= 2:
            print(fork(way), flush=True)
            await asyncio.Event().wait()

    async with S3StorageDriver(provider, journal=journal) as driver:
        await driver.upload_object(path, "bucket", "key", on_progress=stop)

asyncio.run(main(*sys.argv[1:]))
"""
"""Program that uploads a file. When two parts are stored it starts a long-lived process, and prints its id."""

USE_IN_FORK = """
import asyncio, os, sys
from aios3 import S3StorageDriver

used, unused = (S3StorageDriver(journal=sys.argv[1]) for _ in range(2))

def attempt(call):
    try:
        asyncio.run(call)
        print("done", flush=True)
    except Exception as error:
        print(type(error).__name__, str(error)[:43], flush=True)

async def main():
    await used.get_container("bucket")
    child = os.fork()
    return child

loop = asyncio.new_event_loop()
if loop.run_until_complete(main()) == 0:
    attempt(used.get_container("bucket"))
    attempt(used.upload_object_via_stream(b"x", "bucket", "key"))
    attempt(used.recover())
    attempt(used.aclose())
    attempt(unused.get_container("bucket"))
    os._exit(0)
os.wait()
loop.run_until_complete(used.get_container("bucket"))
print(len(os.listdir(sys.argv[1])), flush=True)
loop.run_until_complete(used.aclose())
print(len(os.listdir(sys.argv[1])), flush=True)
"""
"""Program that uses two drivers in a fork: one was used before the fork, the other was not."""

RECOVER = """
import asyncio, json, sys
from aios3 import S3StorageDriver

async def main(provider, journal, resume):
    async with S3StorageDriver(provider, journal=journal) as driver:
        recovered = await driver.recover(resume=bool(resume))
    print(json.dumps([[one.key, one.outcome] for one in recovered]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
"""Program that recovers open uploads, and prints the outcome of each."""


def environment_of(endpoint_url: str, region: str, credentials: Credentials) -> dict[str, str]:
    """Return the environment in which a child finds the store."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV"))}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }


@asynccontextmanager
async def child(
    environment: Mapping[str, str],
    *arguments: object,
    cwd: Path | None = None,
    stdout: IO[Any] | int = PIPE,
    stderr: IO[Any] | None = None,
) -> AsyncIterator[Process]:
    """Run this Python with `arguments`, and kill it at the end of the block if it has not ended."""
    words = [str(argument) for argument in arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdout=stdout, stderr=stderr, cwd=cwd
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: Process) -> str:
    """Return the next line that the child prints."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()


async def outcomes_of(process: Process) -> list[tuple[str, str]]:
    """Read the output of a `RECOVER` child, and return the key and the outcome of each upload."""
    return [(key, outcome) for key, outcome in json.loads(await line_of(process))]


INTERRUPTED = """
import asyncio, dataclasses, os, signal, sys, threading, time
from random import Random
from aios3 import PROVIDERS, S3StorageDriver, TransferConfig

PROVIDER = dataclasses.replace(PROVIDERS["generic"], min_part_size=1024)

interrupters = []

def start(thread):
    interrupters.append(thread)
    thread.start()

async def chunks(random):
    for _ in range(60):
        yield bytes(500)
        await asyncio.sleep(random.random() * 0.002)

async def main(random):
    async with S3StorageDriver(PROVIDER, transfer=TransferConfig(part_size=1024, concurrency=3)) as driver:
        uploads = (driver.upload_object_via_stream(chunks(random), "bucket", f"key-{number}") for number in range(3))
        start(threading.Thread(target=interrupt, args=(random.random() * 0.04, random.random() ** 2 * 0.02)))
        await asyncio.gather(*uploads)

def on_interrupt(runner, number, frame, main_task, original=asyncio.Runner._on_sigint):
    # Between taking a call out of its queue and running it, the loop would lose it, and a task would never wake up.
    is_in_loop = frame.f_code.co_filename.endswith(("base_events.py", "asyncio/events.py", "tasks.py"))
    if runner._interrupt_count and is_in_loop:
        start(threading.Timer(0.0001, os.kill, (os.getpid(), number)))
    else:
        original(runner, number, frame, main_task)

asyncio.Runner._on_sigint = on_interrupt

def interrupt(first, gap):
    for pause in (first, gap):
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGINT)

def run(seed):
    try:
        try:
            asyncio.run(main(Random(seed)))
        except (KeyboardInterrupt, RuntimeError):  # an interrupted loop may report at its end that it was stopped
            pass
        while any(thread.is_alive() for thread in interrupters):  # the second interrupt may come after the end
            time.sleep(0.001)
    except KeyboardInterrupt:
        pass

for seed in range(int(sys.argv[1])):
    run(seed)
print("ended", flush=True)
"""
"""Program that repeats uploads, and gets two interrupts each time, like two presses of Ctrl-C."""
