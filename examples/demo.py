"""Stream bytes of unknown length into a local S3 store, read them back, and compare.

    python examples/demo.py [--size-mib 256]

The demo starts the store, ``rclone serve s3``, on a port of this machine. The store
keeps objects as plain files in a temporary directory, and is stopped at the end.
The bytes come from a generator, so their number is not known beforehand.

Ctrl-C in the middle shows that an interrupted upload leaves nothing behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aios3 import Credentials, ObjectNotFoundError, S3StorageDriver, StorageError, UploadProgress, UploadReceipt

MIB: Final = 1024 * 1024
CHUNK: Final = 64 * 1024
PEAK_LIMIT: Final = 150 * MIB
BUCKET, KEY = "videos", "2026/demo.bin"

OK, FAILED, INTERRUPTED = 0, 1, 130
"""Exit codes. A shell reports the last for a program that Ctrl-C ended."""


class StoreError(Exception):
    """The local store cannot be started. The message says why."""


@dataclass(frozen=True)
class LocalStore:
    """Running ``rclone serve s3``."""

    endpoint_url: str
    credentials: Credentials
    buckets: Path
    """Directory in which every object is a plain file."""


@contextlib.contextmanager
def local_store() -> Iterator[LocalStore]:
    """Run ``rclone serve s3`` on a free port, with keys made for this run. Remove its files at the end."""
    beside = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    program = shutil.which(os.environ.get("AIOS3_RCLONE", "rclone"), path=os.pathsep.join(beside))
    if program is None:
        raise StoreError("rclone is not installed; 'make demo' installs all that the demo needs")
    keys = Credentials("aios3", secrets.token_hex(20))
    with tempfile.TemporaryDirectory(prefix="aios3-demo-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        log, buckets = Path(home, "log"), Path(home, "buckets")
        buckets.mkdir()
        options = ["--config", f"{home}/rclone.conf", "--cache-dir", f"{home}/cache", "--addr", address]
        # In the environment, because every user of the machine can read the arguments of a process.
        environment = {**os.environ, "RCLONE_AUTH_KEY": f'"{keys.access_key_id},{keys.secret_access_key}"'}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, "serve", "s3", *options, str(buckets)],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the demo, which queries the store afterwards
            )
        try:
            wait_until_listening(address, process, log)
            yield LocalStore(f"http://{address}", keys, buckets)
        finally:
            process.terminate()
            process.wait()


def wait_until_listening(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the store listens at `address`. Raise `StoreError` if the process ends, or after 45 s."""
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 45
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        time.sleep(0.02)
    raise StoreError(f"rclone does not serve: {log.read_text(errors='replace')[-1000:]}")


async def generate(size: int, digest: hashlib._Hash) -> AsyncIterator[bytes]:
    """Yield `size` bytes in different chunks of 64 KiB, the same in every run, and add them to `digest`."""
    noise = random.Random(2026).randbytes(4 * MIB)
    for offset in range(0, size, CHUNK):
        start = offset % len(noise)
        chunk = offset.to_bytes(8, "big") + noise[start + 8 : start + CHUNK]
        chunk = chunk[: size - offset]
        digest.update(chunk)
        yield chunk


class ProgressPrinter:
    """Shows an upload's progress: a bar on a terminal, else a line every 32 MiB.

    The driver does not know the length of the stream, but the demo does, so it can
    draw a bar.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._began = time.monotonic()
        self._is_terminal = sys.stdout.isatty()
        self._next_line = 32 * MIB

    def __call__(self, progress: UploadProgress) -> None:
        """Show one snapshot of the progress."""
        stored = progress.bytes_stored
        rate = stored / MIB / max(time.monotonic() - self._began, 0.001)
        words = f"{progress.parts_stored:4} parts stored {stored / MIB:8.1f} MiB {rate:8.1f} MiB/s"
        if self._is_terminal:
            filled = 30 * stored // max(self._size, 1)
            print(f"\r  [{'#' * filled:-<30}] {words}", end="", flush=True)
        elif stored >= self._next_line:
            self._next_line = stored + 32 * MIB
            print(f"  {words}", flush=True)

    def end(self) -> None:
        """End the line of the bar."""
        if self._is_terminal:
            print(flush=True)


async def upload(driver: S3StorageDriver, size: int, digest: hashlib._Hash) -> UploadReceipt:
    """Upload the generator's bytes without declaring their number."""
    printer = ProgressPrinter(size)
    try:
        return await driver.upload_object_via_stream(generate(size, digest), BUCKET, KEY, on_progress=printer)
    finally:
        printer.end()


async def read_back(driver: S3StorageDriver) -> tuple[int, str]:
    """Read the object as a stream, and return its length and SHA-256."""
    size, digest = 0, hashlib.sha256()
    async for chunk in driver.download_object_as_stream(BUCKET, KEY):
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()


def read_file(path: Path) -> tuple[int, str]:
    """Return the length and the SHA-256 of a file."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def print_receipt(receipt: UploadReceipt) -> None:
    """Print the receipt of the upload."""
    print("Receipt")
    print(f"  object    {receipt.bucket}/{receipt.key}, {receipt.size} bytes, ETag {receipt.etag}")
    print(f"  upload    {receipt.upload_id}")
    print(f"  parts     {len(receipt.parts)}, the last one of {receipt.parts[-1].size if receipt.parts else 0} bytes")
    print(f"  took      {receipt.elapsed:.2f} s with {receipt.retries} retries")


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes, including its interpreter."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource  # without /proc; on Linux its figure would also include memory of the parent process

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


async def print_leftovers(driver: S3StorageDriver) -> None:
    """Print what an interrupted run has left in the store."""
    found = [pending async for pending in driver.iterate_multipart_uploads(BUCKET)]
    print("Uploads that are still open in the store:" if found else "No upload is open in the store.")
    for pending in found:
        print(f"  {pending.key}, upload id {pending.upload_id}")
    try:
        stored = await driver.get_object(BUCKET, KEY)
        print(f"{BUCKET}/{KEY} holds {stored.size} bytes: the upload had ended before.")
    except ObjectNotFoundError:
        print(f"{BUCKET}/{KEY} does not exist.")


async def show(store: LocalStore, size: int) -> int:
    """Upload, read back and compare. Return the exit code."""
    async with S3StorageDriver(
        "rclone", endpoint_url=store.endpoint_url, region="us-east-1", credentials=store.credentials
    ) as driver:
        await driver.create_container(BUCKET)
        try:
            return await upload_and_compare(driver, size, store.buckets / BUCKET / KEY)
        except asyncio.CancelledError:
            print("Interrupted. What is left behind?")
            await print_leftovers(driver)
            raise


async def upload_and_compare(driver: S3StorageDriver, size: int, path: Path) -> int:
    """Upload the stream, and compare it with the stored object. Return the exit code."""
    print(f"Uploading a stream of unknown length to {BUCKET}/{KEY}, in chunks of {CHUNK // 1024} KiB")
    digest = hashlib.sha256()
    receipt = await upload(driver, size, digest)
    sent = (size, digest.hexdigest())
    is_equal = sent == await read_back(driver)
    print(f"Read back as a stream: {'equal' if is_equal else 'DIFFERENT'}, SHA-256 {sent[1]}")
    is_equal_on_disk = sent == await asyncio.to_thread(read_file, path)
    print(f"The plain file on disk: {'equal' if is_equal_on_disk else 'DIFFERENT'}, {path}")
    print_receipt(receipt)
    peak = peak_memory()
    print(f"Peak memory of this process: {peak / MIB:.1f} MiB (it must stay below {PEAK_LIMIT // MIB} MiB)")
    return OK if is_equal and is_equal_on_disk and peak < PEAK_LIMIT else FAILED


def main() -> int:
    """Run the demo with a store of its own. Return the exit code."""
    parser = argparse.ArgumentParser(description="Stream bytes of unknown length into a local S3 store.")
    parser.add_argument("--size-mib", type=int, default=256, help="how much to upload (default: %(default)s)")
    size = parser.parse_args().size_mib * MIB
    try:
        with local_store() as store:
            print(f"rclone serves S3 at {store.endpoint_url}")
            return asyncio.run(show(store, size))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (StoreError, StorageError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
